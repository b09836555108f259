"""Centering: the lines of the printed frame and the borders around it."""
