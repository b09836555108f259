"""Alembic executes this file to run migrations; db/migrate.py hands it the open connection."""

from alembic import context

from db.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter most columns in place
    transactional_ddl=True,  # and can roll back DDL, now that the driver no longer commits before it
)
with context.begin_transaction():
    context.run_migrations()
