"""Screens and commands, and the process a run lives in."""
