"""Metrics of predictions: agreement with the true grades, ranking and calibration. NumPy only.

Grades are 1 to 10. An undefined metric (such as the AUC of a split without nines) is None.

All metrics but the AUC are functions of sums over cards: confusion matrix, calibration bins and probability scores. One
function therefore computes a metric from the sums of all cards, and its interval from those of all bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.bootstrap import (
    DRAWS,
    GroupSums,
    bootstrap_counts,
    group_indices,
    percentile_interval,
    sums_of_cards,
)

CLASSES = 10
BINS = 15
GRADE_INDICES = np.arange(CLASSES)
GRADE_DISTANCES = np.abs(GRADE_INDICES[:, None] - GRADE_INDICES[None, :])
METRIC_NAMES = ("qwk", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "ece", "brier", "rps", "recall")


class MetricSums(NamedTuple):
    """Sums over cards from which the metrics are computed, or the contributions of single cards, (N, ...) each.

    confusion         (..., 10, 10) counts by true grade (row) and predicted grade (column)
    calibration_gaps  (..., 15) confidence minus correctness by confidence bin
    brier, rps        (...) Brier scores, ranked probability scores
    """

    confusion: NDArray[np.float64]
    calibration_gaps: NDArray[np.float64]
    brier: NDArray[np.float64]
    rps: NDArray[np.float64]


def predicted_grades(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N, 10) probabilities -> (N,) most probable grade, 1 to 10."""
    return probabilities.argmax(axis=1) + 1


def confusion(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.int64]:
    """Confusion matrix, (10, 10): counts by true grade (row) and predicted grade (column)."""
    cells = (truth - 1) * CLASSES + (predicted - 1)
    return np.bincount(cells, minlength=CLASSES * CLASSES).reshape(CLASSES, CLASSES)


def qwk(counts: NDArray[np.number]) -> float | None:
    """Quadratic weighted kappa of a (10, 10) confusion matrix: 1 is perfect, 0 chance.

    None if it is undefined: no card, or truth and prediction both constant and equal. Source: Cohen, "Weighted
    kappa", 1968. Worked: truth (1, 1, 10, 10), predicted (1, 10, 10, 10): 0.5.
    """
    return number_or_none(qwk_of_tables(counts.astype(np.float64)))


