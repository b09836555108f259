"""Experiment plans of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; earlier runs have no plan."""
    op.add_column("runs", sa.Column("plan", sa.JSON(), nullable=True))
