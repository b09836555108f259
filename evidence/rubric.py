"""Baseline without learning: the grade that the rubric allows for the worst measurement of both sides.

It uses the simulator's own severity table, so every error is a measurement error; measurements that are missing count
as flawless.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.terminal import ProgressMeter, print_message
from benchmarks.accuracy.measure import rubric_grade
from engine.cards.pairs import CardPair
from engine.data.selection import LabelledCard
from engine.detection.read_and_find import read_and_find
from engine.errors import BadInput
from engine.evaluation.predictions import Predictions, read, write
from engine.measure.side.measure_side import SideMeasurements, measure_detected_side
from engine.process_pool import spawn_pool

CHUNK = 64


def rubric_predictions(pairs: Sequence[CardPair], path: Path) -> Predictions:
    """Grade each card with probability 1; cached in `path`. Raises SystemExit if that file is of other cards.

    Cards with a missing or undetected side are skipped and counted on the terminal.
    """
    if path.is_file():
        predictions = read(path)
        if not set(predictions.cards) <= {pair.card_id for pair in pairs}:
            raise SystemExit(f"{path} is of other cards; delete it")
        return predictions
    meter = ProgressMeter()
    grades: list[int | None] = []
    with spawn_pool() as pool:
        for start in range(0, len(pairs), CHUNK):
            grades += pool.map(_grade, pairs[start : start + CHUNK])
            meter("rubric", len(grades), len(pairs))
    graded = [(pair, grade) for pair, grade in zip(pairs, grades, strict=True) if grade is not None]
    if len(graded) < len(pairs):
        print_message(f"the rubric skips {len(pairs) - len(graded)} of {len(pairs)} cards: a side was not found")
    cards = [LabelledCard(pair, int(pair.grade or 0)) for pair, _ in graded]
    predictions = Predictions.from_cards(cards, np.eye(10)[np.array([grade for _, grade in graded]) - 1])
    write(path, predictions)
    return predictions


def _grade(pair: CardPair) -> int | None:
    front, back = _measure(pair.front), _measure(pair.back)
    return None if front is None or back is None else rubric_grade(front, back)


def _measure(picture: Path | None) -> SideMeasurements | None:
    if picture is None:
        return None
    try:
        rgb, detection = read_and_find(picture)
        return measure_detected_side(rgb, detection.quad, detection.kind)
    except BadInput:  # counted by the caller
        return None
