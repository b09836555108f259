"""Facts of a label history, kept with the card, and labels that were given blind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LAST_GRADES = (
    "SELECT {extreme}(grade) FROM label_events AS event WHERE card_id = cards.id AND NOT EXISTS ("
    "SELECT 1 FROM label_events AS later WHERE later.card_id = event.card_id AND later.source = event.source "
    "AND later.author = event.author AND later.id > event.id)"
)
BY_PERSON = "SELECT 1 FROM label_events WHERE card_id = cards.id AND source = 'person'"


def upgrade() -> None:
    """Add the columns; those of every card are filled once, by the rule of db/labels.py."""
    op.add_column("label_events", sa.Column("blind", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("cards", sa.Column("is_reviewed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("cards", sa.Column("lowest_grade", sa.Double(), nullable=True))
    op.add_column("cards", sa.Column("highest_grade", sa.Double(), nullable=True))
    lowest, highest = (LAST_GRADES.format(extreme=extreme) for extreme in ("min", "max"))
    op.execute(
        f"UPDATE cards SET is_reviewed = EXISTS ({BY_PERSON}), lowest_grade = ({lowest}), highest_grade = ({highest})"
    )
