"""A model to compare or to use, by the number of its run, its path, `starter` or `current`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from app.models.model_registry import model_path
from app.runs.run_json import known_run
from app.settings import DataFolder, UserError
from db import promotions
from db.schema import STARTER
from db.session import Database
from engine import starter
from engine.cards.pairs import CardPair
from engine.config import CONTROL_CANNOT_GRADE
from engine.experiments.provenance import overlapping_cards, training_cards
from engine.experiments.run_folder import MODEL
from engine.inference.load_model import LoadedModel, file_sha256, load_model
from engine.storage.checkpoint import BadModel

NO_MODEL_YET = "this run has saved no model yet; let it finish at least one epoch"


@dataclass(frozen=True)
class NamedModel:
    """A model file and what it is called on the screen.

    name    "run 3", "starter", or the path
    run_id  of the run that trained it, if it is one of the data folder
    """

    name: str
    path: Path
    run_id: int | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return file_sha256(self.path)

    @property
    def is_starter(self) -> bool:
        """True for the model that ships with the program."""
        return self.path == starter.MODEL.absolute()

    def load(self) -> LoadedModel:
        """The model with the SHA-256 of its file. Raises BadModel, also for a control, which cannot grade.

        Not through the cache of the model in use, which two models would take turns to fill.
        """
        digest = self.sha256
        model = replace(load_model(self.path), sha256=digest)
        if self.sha256 != digest:
            raise UserError(f"{self.path} changed while it was read; try again")
        if (region := model.config.input_region) != "card":
            raise BadModel(f"{self.path}: {CONTROL_CANNOT_GRADE.format(region)}")
        return model


def model_of_name(database: Database, data: DataFolder, name: str) -> NamedModel:
    """The model of a run's number, of a path, `starter` or `current`. Raises UserError."""
    number = name.strip().removeprefix("run ")
    if number.isdecimal():
        return _model_of_run(database, int(number))
    if number == "current":
        model = model_in_use(database, data)
        if model is None:
            raise UserError("there is no grading model yet; train one and promote it")
        return model
    path = model_path(number, data)
    assert path is not None, "a named model that does not exist raises"
    return NamedModel(STARTER if number == STARTER else str(path), path)


def _model_of_run(database: Database, run_id: int) -> NamedModel:
    with database.reading() as session:
        path = Path(known_run(session, run_id).folder) / MODEL
    if not path.is_file():
        raise UserError(f"run {run_id}: {NO_MODEL_YET}")
    return NamedModel(f"run {run_id}", path.absolute(), run_id)


def model_in_use(database: Database, data: DataFolder) -> NamedModel | None:
    """The model that grades: the one promoted last, else the starter, else None."""
    path = model_path(None, data)
    if path is None:
        return None
    with database.reading() as session:
        promotion = promotions.current_model(session)
    return NamedModel(STARTER, path) if promotion is None else NamedModel(promotion.title, path, promotion.run_id)


def usable_model_in_use(database: Database, data: DataFolder) -> NamedModel | None:
    """The model in use; if its file is gone or damaged, the starter, so that another can take its place."""
    try:
        return model_in_use(database, data)
    except UserError:
        return NamedModel(STARTER, starter.MODEL.absolute()) if starter.MODEL.is_file() else None


@dataclass(frozen=True)
class LearnedCards:
    """The cards, by id, that cannot judge a model, since it has learned from them; `unknown`: whether is not known."""

    cards: frozenset[str]
    unknown: bool


def learned_cards(named: NamedModel, model: LoadedModel, pairs: Sequence[CardPair]) -> LearnedCards:
    """The cards among `pairs` that the model, or one that it was begun from, was trained on, and their whole groups.

    A card that the model carries an out-of-fold answer for is not among them: that answer counts, not its own.
    """
    groups: set[str] = set()
    unknown = False
    if model.out_of_fold is not None:
        known = model.out_of_fold.pictures
        groups |= {
            pair.group_key
            for pair in pairs
            if known & {pair.front_sha256, pair.back_sha256}
            and model.out_of_fold.probabilities(pair.front_sha256 or None, pair.back_sha256 or None) is None
        }
    else:
        learned = training_cards(named.path)
        unknown = learned.unknown is not None
        groups |= {pair.group_key for pair in overlapping_cards(learned.cards, pairs)}
        groups |= {pair.group_key for pair in learned.cards} & {pair.group_key for pair in pairs}
        if learned.from_starter:
            groups |= {pair.group_key for pair in pairs if starter_pictures() & {pair.front_sha256, pair.back_sha256}}
    return LearnedCards(frozenset(pair.card_id for pair in pairs if pair.group_key in groups), unknown)


def starter_pictures() -> set[str]:
    """SHA-256 of the pictures that the starter was trained on; empty without a starter."""
    return _training_pictures(starter.MODEL, file_sha256(starter.MODEL)) if starter.MODEL.is_file() else set()


@lru_cache(maxsize=1)
def _training_pictures(path: Path, sha256: str) -> set[str]:
    del sha256  # part of the key: another file is read again
    out_of_fold = load_model(path).out_of_fold
    return set() if out_of_fold is None else out_of_fold.pictures
