"""How good a set of predictions is: agreement with the given grades, ranking, and calibration. NumPy only.

Grades here are 1 to 10. What is undefined (a split without nines, say) is None, never a made-up number.

All figures but one follow from sums over cards: the confusion, the calibration bins, the probability scores. So a
figure and its interval are one function, given the sums of all cards, or those of a thousand draws at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.bootstrap import DRAWS, drawn_times, group_sums, interval, numbered

CLASSES = 10
BINS = 15
GRADE = np.arange(CLASSES)
DISTANCE = np.abs(GRADE[:, None] - GRADE[None, :])
NAMES = ("qwk", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "ece", "brier", "rps", "recall")
# Where in a card's row of sums each part lies.
CONFUSION = slice(0, CLASSES * CLASSES)
GAPS = slice(CONFUSION.stop, CONFUSION.stop + BINS)
BRIER, RPS = GAPS.stop, GAPS.stop + 1


def predicted_grades(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N, 10) probabilities -> (N,) the most probable grade, 1 to 10."""
    return probabilities.argmax(axis=1) + 1


def confusion(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.int64]:
    """Counts by true grade (row) and predicted grade (column), (10, 10)."""
    pairs = (truth - 1) * CLASSES + (predicted - 1)
    return np.bincount(pairs, minlength=CLASSES * CLASSES).reshape(CLASSES, CLASSES)


def qwk(counts: NDArray[np.number]) -> float | None:
    """Quadratic weighted kappa of a (10, 10) confusion: 1 is perfect, 0 chance.

    None where it is undefined: no card, or truth and prediction both constant and equal. Source: Cohen, "Weighted
    kappa", 1968. Worked: truth (1, 1, 10, 10), predicted (1, 10, 10, 10): 0.5.
    """
    return number_or_none(qwk_of(counts.astype(np.float64)))


