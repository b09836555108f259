"""Collection: gradings, titles and prices of cards, submission costs, returned grades, and the bin."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
IN_BIN = {
    "label_events": "SELECT 1 FROM cards WHERE id = OLD.card_id AND deleted_at IS NOT NULL",
    "lines_events": (
        "SELECT 1 FROM cards JOIN pictures ON pictures.id IN (front_id, back_id) "
        "WHERE sha256 = OLD.picture_sha256 AND deleted_at IS NOT NULL"
    ),
}
REFUSALS = {
    "label_events": "label events are append-only; record the correction as another event",
    "lines_events": "lines are append-only; record the correction as another event",
}


def upgrade() -> None:
    """Add the tables and columns; events may be deleted with their card, once it is in the bin."""
    op.add_column("cards", sa.Column("title", sa.String(), nullable=False, server_default=""))
    op.add_column("cards", sa.Column("prices", sa.JSON(), nullable=True))
    op.add_column("cards", sa.Column("deleted_at", MOMENT, nullable=True))
    op.add_column("label_events", sa.Column("returned", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "gradings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("card_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("prediction", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gradings"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name="fk_gradings_card_id_cards"),
        sa.CheckConstraint("length(model_sha256) = 64", name=op.f("ck_gradings_sha256_length")),
    )
    op.create_index("ix_gradings_card_id_id", "gradings", ["card_id", "id"])
    op.create_table(
        "submission_costs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("grading_fee", sa.Double(), nullable=False),
        sa.Column("shipping", sa.Double(), nullable=False),
        sa.Column("selling_fee", sa.Double(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_submission_costs"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for table, condition in IN_BIN.items():
            op.execute(f"DROP TRIGGER {table}_no_delete")
            op.execute(
                f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN NOT EXISTS ({condition}) "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSALS[table]}'); END"
            )