def qwk_of_tables(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quadratic weighted kappa of (..., 10, 10) confusion matrices; NaN where undefined."""
    cost = GRADE_DISTANCES.astype(np.float64) ** 2
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    expected = np.einsum("...i,...j,ij->...", rows, columns, cost)
    return 1 - ratio((tables * cost).sum(axis=(-1, -2)) * rows.sum(axis=-1), expected)


def _calibration_gaps(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 15) confidence minus correctness (0 or 1) of each card, in the column of its confidence bin.

    The expected calibration error is the sum of the absolute column sums, divided by N. Source: Naeini, Cooper and
    Hauskrecht, 2015. Worked: confidence .8 on every card and half of them correct: .3.
    """
    confidence = probabilities.max(axis=1)
    correct = predicted_grades(probabilities) == truth
    gaps = np.zeros((len(truth), BINS))
    gaps[np.arange(len(truth)), confidence_bins(confidence)] = confidence - correct
    return gaps


def confidence_bins(confidence: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N,) confidences in [0, 1] -> (N,) index of the bin, 0 to 14, of 15 equally wide ones."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def brier_scores(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) squared distance of the ten probabilities from the one-hot true grade, 0 (perfect) to 2.

    Source: Brier, 1950. Worked: ten equal probabilities: .9.
    """
    return ((probabilities - np.eye(CLASSES)[truth - 1]) ** 2).sum(axis=1)


def ranked_probability_scores(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) mean squared distance of the nine cumulative probabilities from those of the true grade, 0 (perfect) to 1.

    Unlike the Brier score, it depends on the distance in grades. Source: Epstein, 1969. Worked: ten equal
    probabilities, true grade 1: (.9^2 + .8^2 + ... + .1^2) / 9 = .3167.
    """
    cumulative_truth = (truth[:, None] <= np.arange(1, CLASSES)).astype(np.float64)
    return ((probabilities.cumsum(axis=1)[:, :-1] - cumulative_truth) ** 2).mean(axis=1)


def auc_9_10(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float | None:
    """AUC of nines against tens, ranked by P(10) / (P(9) + P(10)), over the cards of these two grades.

    The fraction of (nine, ten) pairs in which the ten ranks higher, a tie counting half (Mann and Whitney, 1947).
    """
    return number_or_none(auc_of_resamples(truth, probabilities, np.ones((1, len(truth))))[0])


def auc_of_resamples(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AUC in each bootstrap draw, (D,), with cards weighted by `counts`, (D, N); NaN where undefined."""
    cards = np.flatnonzero(truth >= 9)
    nine, ten = probabilities[cards, 8], probabilities[cards, 9]
    score = ten / np.maximum(nine + ten, 1e-12)
    order = np.argsort(score, kind="stable")
    score, is_ten, weight = score[order], truth[cards[order]] == 10, counts[:, cards[order]]
    cumulative_nines = np.pad(np.cumsum(weight * ~is_ten, axis=1), ((0, 0), (1, 0)))
    first, last = (np.searchsorted(score, score[is_ten], side) for side in ("left", "right"))
    nines_below = (cumulative_nines[:, first] + cumulative_nines[:, last]) / 2
    tens = weight[:, is_ten]
    return ratio((tens * nines_below).sum(axis=1), tens.sum(axis=1) * cumulative_nines[:, -1])


def card_sums(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> MetricSums:
    """Contributions of N cards to the sums."""
    cells = np.zeros((len(truth), CLASSES, CLASSES))
    cells[np.arange(len(truth)), truth - 1, predicted_grades(probabilities) - 1] = 1
    return MetricSums(
        cells,
        _calibration_gaps(truth, probabilities),
        brier_scores(truth, probabilities),
        ranked_probability_scores(truth, probabilities),
    )


def metrics_from_sums(sums: MetricSums) -> dict[str, NDArray[np.float64]]:
    """Metrics by name from (...) sums, (...) each and `recall` (..., 10); NaN where undefined."""
    tables = sums.confusion
    cards, of_grade = tables.sum(axis=(-1, -2)), tables.sum(axis=-1)
    has_grade = np.where(of_grade > 0, 1.0, 0.0)
    error_of_grade = np.nan_to_num(ratio((tables * GRADE_DISTANCES).sum(axis=-1), of_grade))
    return {
        "qwk": qwk_of_tables(tables),
        "exact": ratio(np.einsum("...ii->...", tables), cards),
        "within_one": ratio((tables * (GRADE_DISTANCES <= 1)).sum(axis=(-1, -2)), cards),
        "mae": ratio((tables * GRADE_DISTANCES).sum(axis=(-1, -2)), cards),
        "macro_mae": ratio(error_of_grade.sum(axis=-1), has_grade.sum(axis=-1)),
        "ece": ratio(np.abs(sums.calibration_gaps).sum(axis=-1), cards),
        "brier": ratio(sums.brier, cards),
        "rps": ratio(sums.rps, cards),
        "recall": ratio(np.einsum("...ii->...i", tables), of_grade),
    }


def point_metrics(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """Metrics without intervals, computed every epoch. Names and shapes as in `metrics_with_intervals`."""
    metrics = metrics_from_sums(sums_of_cards(card_sums(truth, probabilities)))
    recall = metrics.pop("recall")
    return {
        **{name: number_or_none(value) for name, value in metrics.items()},
        "auc_9_10": auc_9_10(truth, probabilities),
        "recall": [number_or_none(value) for value in recall],
        "confusion": confusion(truth, predicted_grades(probabilities)).tolist(),
        "n": len(truth),
    }


def metric_intervals(
    truth: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    groups: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """95 % bootstrap intervals, `NAME_low` and `NAME_high` of every metric, from the same draws of whole groups.

    None with fewer than two groups. The interval of the calibration error is biased upwards, since random gaps increase
    the error of a resample.
    """
    group_of, count = group_indices(groups)
    resampled: dict[str, list[NDArray[np.float64]]] = {}
    if count < 2:
        return {f"{name}{end}": None for name in METRIC_NAMES for end in ("_low", "_high")}
    sums = GroupSums(card_sums(truth, probabilities), group_of, count)
    for counts in bootstrap_counts(count, draws=draws, seed=seed):
        auc = auc_of_resamples(truth, probabilities, counts[:, group_of])
        for name, values in {**metrics_from_sums(sums.of_draws(counts)), "auc_9_10": auc}.items():
            resampled.setdefault(name, []).append(values)
    bounds: dict[str, Any] = {}
    for name in METRIC_NAMES:
        values = np.concatenate(resampled[name])
        low, high = (
            percentile_interval(values)
            if values.ndim == 1
            else map(list, zip(*map(percentile_interval, values.T), strict=True))
        )
        bounds[f"{name}_low"], bounds[f"{name}_high"] = low, high
    return bounds


def metrics_with_intervals(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], groups: Sequence[str]
) -> dict[str, Any]:
    """All metrics of N cards, with intervals.

    truth          (N,) grades 1 to 10
    probabilities  (N, 10), rows summing to 1
    groups         N names; cards of one group are resampled together
    returns        qwk, exact, within_one, mae, macro_mae, auc_9_10, ece, brier, rps, recall (a list of ten, by grade),
                   each with _low and _high; confusion, n
    """
    return {**point_metrics(truth, probabilities), **metric_intervals(truth, probabilities, groups)}


def ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> NDArray[np.float64]:
    """part / whole, NaN where the whole is zero."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) != 0)


def number_or_none(value: Any) -> float | None:
    """Convert a metric to float, and NaN (undefined) to None."""
    return None if np.isnan(value) else float(value)