def qwk_of(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quadratic weighted kappa of each of (..., 10, 10) confusions; NaN where it is undefined."""
    cost = DISTANCE.astype(np.float64) ** 2
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    expected = np.einsum("...i,...j,ij->...", rows, columns, cost)
    return 1 - ratio((tables * cost).sum(axis=(-1, -2)) * rows.sum(axis=-1), expected)


def _calibration_gaps(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 15): each card's confidence less its hit (0 or 1), in the column of its bin of 15 equally wide ones.

    The expected calibration error is the sum of the columns' absolute sums over N. Source: Naeini, Cooper and
    Hauskrecht, 2015. Worked: confidence .8 on every card and half of them right: .3.
    """
    confidence = probabilities.max(axis=1)
    hit = predicted_grades(probabilities) == truth
    gaps = np.zeros((len(truth), BINS))
    gaps[np.arange(len(truth)), bins_of(confidence)] = confidence - hit
    return gaps


def bins_of(confidence: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N,) confidences in [0, 1] -> which of 15 equally wide bins each falls into, 0 to 14."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def brier_scores(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) squared distance of the ten probabilities from certainty of the true grade, 0 (perfect) to 2.

    Source: Brier, 1950. Worked: ten equal probabilities: .9.
    """
    return ((probabilities - np.eye(CLASSES)[truth - 1]) ** 2).sum(axis=1)


def ranked_probability_scores(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) mean squared distance of the nine cumulative probabilities from the truth's, 0 (perfect) to 1.

    Unlike Brier's it counts how far off the mass lies. Source: Epstein, 1969. Worked: ten equal probabilities, true
    grade 1: (.9^2 + .8^2 + ... + .1^2) / 9 = .3167.
    """
    below = (truth[:, None] <= np.arange(1, CLASSES)).astype(np.float64)
    return ((probabilities.cumsum(axis=1)[:, :-1] - below) ** 2).mean(axis=1)


def auc_9_10(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float | None:
    """How well tens are ranked above nines by P(10) / (P(9) + P(10)), over the cards that are one of the two.

    The share of (nine, ten) pairs in which the ten has the higher value, a tie counting half (Mann and Whitney, 1947).
    """
    return number_or_none(auc_of_draws(truth, probabilities, np.ones((1, len(truth))))[0])


def auc_of_draws(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The AUC in each draw, (D,), of cards that count as often as `times`, (D, N), says; NaN where it is undefined."""
    either = np.flatnonzero(truth >= 9)
    nine, ten = probabilities[either, 8], probabilities[either, 9]
    share = ten / np.maximum(nine + ten, 1e-12)
    order = np.argsort(share, kind="stable")
    share, is_ten, weight = share[order], truth[either[order]] == 10, times[:, either[order]]
    nines_up_to = np.pad(np.cumsum(weight * ~is_ten, axis=1), ((0, 0), (1, 0)))
    first, last = (np.searchsorted(share, share[is_ten], side) for side in ("left", "right"))
    beaten = (nines_up_to[:, first] + nines_up_to[:, last]) / 2
    tens = weight[:, is_ten]
    return ratio((tens * beaten).sum(axis=1), tens.sum(axis=1) * nines_up_to[:, -1])


def card_sums(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 117) what each card adds to the sums that the figures follow from."""
    cell = np.zeros((len(truth), CLASSES * CLASSES))
    cell[np.arange(len(truth)), (truth - 1) * CLASSES + predicted_grades(probabilities) - 1] = 1
    scores = brier_scores(truth, probabilities), ranked_probability_scores(truth, probabilities)
    return np.column_stack([cell, _calibration_gaps(truth, probabilities), *scores])


def figures_of(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The figures of each of (..., 117) sums, by name, (...) each and `recall` (..., 10); NaN where undefined."""
    tables = sums[..., CONFUSION].reshape(*sums.shape[:-1], CLASSES, CLASSES)
    cards, of_grade = tables.sum(axis=(-1, -2)), tables.sum(axis=-1)
    with_grade = np.where(of_grade > 0, 1.0, 0.0)
    error_of_grade = np.nan_to_num(ratio((tables * DISTANCE).sum(axis=-1), of_grade))
    return {
        "qwk": qwk_of(tables),
        "exact": ratio(np.einsum("...ii->...", tables), cards),
        "within_one": ratio((tables * (DISTANCE <= 1)).sum(axis=(-1, -2)), cards),
        "mae": ratio((tables * DISTANCE).sum(axis=(-1, -2)), cards),
        "macro_mae": ratio(error_of_grade.sum(axis=-1), with_grade.sum(axis=-1)),
        "ece": ratio(np.abs(sums[..., GAPS]).sum(axis=-1), cards),
        "brier": ratio(sums[..., BRIER], cards),
        "rps": ratio(sums[..., RPS], cards),
        "recall": ratio(np.einsum("...ii->...i", tables), of_grade),
    }


def quick_measures(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """The figures without their intervals: what every epoch is told by. Names and shapes as in `measure`."""
    figures = figures_of(card_sums(truth, probabilities).sum(axis=0))
    recall = figures.pop("recall")
    return {
        **{name: number_or_none(value) for name, value in figures.items()},
        "auc_9_10": auc_9_10(truth, probabilities),
        "recall": [number_or_none(value) for value in recall],
        "confusion": confusion(truth, predicted_grades(probabilities)).tolist(),
        "n": len(truth),
    }


def intervals(
    truth: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    groups: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """`NAME_low` and `NAME_high` of every figure: 95 % intervals, all from the same draws of whole groups.

    None where there are fewer than two groups. The calibration error of drawn cards is higher than that of all cards
    (chance makes gaps): its interval leans upwards.
    """
    number, count = numbered(groups)
    drawn: dict[str, list[NDArray[np.float64]]] = {}
    if count < 2:
        return {f"{name}{end}": None for name in NAMES for end in ("_low", "_high")}
    sums = group_sums(card_sums(truth, probabilities), number, count)
    for times in drawn_times(count, draws=draws, seed=seed):
        auc = auc_of_draws(truth, probabilities, times[:, number])
        for name, values in {**figures_of(times @ sums), "auc_9_10": auc}.items():
            drawn.setdefault(name, []).append(values)
    bounds: dict[str, Any] = {}
    for name in NAMES:
        values = np.concatenate(drawn[name])
        low, high = interval(values) if values.ndim == 1 else map(list, zip(*map(interval, values.T), strict=True))
        bounds[f"{name}_low"], bounds[f"{name}_high"] = low, high
    return bounds


def measure(truth: NDArray[np.integer], probabilities: NDArray[np.floating], groups: Sequence[str]) -> dict[str, Any]:
    """All published figures of N cards.

    truth          (N,) grades 1 to 10
    probabilities  (N, 10), rows summing to 1
    groups         N names; cards of one group are drawn together in the bootstrap
    returns        qwk, exact, within_one, mae, macro_mae, auc_9_10, ece, brier, rps, recall (a list of ten, by grade),
                   each with _low and _high; confusion, n
    """
    return {**quick_measures(truth, probabilities), **intervals(truth, probabilities, groups)}


def ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> NDArray[np.float64]:
    """part / whole, NaN where the whole is nought."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) != 0)


def number_or_none(value: Any) -> float | None:
    """A figure as it is published: None where it is undefined (NaN)."""
    return None if np.isnan(value) else float(value)
