"""Promote a model for grading if it passes the comparison, or with a reason; roll back to one that was in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.models.compare_models import ModelComparison, compare_models
from app.models.comparison_text import refusal_reasons
from app.models.named_model import model_in_use, model_of_name, usable_model_in_use
from app.runs.run_status import runs_with_models
from app.settings import DataFolder, UserError
from db import promotions
from db.schema import STARTER, Promotion
from db.session import Database
from engine import starter
from engine.events import Notice, Progress
from engine.inference.load_model import file_sha256
from engine.storage.file_hash import write_by_hash

NOTHING_EARLIER = "no other model was in use before this one"
MAX_REASON = 500


class PromotionRefused(UserError):
    """The comparison speaks against the model and no reason was given for using it nevertheless."""

    def __init__(self, comparison: ModelComparison) -> None:
        sentences = " ".join(refusal_reasons(comparison))
        super().__init__(f"{comparison.candidate.name} was not promoted. {sentences} Or give a reason to use it.")
        self.comparison = comparison


@dataclass(frozen=True)
class ModelInUse:
    """The model in use, as the commands print it.

    since, by  None and "" for the starter while no model was ever promoted
    """

    name: str
    sha256: str
    since: str | None
    by: str
    run: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"name": self.name, "sha256": self.sha256, "since": self.since, "by": self.by, "run": self.run}


def promote(
    database: Database, data: DataFolder, name: str, *, reason: str, author: str
) -> Iterator[Notice | Progress | ModelComparison]:
    """Make a model the one in use; yields the progress of the comparison and, last, the comparison.

    name    as `model_of_name` takes it
    reason  why it is used although the comparison speaks against it; "" for none
    raises  PromotionRefused; UserError for an unknown model, or one already in use
    """
    candidate, reference = model_of_name(database, data, name), usable_model_in_use(database, data)
    before = _last_promotion(database)
    reason = " ".join(reason.split())
    if len(reason) > MAX_REASON:
        raise UserError(f"the reason is longer than {MAX_REASON} characters; shorten it")
    if reference is not None and candidate.sha256 == reference.sha256:
        raise UserError(f"{candidate.name} is the model in use already")
    for event in compare_models(database, data, candidate, reference):
        if isinstance(event, ModelComparison):
            if not event.passes and not reason:
                raise PromotionRefused(event)
            _record(database, event, before=before, reason="" if event.passes else reason, author=author)
        yield event


def _last_promotion(database: Database) -> int | None:
    with database.reading() as session:
        row = promotions.current_model(session)
    return None if row is None else row.id


def _record(database: Database, comparison: ModelComparison, *, before: int | None, reason: str, author: str) -> None:
    """Record the promotion, unless another one came in between: the row with the id `before` was the last."""
    candidate = comparison.candidate
    path: Path | str = STARTER if candidate.is_starter else candidate.path
    if candidate.run_id is not None:
        # A copy named by its hash: a later epoch of the run may overwrite model.pt, but not the promoted model.
        path, digest = write_by_hash(candidate.path.parent, candidate.path.read_bytes(), ".pt")
    else:
        digest = file_sha256(candidate.path)
    if digest != comparison.candidate_sha256:
        raise UserError(f"{candidate.path} changed while it was compared; promote it again")
    with database.writing() as session:
        last = promotions.current_model(session)
        if (None if last is None else last.id) != before:
            raise UserError("another model was promoted while this one was compared; compare them again")
        promotions.promote(
            session,
            model_path=path,
            sha256=digest,
            run_id=candidate.run_id,
            name=candidate.name,
            author=author,
            reason=reason,
            comparison=comparison.to_json(),
        )


def _sha256_of(promotion: Promotion | None) -> str:
    """SHA-256 of the model in use: that of the starter may have changed with the program."""
    if promotion is None or promotion.model_path == STARTER:
        return file_sha256(starter.MODEL) if starter.MODEL.is_file() else ""
    return promotion.sha256


def roll_back(database: Database, data: DataFolder, *, to: int | None, author: str) -> Promotion:
    """Put a model back in use that was in use before; returns the new row.

    to      row id of its promotion, 0 for the starter; None: the model before the one in use
    raises  UserError if there is none, or if its file is gone or has changed
    """
    with database.writing() as session:
        history = promotions.promotions(session)
        target = _earlier(history) if to is None else next((row for row in history if row.id == to), None)
        if target is None and to not in (None, 0):
            raise UserError(f"no model was promoted as number {to}; `python launch.py models list` lists them")
        if target is None:
            _require_starter()
        current = promotions.current_model(session)
        path, sha256 = _usable(target)
        if sha256 == _sha256_of(current):
            raise UserError(NOTHING_EARLIER if to is None else "this model is in use already")
        return promotions.promote(
            session,
            model_path=path,
            sha256=sha256,
            run_id=None if target is None else target.run_id,
            name=STARTER if target is None else target.title,
            author=author,
            is_rollback=True,
        )


def _earlier(history: Sequence[Promotion]) -> Promotion | None:
    """The promotion to go back to; None for the starter, which is in use until another is promoted."""
    earlier = promotions.models_to_go_back_to(history)
    if not history:
        raise UserError(NOTHING_EARLIER)
    return earlier[-1] if earlier else None


def has_starter() -> bool:
    """True if this copy of Loupe ships a model."""
    return starter.MODEL.is_file()


def _require_starter() -> None:
    if not has_starter():
        raise UserError(NOTHING_EARLIER)


def _usable(target: Promotion | None) -> tuple[str, str]:
    """Path and SHA-256 to record. Raises UserError unless the file is the one that was promoted."""
    if target is None or target.model_path == STARTER:
        _require_starter()
        return STARTER, file_sha256(starter.MODEL)
    path = Path(target.model_path)
    if not path.is_file() or file_sha256(path) != target.sha256:
        raise UserError(f"the model {path} is gone or has changed since it was in use; choose another")
    return str(path), target.sha256


def in_use(database: Database, data: DataFolder) -> ModelInUse | None:
    """The model in use with when and by whom it was promoted; None without a model."""
    named = model_in_use(database, data)
    if named is None:
        return None
    with database.reading() as session:
        row = promotions.current_model(session)
    since = None if row is None else row.created_at.isoformat(timespec="seconds")
    return ModelInUse(named.name, named.sha256, since, "" if row is None else row.author, named.run_id)


def history(database: Database) -> list[Promotion]:
    """All promotions and rollbacks, the latest first."""
    with database.reading() as session:
        return list(reversed(promotions.promotions(session)))


def next_rollback(database: Database) -> int | None:
    """Row id of the promotion that a rollback goes back to, 0 for the starter; None if there is nothing earlier."""
    with database.reading() as session:
        rows = promotions.promotions(session)
    if earlier := promotions.models_to_go_back_to(rows):
        return earlier[-1].id
    return 0 if rows and rows[-1].model_path != STARTER and has_starter() else None


def candidates(database: Database) -> list[tuple[str, str]]:
    """Models to compare with the one in use, as (text, name): the runs' models, newest first, then the starter."""
    shipped = [("Starter, ships with Loupe", STARTER)] if has_starter() else []
    return [*((text, f"run {run_id}") for text, run_id in runs_with_models(database)), *shipped]
