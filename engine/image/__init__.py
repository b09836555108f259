"""Pictures: decoding, quality, geometry, rectification, and the type of a detection. Free of torch."""
