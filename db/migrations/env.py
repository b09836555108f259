"""Alembic environment: runs the migrations on the connection passed by db/migrate.py."""

from alembic import context

from db.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter most columns in place
    transactional_ddl=True,  # SQLite can roll back DDL, because the driver no longer commits before it
)
with context.begin_transaction():
    context.run_migrations()
