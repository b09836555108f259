"""The grade by the rubric alone, without learning: what the worst measurement of both sides allows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.terminal import Meter
from benchmarks.measure import rubric_grade
from engine.image.prepare import read_and_find
from engine.measure.card import SideMeasured, measure_found
from engine.pairs import CardPair
from engine.predictions import BadPredictions, Predictions, read, write
from engine.processes import processes
from engine.trainable import Trainable

CHUNK = 64


def by_rubric(pairs: Sequence[CardPair], kept: Path) -> Predictions:
    """Certainty of one grade a card, front and back both found and measured; read from `kept` where it stands there."""
    try:
        return read(kept)
    except BadPredictions:
        meter = Meter()
        grades: list[int] = []
        with processes() as pool:
            for start in range(0, len(pairs), CHUNK):
                grades += pool.map(_grade, pairs[start : start + CHUNK])
                meter("rubric", len(grades), len(pairs))
    cards = [Trainable(pair, int(pair.grade or 0)) for pair in pairs]
    said = Predictions.of(cards, np.eye(10)[np.array(grades) - 1])
    write(kept, said)
    return said


def _grade(pair: CardPair) -> int:
    assert pair.front is not None
    assert pair.back is not None  # simulated cards have both
    return rubric_grade(_side(pair.front), _side(pair.back))


def _side(path: Path) -> SideMeasured:
    rgb, found = read_and_find(path)
    return measure_found(rgb, found.quad, found.kind)
