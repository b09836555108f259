"""Benchmarks of speed and accuracy: `python -m benchmarks NAME`."""
