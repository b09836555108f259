"""Current label of each card, unsure labels, and claims of cards by labelers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns and the table; the current label of every card is found once, by the rule of db/labels.py."""
    op.add_column("cards", sa.Column("label_id", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE cards SET label_id = (SELECT id FROM label_events WHERE card_id = cards.id "
        "ORDER BY CASE WHEN source = 'person' THEN 0 ELSE 1 END, id DESC LIMIT 1)"
    )
    op.add_column("label_events", sa.Column("unsure", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "label_claims",
        sa.Column("card_id", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("card_id", name=op.f("pk_label_claims")),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_label_claims_card_id_cards")),
    )
