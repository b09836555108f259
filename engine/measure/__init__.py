"""Measurements of a rectified card in millimeters, each with its uncertainty or the reason why there is none."""
