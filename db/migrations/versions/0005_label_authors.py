"""Authors of labels: the name of the person who gave a label."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the author of earlier labels is unknown."""
    op.add_column("label_events", sa.Column("author", sa.String(), nullable=False, server_default=""))
