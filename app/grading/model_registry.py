"""Which model is meant: a path, `starter` (the one that ships) or `current` (the one promoted in the app)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from app.settings import DataFolder, Trouble
from db import models
from db.session import Database
from engine import starter
from engine.experiments.run_folder import sha256
from engine.inference.loaded_model import Model, load_model
from engine.inference.model_card import Card
from engine.paths import written

NO_GRADER = "is a control that is shown the {} and not the card alone; it cannot grade, choose another model"


def model_path(name: str | None, data: DataFolder) -> Path | None:
    """The model file that `--model NAME` means; without a name the promoted one, else the starter, else none.

    Raises Trouble where a named model is not there, BadPath where it could not be.
    """
    if name == "starter":
        return _existing(starter.MODEL, "this copy of Loupe ships no starter model; train one, or give a path")
    if name not in (None, "current"):
        return _existing(written(str(name)), f"there is no model at {name}; give the path of a model.pt")
    promoted = _promoted(data)
    if promoted is not None:
        return _existing(promoted, f"the current model {promoted} is gone; choose another in the Train tab")
    if name == "current":
        raise Trouble("no model has been made the grading model yet; train one and choose it in the Train tab")
    return starter.MODEL if starter.MODEL.is_file() else None


def _promoted(data: DataFolder) -> Path | None:
    if not data.database.exists():
        return None
    with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
        row = models.current_model(session)
        return Path(row.model_path) if row else None


def _existing(path: Path, otherwise: str) -> Path:
    if not path.is_file():
        raise Trouble(otherwise)
    return path.absolute()


def open_model(path: Path) -> tuple[Model, str]:
    """The model in a file and the file's SHA-256; the last one opened is kept in memory while its file stands as it is.

    Raises engine.storage.checkpoint.BadModel.
    """
    stat = path.stat()
    return _open(path, stat.st_mtime_ns, stat.st_size)


def open_grader(path: Path) -> tuple[Model, str]:
    """A model that is to grade, otherwise as open_model; raises Trouble for a control, which is shown no card."""
    model, digest = open_model(path)
    if model.config.seen != "card":
        raise Trouble(f"{path}: {NO_GRADER.format(model.config.seen)}")
    return model, digest


def identity(model: Model, digest: str, card: Card | None) -> dict[str, str]:
    """What a report says of the model of a file: its name, its SHA-256, what it was trained on."""
    trained_on = f"{card.learned_from}: {model.trained_on}" if card else model.trained_on
    return {"name": model.name, "sha256": digest, "trained_on": trained_on}


@lru_cache(maxsize=1)
def _open(path: Path, changed_ns: int, size: int) -> tuple[Model, str]:
    del changed_ns, size  # only there to tell one state of the file from another
    return load_model(path), sha256(path)
