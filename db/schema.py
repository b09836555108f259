"""Database tables and their constraints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

LabelSource = Literal["import", "person"]
Side = Literal["front", "back"]
RunState = Literal["queued", "running", "finished", "stopped", "failed", "lost"]

# In place of the path of the model that ships with the program.
STARTER = "starter"

Point = tuple[float, float]
Points = list[Point]
Lines = list[tuple[Point, Point]]

# Copies of the grading scale, because db imports no other package; a test compares them with engine.cards.grades.
GRADES_SQL = "1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 10"
QUALIFIERS_SQL = (
    "'OC', 'MC', 'MK', 'ST', 'PD', 'OF', 'AUTHENTIC', 'ALTERED', 'N1', 'N2', 'N3', 'N4', 'N5', 'N6', 'N7', 'N8', 'N9'"
)


class DamagedValue(ValueError):
    """A stored value that is not of the kind of its column: the file is damaged, or another program wrote it."""


def utc_now() -> datetime:
    """The current time in UTC, timezone-aware."""
    return datetime.now(UTC)


class UtcTime(TypeDecorator[datetime]):
    """A timezone-aware time in UTC. SQLite drops time zones: stored as UTC, and marked as UTC when read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert an aware time to UTC. Raises ValueError for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value} has no time zone; use datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """As TypeDecorator's; raises DamagedValue for a text that is no time."""
        process = super().result_processor(dialect, coltype)

        def process_checked(value: Any) -> datetime | None:
            try:
                return process(value) if process else value
            except (ValueError, TypeError) as error:
                raise DamagedValue(f"{value!r} is no time") from error

        return process_checked


