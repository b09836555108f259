"""Initial schema: pictures, cards, label events, snapshots, runs, epochs, promotions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create all tables, and the triggers that make label events append-only."""
    op.create_table(
        "pictures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("phash", sa.String(16), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pictures"),
        sa.UniqueConstraint("sha256", name="uq_pictures_sha256"),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_pictures_sha256_length")),
        sa.CheckConstraint("length(phash) = 16", name=op.f("ck_pictures_phash_length")),
        sa.CheckConstraint("width > 0 AND height > 0", name=op.f("ck_pictures_size")),
    )
    op.create_table(
        "cards",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("front_id", sa.Integer(), nullable=True),
        sa.Column("back_id", sa.Integer(), nullable=True),
        sa.Column("group_name", sa.String(), nullable=False),
        sa.Column("fixed_split", sa.String(5), nullable=True),
        sa.Column("cert", sa.String(), nullable=False),
        sa.Column("game", sa.String(), nullable=False),
        sa.Column("notes", sa.String(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cards"),
        sa.ForeignKeyConstraint(["front_id"], ["pictures.id"], name="fk_cards_front_id_pictures"),
        sa.ForeignKeyConstraint(["back_id"], ["pictures.id"], name="fk_cards_back_id_pictures"),
        sa.UniqueConstraint("name", name="uq_cards_name"),
        sa.UniqueConstraint("front_id", "back_id", name="uq_cards_front_id_back_id"),
        sa.CheckConstraint("front_id IS NOT NULL OR back_id IS NOT NULL", name=op.f("ck_cards_has_a_side")),
        sa.CheckConstraint("fixed_split IN ('train', 'val', 'test')", name=op.f("ck_cards_fixed_split")),
        sa.CheckConstraint("group_name <> ''", name=op.f("ck_cards_group_name")),
    )
    op.create_index(
        "uq_cards_front_alone",
        "cards",
        ["front_id"],
        unique=True,
        sqlite_where=sa.text("back_id IS NULL"),
        postgresql_where=sa.text("back_id IS NULL"),
    )
    op.create_index(
        "uq_cards_back_alone",
        "cards",
        ["back_id"],
        unique=True,
        sqlite_where=sa.text("front_id IS NULL"),
        postgresql_where=sa.text("front_id IS NULL"),
    )
    op.create_index("ix_cards_back_id", "cards", ["back_id"])
    op.create_table(
        "label_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("card_id", sa.Integer(), nullable=False),
        sa.Column("grade", sa.Double(), nullable=True),
        sa.Column("qualifier", sa.String(9), nullable=True),
        sa.Column("source", sa.String(6), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_label_events"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name="fk_label_events_card_id_cards"),
        sa.CheckConstraint(
            "grade IN (1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 10)",
            name=op.f("ck_label_events_grade"),
        ),
        sa.CheckConstraint(
            "qualifier IN ('OC', 'MC', 'MK', 'ST', 'PD', 'OF', "
            "'AUTHENTIC', 'ALTERED', 'N1', 'N2', 'N3', 'N4', 'N5', 'N6', 'N7', 'N8', 'N9')",
            name=op.f("ck_label_events_qualifier"),
        ),
        sa.CheckConstraint("source IN ('import', 'person')", name=op.f("ck_label_events_source")),
    )
    op.create_index("ix_label_events_card_id_id", "label_events", ["card_id", "id"])
    op.create_table(
        "snapshots",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("pairs", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_snapshots"),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_snapshots_sha256_length")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("recipe", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("snapshot_id", sa.Integer(), nullable=True),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("log_path", sa.String(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("summary", sa.JSON(), nullable=True),
        sa.Column("stop_requested_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name="fk_runs_snapshot_id_snapshots"),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'finished', 'stopped', 'failed', 'lost')", name=op.f("ck_runs_state")
        ),
    )
    op.create_table(
        "epochs",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("train_loss", sa.Double(), nullable=False),
        sa.Column("val_loss", sa.Double(), nullable=False),
        sa.Column("qwk", sa.Double(), nullable=True),
        sa.Column("learning_rate", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "epoch", name="pk_epochs"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_epochs_run_id_runs"),
    )
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("model_path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_promotions_run_id_runs"),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_promotions_sha256_length")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _keep_label_events()


def _keep_label_events() -> None:
    refusal = "SELECT RAISE(ABORT, 'label events are append-only; record the correction as another event');"
    op.execute(f"CREATE TRIGGER label_events_no_update BEFORE UPDATE ON label_events BEGIN {refusal} END")
    op.execute(f"CREATE TRIGGER label_events_no_delete BEFORE DELETE ON label_events BEGIN {refusal} END")
    # INSERT OR REPLACE deletes the old row without firing delete triggers.
    op.execute(
        "CREATE TRIGGER label_events_no_replace BEFORE INSERT ON label_events "
        f"WHEN EXISTS (SELECT 1 FROM label_events WHERE id = NEW.id) BEGIN {refusal} END"
    )
