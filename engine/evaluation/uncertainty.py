"""What a model's certainty is worth: whether its intervals hold the grade, its confidences come true, its doubt pays.

NumPy only. As in `engine.evaluation.metrics` all scalar figures follow from sums over cards, so that a figure and its interval are
one function, given the sums of all cards or those of a thousand draws of whole groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.bootstrap import DRAWS, drawn_times, group_sums, interval, numbered
from engine.evaluation.conformal import held_by_groups, pooled
from engine.evaluation.metrics import BINS, CLASSES, bins_of, number_or_none, predicted_grades, quick_measures, ratio
from engine.evaluation.metrics import measure as measure_grades
from engine.evaluation.predictions import Predictions

NAMES = ("coverage", "mean_width", "aurc", "nll")
WIDTHS = np.arange(1, CLASSES + 1)
# Where in a card's row of sums each part lies: by true grade, then by the interval's width.
COVERED, OF_GRADE, OF_WIDTH, ERROR, WRONG = (slice(start, start + CLASSES) for start in range(0, 50, CLASSES))
NLL = 50
# A probability below what a float holds is taken for the smallest one: its logarithm, -708, stays a number.
SMALLEST = np.finfo(np.float64).tiny


class Said(NamedTuple):
    """What is said of N cards: (N, 10) probabilities, and the interval's ends, (N,) each, with their coverage."""

    probabilities: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    coverage: float

    @property
    def widths(self) -> NDArray[np.int64]:
        """(N,) how many grades each interval spans."""
        return self.high - self.low + 1

    @property
    def grades(self) -> NDArray[np.int64]:
        """(N,) the grade that is told, the most probable one."""
        return predicted_grades(self.probabilities)


def log_losses(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) minus the natural log of the true grade's probability. Worked: ten equal probabilities: log 10 = 2.303."""
    return -np.log(np.maximum(probabilities[np.arange(len(truth)), truth - 1], SMALLEST))


def card_sums(truth: NDArray[np.integer], said: Said) -> NDArray[np.float64]:
    """(N, 51) what each card adds to the sums that the figures follow from."""
    of_grade, of_width = np.eye(CLASSES)[truth - 1], np.eye(CLASSES)[said.widths - 1]
    off = np.abs(said.grades - truth)[:, None]
    covered = ((said.low <= truth) & (truth <= said.high))[:, None]
    losses = log_losses(truth, said.probabilities)
    return np.column_stack([of_grade * covered, of_grade, of_width, of_width * off, of_width * (off > 0), losses])


