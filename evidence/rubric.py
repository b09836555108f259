"""The grade by the rubric alone, without learning: what the worst measurement of both sides allows.

It is handed the very table that the simulator grades by, so that what it errs is what measuring errs; what could not be
measured on a card counts as flawless.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.terminal import Meter, say
from benchmarks.accuracy.measure import rubric_grade
from engine.cards.pairs import CardPair
from engine.data.selection import Trainable
from engine.detection.read_and_find import read_and_find
from engine.errors import BadInput
from engine.evaluation.predictions import Predictions, read, write
from engine.measure.side.measure_side import SideMeasured, measure_found
from engine.process_pool import processes

CHUNK = 64


def by_rubric(pairs: Sequence[CardPair], kept: Path) -> Predictions:
    """Certainty of one grade a card; read from `kept` where it stands there, for these same cards.

    Cards of which a side is missing or not found are left out and counted on the terminal.
    """
    if kept.is_file():
        said = read(kept)
        if not set(said.cards) <= {pair.card_id for pair in pairs}:
            raise SystemExit(f"{kept} is of other cards; delete it")
        return said
    meter = Meter()
    grades: list[int | None] = []
    with processes() as pool:
        for start in range(0, len(pairs), CHUNK):
            grades += pool.map(_grade, pairs[start : start + CHUNK])
            meter("rubric", len(grades), len(pairs))
    judged = [(pair, grade) for pair, grade in zip(pairs, grades, strict=True) if grade is not None]
    if len(judged) < len(pairs):
        say(f"the rubric leaves out {len(pairs) - len(judged)} of {len(pairs)} cards: a side was not found")
    cards = [Trainable(pair, int(pair.grade or 0)) for pair, _ in judged]
    said = Predictions.of(cards, np.eye(10)[np.array([grade for _, grade in judged]) - 1])
    write(kept, said)
    return said


def _grade(pair: CardPair) -> int | None:
    front, back = _side(pair.front), _side(pair.back)
    return None if front is None or back is None else rubric_grade(front, back)


def _side(path: Path | None) -> SideMeasured | None:
    if path is None:
        return None
    try:
        rgb, found = read_and_find(path)
        return measure_found(rgb, found.quad, found.kind)
    except BadInput:  # counted by whoever asks
        return None
