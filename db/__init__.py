"""Database schema and queries; the only package that uses SQLAlchemy."""
