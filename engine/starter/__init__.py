"""The model that ships, and its card: made by `python -m benchmarks.starter`."""
