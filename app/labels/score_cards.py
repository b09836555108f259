"""Ask the grading model about every card that it has not been asked about, for the labeling queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from app.errors import user_message
from app.models.grading_model import grading_model
from app.models.grading_pool import graded_in_processes, model_of_process
from app.settings import DataFolder
from db import predictions
from db.schema import Card, CardPrediction
from db.session import Database
from engine.inference.grade_card import grade_card
from labeling.picture_files import PictureLocation, locate_pictures

NOT_GRADED = "its pictures were not good enough to be graded"
Answer = tuple[bytes | None, str]


def score_cards(
    database: Database,
    data: DataFolder,
    progress: Callable[[int, int], None],
    is_stopped: Callable[[], bool] = lambda: False,
) -> str | None:
    """Compute and store the missing predictions of the model in use; returns its SHA-256, None without a model.

    A card that the model was trained on gets its out-of-fold prediction, if the model has one. What is done is kept
    when the process is killed or stopped.
    """
    model = grading_model(data)
    if model is None:
        return None
    with database.reading() as session:
        missing = predictions.cards_without_prediction(session, model_sha256=model.sha256)
    if not missing:
        return model.sha256
    locations = locate_pictures(database, [picture for card in missing for picture in card.pictures])
    lost = {card.id: reason for card in missing if (reason := _lost_reason(card, locations))}
    _store(database, model.sha256, {card_id: (None, reason) for card_id, reason in lost.items()})
    there = [card for card in missing if card.id not in lost]
    calls = ((card.id, (data, *_paths(card, locations))) for card in there)
    graded = graded_in_processes(predict_card, calls, len(there), is_stopped)
    for done, (card_id, future) in enumerate(graded, len(lost) + 1):
        _store(database, model.sha256, {card_id: future.result()})
        progress(done, len(missing))
    return model.sha256


def predict_card(data: DataFolder, front: Path | None, back: Path | None) -> Answer:
    """Probabilities of a card as ten 64-bit floats, or None and why it cannot be graded."""
    try:
        graded = grade_card(front, back, model_of_process(data), ceiling_binds=False, with_saliency=False)
    except Exception as error:
        if (message := user_message(error)) is None:
            raise
        return None, message
    if graded.prediction is None:
        return None, next(iter(graded.notes), NOT_GRADED)
    return graded.prediction.probabilities.astype(np.float64).tobytes(), ""


def _store(database: Database, model_sha256: str, answers: Mapping[int, Answer]) -> None:
    rows = [
        CardPrediction(card_id=card_id, model_sha256=model_sha256, probabilities=probabilities, problem=problem)
        for card_id, (probabilities, problem) in answers.items()
    ]
    with database.writing() as session:
        predictions.add_predictions(session, predictions=rows)


def _lost_reason(card: Card, locations: Mapping[int, PictureLocation]) -> str:
    """The reason for which a picture of the card cannot be used; empty if all can."""
    return next((locations[picture.id].reason for picture in card.pictures if locations[picture.id].reason), "")


def _paths(card: Card, locations: Mapping[int, PictureLocation]) -> tuple[Path | None, Path | None]:
    front, back = (None if side is None else locations[side.id].path for side in (card.front, card.back))
    return front, back
