"""What a run is to show: the plan that is said before it runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the runs of before had no plan."""
    op.add_column("runs", sa.Column("plan", sa.JSON(), nullable=True))
