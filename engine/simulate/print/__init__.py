"""Printing of a simulated card: designs, art, lettering, backs, foil."""
