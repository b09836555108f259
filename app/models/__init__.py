"""Models to grade with: which one is in use, and reports on a model file."""
