"""History of the models in use: who promoted a model, why, by which figures, and whether it was put back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of earlier promotions none of this is known."""
    for name in ("name", "author", "reason"):
        op.add_column("promotions", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.add_column("promotions", sa.Column("comparison", sa.JSON(), nullable=True))
    op.add_column("promotions", sa.Column("is_rollback", sa.Boolean(), nullable=False, server_default=sa.false()))
