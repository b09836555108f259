"""Accuracy against simulated ground truth and real pictures."""
