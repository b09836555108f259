"""Simulated cards: printed, worn and photographed, with their ground truth."""
