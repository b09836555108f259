"""Versions of picture files, by which a file that was not changed since it was read is recognized at any clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is filled in when a picture of an earlier version is imported or checked again."""
    op.add_column("pictures", sa.Column("file_version", sa.String(), nullable=True))
