"""Ask the grading model about every card that it has not been asked about, for the labeling queue."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import cache
from pathlib import Path

import numpy as np

from app.errors import user_message
from app.models.grading_model import grading_model
from app.settings import DataFolder
from db import predictions
from db.schema import Card, CardPrediction, Picture
from db.session import Database
from engine.inference.grade_card import grade_card
from engine.inference.load_model import LoadedModel
from engine.process_pool import spawn_pool
from labeling.picture_files import PictureLocation, locate_pictures

# Each process loads torch and the model: about 0.7 GB.
MAX_PROCESSES = 4
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
    locations = locate_pictures(database, [picture for card in missing for picture in _pictures(card)])
    # Two processes of one thread each grade faster than one with two.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    workers = max(1, min(os.cpu_count() or 1, MAX_PROCESSES, len(missing)))
    remaining, done = iter(missing), 0
    with spawn_pool(workers) as pool:
        pending: dict[Future[Answer], Card] = {}
        while True:
            while len(pending) < 2 * workers and not is_stopped() and (card := next(remaining, None)) is not None:
                lost = [locations[picture.id].reason for picture in _pictures(card) if locations[picture.id].reason]
                if lost:
                    _store(database, model.sha256, {card.id: (None, lost[0])})
                    done += 1
                else:
                    pending[pool.submit(predict_card, data, *_paths(card, locations))] = card
            if not pending:
                return model.sha256
            finished = wait(pending, return_when=FIRST_COMPLETED).done
            _store(database, model.sha256, {pending.pop(future).id: future.result() for future in finished})
            done += len(finished)
            progress(done, len(missing))


def predict_card(data: DataFolder, front: Path | None, back: Path | None) -> Answer:
    """Probabilities of a card as ten 64-bit floats, or None and why it cannot be graded."""
    try:
        graded = grade_card(front, back, _model(data), ceiling_binds=False, with_saliency=False)
    except Exception as error:
        if (message := user_message(error)) is None:
            raise
        return None, message
    if graded.prediction is None:
        return None, next(iter(graded.notes), NOT_GRADED)
    return graded.prediction.probabilities.astype(np.float64).tobytes(), ""


@cache
def _model(data: DataFolder) -> LoadedModel | None:
    """The model in use, loaded once in each process."""
    return grading_model(data)


def _store(database: Database, model_sha256: str, answers: Mapping[int, Answer]) -> None:
    rows = [
        CardPrediction(card_id=card_id, model_sha256=model_sha256, probabilities=probabilities, problem=problem)
        for card_id, (probabilities, problem) in answers.items()
    ]
    with database.writing() as session:
        predictions.add_predictions(session, predictions=rows)


def _pictures(card: Card) -> Sequence[Picture]:
    return [picture for picture in (card.front, card.back) if picture is not None]


def _paths(card: Card, locations: Mapping[int, PictureLocation]) -> tuple[Path | None, Path | None]:
    front, back = (None if side is None else locations[side.id].path for side in (card.front, card.back))
    return front, back
