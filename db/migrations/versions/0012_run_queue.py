"""Order of the queued runs, which the user may change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; runs that are queued already keep the order in which they were queued, that of their ids."""
    op.add_column("runs", sa.Column("queue_order", sa.Integer(), nullable=False, server_default=sa.text("0")))
