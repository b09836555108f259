"""The centering ceiling that binds: exact agreement, error and coverage of the starter's grades with and without it.

Both predictions of a card are made from the same pictures in one pass. Simulated cards are 120 of a uniform mix; real
ones are every third of the pairs that are not sealed, and none without the pictures. When the real cards
were graded is not known, so that some have a 10 that only the rule before 2025 allows.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import REAL_PICTURES, Row, use_one_thread
from engine import starter
from engine.cards.pairs import CardPair
from engine.errors import BadInput
from engine.evaluation.bootstrap import bootstrap_counts, percentile_interval
from engine.inference.grade_card import ceiling_of_sides, grade_card, limit_prediction
from engine.inference.load_model import open_grader
from engine.inference.predict import Prediction
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, write_cards
from evidence.real_sources import PAIRS, open_and_sealed_pairs
from labeling.snapshot import pairs_from_manifest

SIMULATED_CARDS, SEED, GRADED_ON = 120, 811, date(2025, 2, 1)
EVERY = 3
# A ceiling below the true grade: the frame or the edge was mistaken, or the grader was lenient.
MAX_WRONG_SIMULATED, MAX_WRONG_REAL = 0.03, 0.15


@dataclass(frozen=True)
class TwoPredictions:
    """A card's true grade, 1 to 10, its ceiling (10: none is sure) and its prediction without and with the ceiling."""

    truth: int
    ceiling: int
    without: Prediction
    limited: Prediction


def measure() -> list[Row]:
    """All rows, on one thread."""
    use_one_thread()
    with tempfile.TemporaryDirectory() as name:
        config = SimulationConfig(seed=SEED, mix="uniform", graded_on=GRADED_ON)
        write_cards(Path(name), config, SIMULATED_CARDS, workers=os.cpu_count() or 1)
        simulated = list(predictions(pairs_from_manifest(Path(name) / LABELS_FILE).pairs))
    rows = compare("simulated cards", simulated, MAX_WRONG_SIMULATED)
    if not (REAL_PICTURES / PAIRS).is_dir():
        print(f"{REAL_PICTURES / PAIRS} does not exist: real pairs are not graded")
        return rows
    real = list(predictions(open_and_sealed_pairs()[0][::EVERY]))
    return [*rows, *compare("real pairs", real, MAX_WRONG_REAL)]


def predictions(pairs: Sequence[CardPair]) -> Iterator[TwoPredictions]:
    """Grade pairs with the starter; those that are refused are left out."""
    model = open_grader(starter.MODEL)
    for pair in pairs:
        assert pair.grade is not None, "every card of these sets has a grade"
        try:
            graded = grade_card(pair.front, pair.back, model, with_saliency=False, ceiling_binds=False)
        except BadInput as error:
            print(f"{pair.card_id}: {error}")
            continue
        if graded.prediction is None:
            continue
        ceiling, limited = ceiling_of_sides(graded.sides), graded.prediction
        if ceiling is not None:
            limited, _, _ = limit_prediction(limited, ceiling, graded.calibration)
        yield TwoPredictions(int(pair.grade), ceiling.grade if ceiling else 10, graded.prediction, limited)


def compare(cards_text: str, cards: Sequence[TwoPredictions], max_wrong: float) -> list[Row]:
    """Rows on one set of cards; prints each difference with its 95 % interval."""
    n, truth = len(cards), np.array([card.truth for card in cards])
    both = {
        "without": [card.without for card in cards],
        "with": [card.limited for card in cards],
    }
    exact, error, expected_error, covered = (
        {name: np.array([measure(*pair) for pair in zip(found, truth, strict=True)]) for name, found in both.items()}
        for measure in (_is_exact, _error, _expected_error, _is_covered)
    )
    sure = [card for card in cards if card.ceiling < 10]
    wrong = sum(card.truth > card.ceiling for card in sure)
    changed = sum(card.limited.grade != card.without.grade for card in cards)
    print(f"{cards_text}: {len(sure)} of {n} have a ceiling, {wrong} below the true grade; {changed} grades changed")
    named = (("exact", exact), ("error", error), ("error of the expected grade", expected_error), ("covered", covered))
    for name, values in named:
        low, high = difference_interval(values["with"] - values["without"])
        before, after = values["without"].mean(), values["with"].mean()
        print(f"  {name}: {before:.3f} without, {after:.3f} with, {after - before:+.3f} ({low:+.3f} to {high:+.3f})")
    ratios = {name: float(values["with"].mean() / values["without"].mean()) for name, values in named}
    what = f"{cards_text}, the ceiling binds:"
    return [
        Row(f"{what} exact agreement", "without", ratios["exact"], n, at_least=1.0),
        Row(f"{what} mean error", "without", ratios["error"], n, at_most=1.0),
        Row(f"{what} error of the expected grade", "without", ratios["error of the expected grade"], n, at_most=1.0),
        Row(f"{what} coverage of the range", "without", ratios["covered"], n, at_least=0.97),
        Row(
            f"{cards_text}: ceilings below the true grade",
            "all",
            wrong / max(len(sure), 1),
            len(sure),
            at_most=max_wrong,
        ),
    ]


def difference_interval(differences: NDArray[np.floating]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of paired differences, (N,)."""
    draws = np.concatenate([counts @ differences for counts in bootstrap_counts(len(differences))])
    low, high = percentile_interval(draws / len(differences))
    assert low is not None, "differences are defined"
    assert high is not None, "differences are defined"
    return low, high


def _is_exact(prediction: Prediction, truth: int) -> float:
    return float(prediction.grade == truth)


def _error(prediction: Prediction, truth: int) -> float:
    return float(abs(prediction.grade - truth))


def _expected_error(prediction: Prediction, truth: int) -> float:
    return abs(prediction.expected - truth)


def _is_covered(prediction: Prediction, truth: int) -> float:
    return float(prediction.interval.low <= truth <= prediction.interval.high)
