"""Models by name: a path, `starter` (ships with Loupe) or `current` (promoted in the app)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from app.settings import DataFolder, UserError
from db import promotions
from db.schema import Promotion
from db.session import Database
from engine import starter
from engine.inference.load_model import LoadedModel, load_model
from engine.inference.model_card import ModelCard, recorded_sha256
from engine.paths import expand_path
from engine.storage.file_hash import sha256

CONTROL_CANNOT_GRADE = "is a control trained on the {} instead of the card; it cannot grade, choose another model"


def model_path(name: str | None, data: DataFolder) -> Path | None:
    """The model file of `--model NAME`; without a name the promoted model, else the starter, else None.

    Raises UserError if the named model does not exist or is not the file whose SHA-256 was recorded, and BadPath if the
    path cannot be expanded.
    """
    if name == "starter":
        _require_file(starter.MODEL, "this copy of Loupe ships no starter model; train a model, or give a path")
        return _starter()
    if name not in (None, "current"):
        return _require_file(expand_path(str(name)), f"there is no model at {name}; give the path of a model.pt")
    promotion = _promotion(data)
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


def open_model(path: Path) -> tuple[LoadedModel, str]:
    """Load a model file; returns the model and the file's SHA-256.

    The last model stays in memory until its file changes. Raises engine.storage.checkpoint.BadModel.
    """
    return _open(path, *_version(path))


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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, computed again only after the file has changed."""
    return _sha256(path, *_version(path))


def _version(path: Path) -> tuple[int, int]:
    """Time of the last change and size: part of a cache key, so that a changed file is read again."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=8)
def _sha256(path: Path, changed_ns: int, size: int) -> str:
    del changed_ns, size
    return sha256(path)


@lru_cache(maxsize=1)
def _open(path: Path, changed_ns: int, size: int) -> tuple[LoadedModel, str]:
    return load_model(path), _sha256(path, changed_ns, size)
