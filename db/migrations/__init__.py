"""Alembic migrations, one file per revision. Run by db/migrate.py, without an ini file."""
