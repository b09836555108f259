"""Surface: scratches and creases."""
