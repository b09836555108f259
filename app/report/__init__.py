"""Printable report of graded cards: one HTML file that opens offline."""
