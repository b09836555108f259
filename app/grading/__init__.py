"""Grading a card for the user: engine results as text, JSON and pictures."""