def figures_of(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The figures of each of (..., 51) sums, by name, (...) each; NaN where undefined."""
    cards = sums[..., OF_GRADE].sum(axis=-1)
    return {
        "coverage": ratio(sums[..., COVERED].sum(axis=-1), cards),
        "mean_width": ratio((sums[..., OF_WIDTH] * WIDTHS).sum(axis=-1), cards),
        "aurc": _area(sums[..., OF_WIDTH], sums[..., ERROR]),
        "nll": ratio(sums[..., NLL], cards),
    }


def _area(cards: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area under the risk-coverage curve, the error being the mean distance in grades. Source: Geifman, Uziel and
    El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019.

    cards, errors  (..., 10) cards, and their distances summed, by the width of the interval
    Cards are graded from the narrowest interval to the widest; equally wide ones in random order, whose mean is taken
    in closed form: within a width the summed error grows evenly, E(c) = a + b c, and E(c) / c integrates to
    a log(c2 / c1) + b (c2 - c1). Worked: half of the cards at width 1 without error, half at width 2 each one grade
    off: E = c - 1/2 from a half to one, so 1/2 - (log 2) / 2 = .1534.
    """
    whole = cards.sum(axis=-1, keepdims=True)
    to, error_to = ratio(cards, np.broadcast_to(whole, cards.shape)), ratio(errors, np.broadcast_to(whole, cards.shape))
    last, error_last = to.cumsum(axis=-1), error_to.cumsum(axis=-1)
    first, slope = last - to, np.nan_to_num(ratio(error_to, to))
    base = error_last - slope * last
    # Where no card comes before, the line goes through the origin: there is no log to take.
    grown = np.log(np.where(first > 0, ratio(last, first), 1.0))
    return (base * np.nan_to_num(grown) + slope * to).sum(axis=-1)


def reliability(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> list[dict[str, Any]]:
    """For each of 15 equally wide bins of confidence: its bounds, the cards' mean confidence, the share of them whose
    most probable grade is the true one, and n; None where a bin is empty.
    """
    confidence = probabilities.max(axis=1)
    hit, place = predicted_grades(probabilities) == truth, bins_of(confidence)
    cards = np.bincount(place, minlength=BINS)
    said = ratio(np.bincount(place, weights=confidence, minlength=BINS), cards)
    came_true = ratio(np.bincount(place, weights=hit, minlength=BINS), cards)
    return [
        {
            "from": number / BINS,
            "to": (number + 1) / BINS,
            "confidence": number_or_none(said[number]),
            "accuracy": number_or_none(came_true[number]),
            "n": int(cards[number]),
        }
        for number in range(BINS)
    ]


def risk_coverage(sums: NDArray[np.float64]) -> list[dict[str, Any]]:
    """For each width at which one could stop: what share of the cards is graded, their number, their mean distance and
    the share of them that is wrong; from the (51,) sums of all cards.
    """
    graded, off, wrong = (sums[part].cumsum() for part in (OF_WIDTH, ERROR, WRONG))
    cards = np.full(CLASSES, sums[OF_WIDTH].sum())
    rows = zip(WIDTHS, ratio(graded, cards), graded, ratio(off, graded), ratio(wrong, graded), strict=True)
    return [
        {
            "widest": int(width),
            "graded": number_or_none(part),
            "n": int(count),
            "mae": number_or_none(mae),
            "error": number_or_none(error),
        }
        for width, part, count, mae, error in rows
    ]


def measure(
    truth: NDArray[np.integer],
    said: Said,
    groups: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """All that is published of a model's certainty on N cards.

    truth    (N,) grades 1 to 10
    groups   N names; cards of one group are drawn together in the bootstrap
    returns  coverage, mean_width, aurc, nll, each with _low and _high (95 %; None with fewer than two groups);
             coverage_by_grade (neighbours pooled until 20 groups hold a card of the pool), reliability, risk_coverage
    """
    rows = card_sums(truth, said)
    whole = rows.sum(axis=0)
    pools = pooled(held_by_groups(truth, groups)) if len(truth) else []
    figures = {name: number_or_none(value) for name, value in figures_of(whole).items()}
    drawn = _drawn(rows, groups, pools, draws, seed)
    bounds = {name: interval(drawn[name]) if name in drawn else (None, None) for name in NAMES}
    return {
        **{
            key: value
            for name in NAMES
            for key, value in ((name, figures[name]), *zip((f"{name}_low", f"{name}_high"), bounds[name], strict=True))
        },
        "coverage_by_grade": [_pool(whole, pool, drawn.get(str(pool))) for pool in pools],
        "reliability": reliability(truth, said.probabilities),
        "risk_coverage": risk_coverage(whole),
    }


def published(predictions: Predictions, said: Said, *, calibrated: bool) -> dict[str, Any]:
    """All figures of what is said of cards: those of `engine.evaluation.metrics.measure` and those of `measure`; and, where it is
    calibrated, `uncalibrated`: what the network's own word, `predictions`, came to in the figures of its probabilities.
    """
    truth, groups, own = predictions.truth, predictions.groups, predictions.probabilities
    figures = {**measure_grades(truth, said.probabilities, groups), **measure(truth, said, groups)}
    if not calibrated:
        return {**figures, "uncalibrated": None}
    before = quick_measures(truth, own)
    uncalibrated = {
        **{name: before[name] for name in ("ece", "brier", "rps")},
        "nll": float(log_losses(truth, own).mean()),
        "reliability": reliability(truth, own),
    }
    return {**figures, "uncalibrated": uncalibrated}


def _drawn(
    rows: NDArray[np.float64], groups: Sequence[str], pools: Sequence[tuple[int, int]], draws: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Every figure, and every pool's coverage, in each draw of whole groups, (draws,); nothing for a single group."""
    number, count = numbered(groups)
    if count < 2:
        return {}
    sums = group_sums(rows, number, count)
    parts = []
    for times in drawn_times(count, draws=draws, seed=seed):
        all_sums = times @ sums
        parts.append({**figures_of(all_sums), **{str(pool): _coverage(all_sums, pool) for pool in pools}})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _coverage(sums: NDArray[np.float64], pool: tuple[int, int]) -> NDArray[np.float64]:
    grades = slice(pool[0] - 1, pool[1])
    return ratio(sums[..., COVERED][..., grades].sum(axis=-1), sums[..., OF_GRADE][..., grades].sum(axis=-1))


def _pool(whole: NDArray[np.float64], pool: tuple[int, int], drawn: NDArray[np.float64] | None) -> dict[str, Any]:
    low, high = (None, None) if drawn is None else interval(drawn)
    return {
        "grades": list(range(pool[0], pool[1] + 1)),
        "n": int(whole[OF_GRADE][pool[0] - 1 : pool[1]].sum()),
        "coverage": number_or_none(_coverage(whole, pool)),
        "coverage_low": low,
        "coverage_high": high,
    }
