"""Models by name: a path, `starter` (ships with Loupe) or `current` (promoted in the app)."""

from __future__ import annotations

from pathlib import Path

from app.settings import DataFolder, UserError
from db import promotions
from db.schema import STARTER, Promotion
from db.session import Database
from engine import starter
from engine.inference.load_model import file_sha256
from engine.inference.model_card import recorded_sha256
from engine.paths import expand_path


def model_path(name: str | None, data: DataFolder) -> Path | None:
    """The model file of `--model NAME`; without a name the promoted model, else the starter, else None.

    Raises UserError if the named model does not exist or is not the file whose SHA-256 was recorded, and BadPath if the
    path cannot be expanded.
    """
    if name == STARTER:
        _require_file(starter.MODEL, "this copy of Loupe ships no starter model; train a model, or give a path")
        return _starter()
    if name not in (None, "current"):
        return _require_file(expand_path(str(name)), f"there is no model at {name}; give the path of a model.pt")
    promotion = _promotion(data)
    if promotion is not None and promotion.model_path == STARTER:
        return model_path(STARTER, data)
    if promotion is not None:
        promoted = Path(promotion.model_path)
        _require_file(promoted, f"the current model {promoted} is gone; choose another in the Train tab")
        if file_sha256(promoted) != promotion.sha256:
            raise UserError(
                f"the current model {promoted} has changed or is damaged since it was chosen; choose a model in the "
                "Train tab again"
            )
        return promoted.absolute()
    if name == "current":
        raise UserError("no grading model has been chosen yet; train one and choose it in the Train tab")
    return _starter() if starter.MODEL.is_file() else None


def sha256_in_use(data: DataFolder) -> str | None:
    """SHA-256 of the model in use; None without one. Raises UserError as `model_path` does."""
    path = model_path(None, data)
    return None if path is None else file_sha256(path)


def _promotion(data: DataFolder) -> Promotion | None:
    if not data.database.exists():
        return None
    with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
        return promotions.current_model(session)


def _starter() -> Path:
    """The starter, whose model card names its SHA-256."""
    recorded = recorded_sha256(starter.MODEL)
    if recorded is not None and recorded != file_sha256(starter.MODEL):
        raise UserError(
            f"the starter model {starter.MODEL} is damaged: it is not the file that its model card describes; install "
            "Loupe again, or give another model with --model"
        )
    return starter.MODEL.absolute()


def _require_file(path: Path, message: str) -> Path:
    if not path.is_file():
        raise UserError(message)
    return path.absolute()