class Base(DeclarativeBase):
    """Base of all tables: constraint names for migrations, and the column type of each Python type."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # a name defined by SQLAlchemy, read once when the class is created
        datetime: UtcTime,
        dict[str, Any]: JSON(none_as_null=True),
        list[dict[str, str]]: JSON(none_as_null=True),
        Points: JSON(none_as_null=True),
        Lines: JSON(none_as_null=True),
    }


class Picture(Base):
    """A picture file, identified by the hash of its bytes and referenced by path."""

    __tablename__ = "pictures"
    __table_args__ = (
        CheckConstraint("length(sha256) = 64", name="sha256_length"),
        CheckConstraint("length(phash) = 16", name="phash_length"),
        CheckConstraint("width > 0 AND height > 0", name="size"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    path: Mapped[str]  # absolute
    size_bytes: Mapped[int | None]  # None: recorded by an earlier version
    # Of the file when its hash was taken; None: recorded by an earlier version, or just after the file had changed
    file_version: Mapped[str | None]
    width: Mapped[int]  # pixels, upright
    height: Mapped[int]
    phash: Mapped[str] = mapped_column(String(16))  # 64 bits as hex
    quality: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Card(Base):
    """A physical card: a front, a back, or both."""

    __tablename__ = "cards"
    __table_args__ = (
        CheckConstraint("front_id IS NOT NULL OR back_id IS NOT NULL", name="has_a_side"),
        CheckConstraint("fixed_split IN ('train', 'val', 'test')", name="fixed_split"),
        CheckConstraint("group_name <> ''", name="group_name"),
        UniqueConstraint("front_id", "back_id"),
        # UNIQUE treats two NULLs as different, so one-sided cards need separate indexes.
        Index(
            "uq_cards_front_alone",
            "front_id",
            unique=True,
            sqlite_where=text("back_id IS NULL"),
            postgresql_where=text("back_id IS NULL"),
        ),
        Index(
            "uq_cards_back_alone",
            "back_id",
            unique=True,
            sqlite_where=text("front_id IS NULL"),
            postgresql_where=text("front_id IS NULL"),
        ),
        Index(None, "back_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)  # the manifest's card_id
    front_id: Mapped[int | None] = mapped_column(ForeignKey("pictures.id"))
    back_id: Mapped[int | None] = mapped_column(ForeignKey("pictures.id"))
    group_name: Mapped[str]  # cards of one group are always in the same split
    fixed_split: Mapped[str | None] = mapped_column(String(5))
    cert: Mapped[str] = mapped_column(default="")
    game: Mapped[str] = mapped_column(default="")
    notes: Mapped[str] = mapped_column(default="")
    synthetic: Mapped[bool] = mapped_column(default=False)
    title: Mapped[str] = mapped_column(default="", server_default="")  # given by the collector; "": the name
    prices: Mapped[dict[str, Any] | None]  # {"raw": price, "10": price, ...}, in the collector's currency
    deleted_at: Mapped[datetime | None]  # in the bin: shown nowhere else, not trained on, kept until it is emptied
    # Row id of the current label, kept by db/labels.py. No foreign key: an event refers to its card already.
    label_id: Mapped[int | None]
    # Also kept by db/labels.py: whether a person has given an event, and the extremes of each labeler's last grade.
    is_reviewed: Mapped[bool] = mapped_column(default=False, server_default=false())
    lowest_grade: Mapped[float | None]
    highest_grade: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    front: Mapped[Picture | None] = relationship(foreign_keys=[front_id], lazy="joined")
    back: Mapped[Picture | None] = relationship(foreign_keys=[back_id], lazy="joined")

    @property
    def pictures(self) -> list[Picture]:
        """The one or two pictures, front first."""
        return [picture for picture in (self.front, self.back) if picture is not None]


class LabelEvent(Base):
    """A label given to a card. Append-only: a correction is another event (append_only.py)."""

    __tablename__ = "label_events"
    __table_args__ = (
        CheckConstraint(f"grade IN ({GRADES_SQL})", name="grade"),
        CheckConstraint(f"qualifier IN ({QUALIFIERS_SQL})", name="qualifier"),
        CheckConstraint("source IN ('import', 'person')", name="source"),
        Index(None, "card_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    grade: Mapped[float | None]
    qualifier: Mapped[str | None] = mapped_column(String(9))
    source: Mapped[LabelSource] = mapped_column(String(6))
    author: Mapped[str] = mapped_column(default="", server_default="")  # "": an import, or an earlier version
    note: Mapped[str] = mapped_column(default="")
    returned: Mapped[bool] = mapped_column(
        default=False, server_default=false()
    )  # it came back from the grading company
    unsure: Mapped[bool] = mapped_column(default=False, server_default=false())  # to be looked at again later
    blind: Mapped[bool] = mapped_column(default=False, server_default=false())  # without seeing the earlier labels
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class LabelClaim(Base):
    """A card that a labeler has on the screen or will have next: no one else gets it until the claim expires."""

    __tablename__ = "label_claims"

    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"), primary_key=True)
    author: Mapped[str]
    expires_at: Mapped[datetime]


class Grading(Base):
    """A grading of a card of the collection by a model; a card is in the collection if it has one."""

    __tablename__ = "gradings"
    __table_args__ = (
        CheckConstraint("length(model_sha256) = 64", name="sha256_length"),
        Index(None, "card_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    model_name: Mapped[str]
    model_sha256: Mapped[str] = mapped_column(String(64))
    prediction: Mapped[dict[str, Any]]  # {grade, expected, probabilities, interval, abstained} of the report
    report: Mapped[dict[str, Any]] = mapped_column(deferred=True)  # the JSON of `grade`
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class CardPrediction(Base):
    """A model's grades for a card, by which the labeling queue ranks it; computed once for each model and card.

    probabilities  ten 64-bit floats, grades 1 to 10, calibrated if the model is; None if the card was not graded
    problem        why it was not graded; "" if it was
    """

    __tablename__ = "card_predictions"
    __table_args__ = (
        CheckConstraint("length(model_sha256) = 64", name="sha256_length"),
        CheckConstraint("probabilities IS NULL OR length(probabilities) = 80", name="ten_probabilities"),
        UniqueConstraint("model_sha256", "card_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    model_sha256: Mapped[str] = mapped_column(String(64))
    probabilities: Mapped[bytes | None] = mapped_column(LargeBinary)
    problem: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class CostsEntry(Base):
    """Costs of submitting a card, as last entered; the last row is in use."""

    __tablename__ = "submission_costs"

    id: Mapped[int] = mapped_column(primary_key=True)
    grading_fee: Mapped[float]
    shipping: Mapped[float]
    selling_fee: Mapped[float]  # fraction of the sale price
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class LinesEvent(Base):
    """Eight lines placed by a person on one side of a card. Append-only, like a label (append_only.py).

    The picture is identified by its hash alone, because lines may also be placed on a picture without a card row.
    Millimeters count from the top left corner of `quad`, so the lines stay valid if a later detection differs.
    """

    __tablename__ = "lines_events"
    __table_args__ = (
        CheckConstraint("length(picture_sha256) = 64", name="sha256_length"),
        CheckConstraint("side IN ('front', 'back')", name="side"),
        CheckConstraint("width_mm > 0 AND height_mm > 0", name="size"),
        CheckConstraint("(physical IS NULL) = (printed IS NULL)", name="all_eight_or_none"),
        Index(None, "picture_sha256", "side", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    picture_sha256: Mapped[str] = mapped_column(String(64))
    side: Mapped[Side] = mapped_column(String(5))
    quad: Mapped[Points]  # pixels of the upright picture, clockwise from the printed top left
    width_mm: Mapped[float]  # of the card
    height_mm: Mapped[float]
    physical: Mapped[Lines | None]  # mm: top, right, bottom, left; none: the measured lines apply again
    printed: Mapped[Lines | None]
    author: Mapped[str]  # the user who was logged in
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Snapshot(Base):
    """A snapshot file of card pairs, and the cards left out with a reason each."""

    __tablename__ = "snapshots"
    __table_args__ = (CheckConstraint("length(sha256) = 64", name="sha256_length"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    pairs: Mapped[int]
    left_out: Mapped[list[dict[str, str]]]  # each {card_id, reason}
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Run(Base):
    """A training run: settings, folder, state and progress."""

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'finished', 'stopped', 'failed', 'lost')", name="state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    recipe: Mapped[str]
    parent: Mapped[str | None]  # the recipe or run to compare with
    plan: Mapped[dict[str, Any] | None]  # engine.experiments.plans.ExperimentPlan; None for older runs
    config: Mapped[dict[str, Any]]
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("snapshots.id"))
    folder: Mapped[str]
    log_path: Mapped[str]
    state: Mapped[RunState] = mapped_column(String(8), default="queued")
    queue_order: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # queued runs: the lowest is next
    pid: Mapped[int | None]
    message: Mapped[str] = mapped_column(default="")  # one sentence for the screen
    progress: Mapped[dict[str, Any] | None]  # {epoch, batch, batches, step_name, seconds_left}
    summary: Mapped[dict[str, Any] | None]
    stop_requested_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Epoch(Base):
    """The metrics of one epoch of a run; an epoch repeated after a resume replaces its row."""

    __tablename__ = "epochs"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    phase: Mapped[int]
    train_loss: Mapped[float]
    val_loss: Mapped[float]
    qwk: Mapped[float | None]
    learning_rate: Mapped[float]
    seconds: Mapped[float]
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Promotion(Base):
    """A model made the current one; the last row is the model in use.

    model_path   absolute path, or STARTER for the model that ships with the program, whose file moves with it
    name         of the model; "" if recorded by an earlier version
    author       the user who was logged in; "": an earlier version
    reason       why it is used although the comparison speaks against it; "": it does not
    comparison   figures that it was promoted by; None for a rollback, and by an earlier version
    is_rollback  True if an earlier model was put back in use
    """

    __tablename__ = "promotions"
    __table_args__ = (CheckConstraint("length(sha256) = 64", name="sha256_length"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    model_path: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(default="", server_default="")
    author: Mapped[str] = mapped_column(default="", server_default="")
    reason: Mapped[str] = mapped_column(default="", server_default="")
    comparison: Mapped[dict[str, Any] | None]
    is_rollback: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    @property
    def title(self) -> str:
        """Name of the model for the user: "run 3", "starter", or its path."""
        return self.name or (self.model_path if self.run_id is None else f"run {self.run_id}")
