"""File sizes of pictures, by which a moved file is searched for without reading every other file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is filled in when a picture of an earlier version is imported or checked again."""
    op.add_column("pictures", sa.Column("size_bytes", sa.Integer(), nullable=True))
