"""Pixels and numbers: pictures to channels, channels to grades. Knows no database, no screen, no user."""
