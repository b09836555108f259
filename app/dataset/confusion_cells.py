"""Confusion matrices of the models, and the cards of each cell.

Two kinds of answers are kept: those of a run's model on its validation cards, at the saved epoch, and those of the
models in use, now and before, on all cards, by which the labeling queue is ordered.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.runs.run_status import run_choices
from app.settings import DataFolder, UserError
from db import cards, predictions, promotions, runs
from db.session import Database, Session
from engine.cards.grades import training_target
from engine.evaluation import predictions as prediction_files
from engine.evaluation.metrics import CLASSES, confusion, predicted_grades

RUN, PROMOTED, IN_USE = "run-", "model-", "in-use"
UNKNOWN_MODEL = "the answers of this model are not here any more; choose another model"
OF_A_RUN = "Its validation cards, with the labels that they had when the run started."
OF_A_MODEL = (
    "All labelled cards that it has graded, with the labels of now. Of cards that it has learned from it may be right "
    "more often than of others."
)


@dataclass(frozen=True)
class Answers:
    """True and predicted grades, (n,) 1 to 10 each, of n cards; a card is its row id, or its name in a run's file."""

    cards: list[int] | list[str]
    truth: np.ndarray
    predicted: np.ndarray
    meaning: str


def model_choices(database: Database, data: DataFolder) -> list[dict[str, str]]:
    """Models with answers as {value, text}: the model in use, those in use before, and the runs, newest first."""
    in_use = sha256_of_model_in_use(data)
    with database.reading() as session:
        asked = predictions.asked_models(session)
        names = {row.sha256: row.title for row in promotions.promotions(session)}
        with_answers = {run.id for run in runs.runs(session) if _file_of(run.folder).is_file()}
    choices = [{"value": IN_USE, "text": f"{names.get(in_use, 'starter')}, in use"}] if in_use in asked else []
    choices += [
        {"value": f"{PROMOTED}{sha256}", "text": f"{names.get(sha256, 'earlier model')}, in use before"}
        for sha256 in asked
        if sha256 != in_use
    ]
    listed = [(text, run_id) for text, run_id in run_choices(database) if run_id in with_answers]
    return choices + [{"value": f"{RUN}{run_id}", "text": text} for text, run_id in listed]


def confusion_table(database: Database, data: DataFolder, model: str) -> dict[str, Any]:
    """The confusion matrix of a model as a list of ten rows by true grade, and the cards meant. Raises UserError."""
    answers = _answers(database, data, model)
    return {"confusion": confusion(answers.truth, answers.predicted).tolist(), "meaning": answers.meaning}


def cards_of_cell(database: Database, data: DataFolder, model: str, truth: int, predicted: int) -> dict[str, Any]:
    """Row ids of the cards of one cell, and in `gone` the number of those that are not in the data folder any more."""
    answers = _answers(database, data, model)
    chosen = [
        answers.cards[index] for index in np.flatnonzero((answers.truth == truth) & (answers.predicted == predicted))
    ]
    if not model.startswith(RUN):
        return {"ids": chosen, "gone": 0}
    with database.reading() as session:
        ids = cards.ids_of_names(session, names=[str(name) for name in chosen])
    return {"ids": ids, "gone": len(chosen) - len(ids)}


def _answers(database: Database, data: DataFolder, model: str) -> Answers:
    with database.reading() as session:
        if model.startswith(RUN) and model.removeprefix(RUN).isdecimal():
            return _answers_of_run(session, int(model.removeprefix(RUN)))
        sha256 = sha256_of_model_in_use(data) if model == IN_USE else model.removeprefix(PROMOTED)
        return _answers_of_model(session, sha256 or "")


def _answers_of_run(session: Session, run_id: int) -> Answers:
    run = runs.get(session, run_id=run_id)
    if run is None or not _file_of(run.folder).is_file():
        raise UserError(UNKNOWN_MODEL)
    stored = prediction_files.read(_file_of(run.folder))
    return Answers(list(stored.cards), stored.truth, predicted_grades(stored.probabilities), OF_A_RUN)


def _answers_of_model(session: Session, sha256: str) -> Answers:
    rows = predictions.labelled_predictions(session, model_sha256=sha256)
    targets = [training_target(row.grade, row.qualifier) for row in rows]
    known = [index for index, target in enumerate(targets) if isinstance(target, int)]
    if not known:
        raise UserError(UNKNOWN_MODEL)
    stored = np.frombuffer(b"".join(rows[index].probabilities or b"" for index in known), np.float64).reshape(
        -1, CLASSES
    )
    truth = np.array([targets[index] for index in known], np.int64)
    return Answers([rows[index].id for index in known], truth, predicted_grades(stored), OF_A_MODEL)


def _file_of(folder: str) -> Path:
    return Path(folder) / prediction_files.FILE_NAME


def sha256_of_model_in_use(data: DataFolder) -> str | None:
    """SHA-256 of the model in use; None without one, or if its file is gone."""
    # Loads torch, which the rest of the tab does without.
    from app.models.model_registry import sha256_in_use  # noqa: PLC0415

    try:
        return sha256_in_use(data)
    except UserError:  # the other models can still be looked at
        return None
