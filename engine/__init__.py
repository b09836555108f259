"""Pixels and numbers: networks, measurements, training, evaluation. Knows no database, no screen and no user."""
