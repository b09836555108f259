"""Alembic's folder: how the tables came to be, one file a step. Run by db/migrate.py, without an ini file."""
