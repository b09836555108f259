"""Pictures: decoding, quality, geometry, rectification, and the detection type. No torch import."""
