"""Line corrections: a card's edges and printed frame as placed by a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of line events, and the triggers that make it append-only."""
    op.create_table(
        "lines_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("picture_sha256", sa.String(64), nullable=False),
        sa.Column("side", sa.String(5), nullable=False),
        sa.Column("quad", sa.JSON(), nullable=False),
        sa.Column("width_mm", sa.Double(), nullable=False),
        sa.Column("height_mm", sa.Double(), nullable=False),
        sa.Column("physical", sa.JSON(), nullable=True),
        sa.Column("printed", sa.JSON(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lines_events"),
        sa.CheckConstraint("length(picture_sha256) = 64", name=op.f("ck_lines_events_sha256_length")),
        sa.CheckConstraint("side IN ('front', 'back')", name=op.f("ck_lines_events_side")),
        sa.CheckConstraint("width_mm > 0 AND height_mm > 0", name=op.f("ck_lines_events_size")),
        sa.CheckConstraint("(physical IS NULL) = (printed IS NULL)", name=op.f("ck_lines_events_all_eight_or_none")),
    )
    op.create_index("ix_lines_events_picture_sha256_side_id", "lines_events", ["picture_sha256", "side", "id"])
    if op.get_bind().dialect.name == "sqlite":
        _keep_lines()


def _keep_lines() -> None:
    refusal = "SELECT RAISE(ABORT, 'lines are append-only; record the correction as another event');"
    op.execute(f"CREATE TRIGGER lines_events_no_update BEFORE UPDATE ON lines_events BEGIN {refusal} END")
    op.execute(f"CREATE TRIGGER lines_events_no_delete BEFORE DELETE ON lines_events BEGIN {refusal} END")
    # INSERT OR REPLACE deletes the old row without firing delete triggers.
    op.execute(
        "CREATE TRIGGER lines_events_no_replace BEFORE INSERT ON lines_events "
        f"WHEN EXISTS (SELECT 1 FROM lines_events WHERE id = NEW.id) BEGIN {refusal} END"
    )
