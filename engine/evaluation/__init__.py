"""Metrics, confidence intervals, calibration and comparison. NumPy only."""
