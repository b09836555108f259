"""`models`: list the models, promote one for grading through the comparison, or roll back."""

from __future__ import annotations

from typing import Any

import psutil

from app.models import promotion
from app.models.compare_models import ModelComparison, compare_models
from app.models.comparison_text import refusal_reasons
from app.models.named_model import model_of_name, usable_model_in_use
from app.runs.event_lines import print_events
from app.settings import DataFolder, UserError
from app.terminal import print_message
from db.schema import Promotion
from db.session import Database


def list_models(data: DataFolder) -> dict[str, Any]:
    """The model in use, the history of models in use, latest first, and the models that can be promoted."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        return models(database, data)


def models(database: Database, data: DataFolder) -> dict[str, Any]:
    """As `list_models`, with an open database."""
    return {
        **_in_use(database, data),
        "history": [_row(row) for row in promotion.history(database)],
        "candidates": [{"model": name, "text": text} for text, name in promotion.candidates(database)],
    }


def promote(data: DataFolder, name: str, reason: str) -> dict[str, Any]:
    """Promote a model; returns the model in use and the comparison. Raises PromotionRefused."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        events = promotion.promote(database, data, name, reason=reason, author=user())
        return promoted(database, data, print_events(events))


def promoted(database: Database, data: DataFolder, comparison: ModelComparison) -> dict[str, Any]:
    """The result of a promotion: the model in use, and the comparison with what spoke against the model."""
    judged = {**comparison.to_json(), "reasons": refusal_reasons(comparison)}
    return {**_in_use(database, data), "comparison": judged}


def compare(data: DataFolder, name: str, reference: str) -> dict[str, Any]:
    """Compare a model with another one, by default the one in use; changes nothing."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        candidate = model_of_name(database, data, name)
        other = model_of_name(database, data, reference) if reference else usable_model_in_use(database, data)
        if other is not None and other.sha256 == candidate.sha256:
            raise UserError(f"{candidate.name} and {other.name} are the same model; give another to compare with")
        comparison = print_events(compare_models(database, data, candidate, other))
    return {**comparison.to_json(), "reasons": refusal_reasons(comparison)}


def roll_back(data: DataFolder, to: int | None) -> dict[str, Any]:
    """Put an earlier model back in use; returns the model in use."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        row = promotion.roll_back(database, data, to=to, author=user())
        print_message(f"in use again: {row.title}")
        return _in_use(database, data)


def user() -> str:
    """The name of the user of this machine who runs the command."""
    return psutil.Process().username()


def _in_use(database: Database, data: DataFolder) -> dict[str, Any]:
    model = promotion.in_use(database, data)
    return dict.fromkeys(("name", "sha256", "since", "by", "run")) if model is None else model.to_json()


def _row(row: Promotion) -> dict[str, Any]:
    comparison = row.comparison or {}
    return {
        "id": row.id,
        "name": row.title,
        "sha256": row.sha256,
        "run": row.run_id,
        "since": row.created_at.isoformat(timespec="seconds"),
        "by": row.author,
        "reason": row.reason,
        "rollback": row.is_rollback,
        "passed": comparison.get("passes"),
    }
