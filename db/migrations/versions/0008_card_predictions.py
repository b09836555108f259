"""Predictions of a model for the cards, by which the labeling queue ranks them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "card_predictions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("card_id", sa.Integer(), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("probabilities", sa.LargeBinary(), nullable=True),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("length(model_sha256) = 64", name=op.f("ck_card_predictions_sha256_length")),
        sa.CheckConstraint(
            "probabilities IS NULL OR length(probabilities) = 80",
            name=op.f("ck_card_predictions_ten_probabilities"),
        ),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_card_predictions_card_id_cards")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_predictions")),
        sa.UniqueConstraint("model_sha256", "card_id", name=op.f("uq_card_predictions_model_sha256_card_id")),
    )
