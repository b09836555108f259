"""Rows and rules: the only room that knows SQLAlchemy."""
