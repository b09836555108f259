"""Wear of a simulated card, by amount and grade."""
