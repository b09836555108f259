"""Models by name: a path, `starter` (ships with Loupe) or `current` (promoted in the app)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from app.settings import DataFolder, UserError
from db import promotions
from db.session import Database
from engine import starter
from engine.experiments.run_folder import sha256
from engine.inference.load_model import LoadedModel, load_model
from engine.inference.model_card import ModelCard
from engine.paths import expand_path

CONTROL_CANNOT_GRADE = "is a control trained on the {} instead of the card; it cannot grade, choose another model"


def model_path(name: str | None, data: DataFolder) -> Path | None:
    """The model file of `--model NAME`; without a name the promoted model, else the starter, else None.

    Raises UserError if the named model does not exist, BadPath if the path cannot be expanded.
    """
    if name == "starter":
        return _require_file(starter.MODEL, "this copy of Loupe ships no starter model; train a model, or give a path")
    if name not in (None, "current"):
        return _require_file(expand_path(str(name)), f"there is no model at {name}; give the path of a model.pt")
    promoted = _promoted(data)
    if promoted is not None:
        return _require_file(promoted, f"the current model {promoted} is gone; choose another in the Train tab")
    if name == "current":
        raise UserError("no grading model has been chosen yet; train one and choose it in the Train tab")
    return starter.MODEL if starter.MODEL.is_file() else None


def _promoted(data: DataFolder) -> Path | None:
    if not data.database.exists():
        return None
    with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
        row = promotions.current_model(session)
        return Path(row.model_path) if row else None


def _require_file(path: Path, message: str) -> Path:
    if not path.is_file():
        raise UserError(message)
    return path.absolute()


def open_model(path: Path) -> tuple[LoadedModel, str]:
    """Load a model file; returns the model and the file's SHA-256.

    The last model stays in memory until its file changes. Raises engine.storage.checkpoint.BadModel.
    """
    stat = path.stat()
    return _open(path, stat.st_mtime_ns, stat.st_size)


def open_grader(path: Path) -> tuple[LoadedModel, str]:
    """Load a model for grading, as `open_model` does; raises UserError for a control, which is not trained on cards."""
    model, digest = open_model(path)
    if model.config.input_region != "card":
        raise UserError(f"{path}: {CONTROL_CANNOT_GRADE.format(model.config.input_region)}")
    return model, digest


def model_identity(model: LoadedModel, digest: str, card: ModelCard | None) -> dict[str, str]:
    """Name, SHA-256 and training data of a model, for reports."""
    trained_on = f"{card.learned_from}: {model.trained_on}" if card else model.trained_on
    return {"name": model.name, "sha256": digest, "trained_on": trained_on}


@lru_cache(maxsize=1)
def _open(path: Path, changed_ns: int, size: int) -> tuple[LoadedModel, str]:
    del changed_ns, size  # part of the cache key: a changed file is loaded again
    return load_model(path), sha256(path)
