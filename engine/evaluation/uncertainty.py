"""Uncertainty metrics: interval coverage, calibration, risk-coverage curve. NumPy only.

As in `engine.evaluation.metrics`, all scalar metrics are functions of sums over cards, so that one function computes a
metric from the sums of all cards, and its interval from those of all bootstrap draws.
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
from engine.evaluation.conformal import grades_in_groups, pool_grades
from engine.evaluation.metrics import (
    BINS,
    CLASSES,
    confidence_bins,
    metrics_with_intervals,
    number_or_none,
    point_metrics,
    predicted_grades,
    ratio,
)
from engine.evaluation.predictions import Predictions

UNCERTAINTY_METRICS = ("coverage", "mean_width", "aurc", "nll")
WIDTHS = np.arange(1, CLASSES + 1)
# Smaller probabilities are clipped to the smallest normal float, whose logarithm, -708, is finite.
MIN_PROBABILITY = np.finfo(np.float64).tiny


class UncertaintySums(NamedTuple):
    """Sums over cards from which the metrics are computed, or the contributions of single cards, (N, ...) each.

    covered_of_grade                         (..., 10) cards whose interval has the true grade, by true grade
    of_grade                                 (..., 10) cards, by true grade
    of_width, error_of_width, wrong_of_width (..., 10) cards, their errors in grades, wrong ones, by interval width
    nll                                      (...) log loss
    """

    covered_of_grade: NDArray[np.float64]
    of_grade: NDArray[np.float64]
    of_width: NDArray[np.float64]
    error_of_width: NDArray[np.float64]
    wrong_of_width: NDArray[np.float64]
    nll: NDArray[np.float64]


class CalibratedPredictions(NamedTuple):
    """Calibrated probabilities of N cards, (N, 10), and prediction intervals, (N,) each, with their coverage."""

    probabilities: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    coverage: float

    @property
    def widths(self) -> NDArray[np.int64]:
        """(N,) number of grades in each interval."""
        return self.high - self.low + 1

    @property
    def grades(self) -> NDArray[np.int64]:
        """(N,) predicted grade, the most probable one."""
        return predicted_grades(self.probabilities)


def log_losses(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) negative natural log of the true grade's probability. Worked: ten equal probabilities: log 10 = 2.303."""
    return -np.log(np.maximum(probabilities[np.arange(len(truth)), truth - 1], MIN_PROBABILITY))


def card_uncertainty_sums(truth: NDArray[np.integer], predictions: CalibratedPredictions) -> UncertaintySums:
    """Contributions of N cards to the sums."""
    of_grade, of_width = np.eye(CLASSES)[truth - 1], np.eye(CLASSES)[predictions.widths - 1]
    error = np.abs(predictions.grades - truth)[:, None]
    covered = ((predictions.low <= truth) & (truth <= predictions.high))[:, None]
    losses = log_losses(truth, predictions.probabilities)
    return UncertaintySums(of_grade * covered, of_grade, of_width, of_width * error, of_width * (error > 0), losses)


def uncertainty_from_sums(sums: UncertaintySums) -> dict[str, NDArray[np.float64]]:
    """Uncertainty metrics by name from (...) sums, (...) each; NaN where undefined."""
    cards = sums.of_grade.sum(axis=-1)
    return {
        "coverage": ratio(sums.covered_of_grade.sum(axis=-1), cards),
        "mean_width": ratio((sums.of_width * WIDTHS).sum(axis=-1), cards),
        "aurc": _area(sums.of_width, sums.error_of_width),
        "nll": ratio(sums.nll, cards),
    }


def _area(cards: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the risk-coverage curve, with the mean absolute error in grades as the risk.

    cards, errors  (..., 10) number of cards, and sum of their errors, by interval width
    Cards are ordered from the narrowest interval to the widest, equally wide ones at random; the mean over their orders
    has a closed form. Within a width the summed error is linear in the coverage, E(c) = a + b c, and E(c) / c
    integrates to a log(c2 / c1) + b (c2 - c1). Worked: half of the cards at width 1 without error, half at width 2 each
    one grade off: E = c - 1/2 from a half to one, so 1/2 - (log 2) / 2 = .1534. Source: Geifman, Uziel and El-Yaniv,
    "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019.
    """
    total = np.broadcast_to(cards.sum(axis=-1, keepdims=True), cards.shape)
    step, error_step = ratio(cards, total), ratio(errors, total)
    end, error_end = step.cumsum(axis=-1), error_step.cumsum(axis=-1)
    start, slope = end - step, np.nan_to_num(ratio(error_step, step))
    intercept = error_end - slope * end
    # The first segment starts at coverage 0 with intercept 0: no log term.
    log_growth = np.log(np.where(start > 0, ratio(end, start), 1.0))
    return (intercept * np.nan_to_num(log_growth) + slope * step).sum(axis=-1)


def reliability(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> list[dict[str, Any]]:
    """Reliability diagram: bounds, mean confidence, accuracy and n of 15 equally wide bins; None for an empty bin."""
    confidence = probabilities.max(axis=1)
    correct, bins = predicted_grades(probabilities) == truth, confidence_bins(confidence)
    cards = np.bincount(bins, minlength=BINS)
    mean_confidence = ratio(np.bincount(bins, weights=confidence, minlength=BINS), cards)
    accuracy = ratio(np.bincount(bins, weights=correct, minlength=BINS), cards)
    return [
        {
            "from": index / BINS,
            "to": (index + 1) / BINS,
            "confidence": number_or_none(mean_confidence[index]),
            "accuracy": number_or_none(accuracy[index]),
            "n": int(cards[index]),
        }
        for index in range(BINS)
    ]


def risk_coverage(sums: UncertaintySums) -> list[dict[str, Any]]:
    """Risk-coverage curve from the sums of all cards: fraction and number of graded cards, their mean absolute
    error and error rate, for each maximum interval width.
    """
    graded, errors, wrong = (part.cumsum() for part in (sums.of_width, sums.error_of_width, sums.wrong_of_width))
    cards = np.full(CLASSES, sums.of_width.sum())
    rows = zip(WIDTHS, ratio(graded, cards), graded, ratio(errors, graded), ratio(wrong, graded), strict=True)
    return [
        {
            "widest": int(width),
            "graded": number_or_none(fraction),
            "n": int(count),
            "mae": number_or_none(mae),
            "error": number_or_none(error),
        }
        for width, fraction, count, mae, error in rows
    ]


def uncertainty_metrics(
    truth: NDArray[np.integer],
    predictions: CalibratedPredictions,
    groups: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Uncertainty metrics of N cards.

    truth    (N,) grades 1 to 10
    groups   N names; cards of one group are resampled together
    returns  coverage, mean_width, aurc, nll, each with _low and _high (95 %; None with fewer than two groups);
             coverage_by_grade (grades pooled to at least 20 groups), reliability, risk_coverage
    """
    rows = card_uncertainty_sums(truth, predictions)
    totals = sums_of_cards(rows)
    pools = pool_grades(grades_in_groups(truth, groups)) if len(truth) else []
    values = {name: number_or_none(value) for name, value in uncertainty_from_sums(totals).items()}
    resampled = _resampled_metrics(rows, groups, pools, draws, seed)
    bounds = {
        name: percentile_interval(resampled[name]) if name in resampled else (None, None)
        for name in UNCERTAINTY_METRICS
    }
    return {
        **{
            key: value
            for name in UNCERTAINTY_METRICS
            for key, value in ((name, values[name]), *zip((f"{name}_low", f"{name}_high"), bounds[name], strict=True))
        },
        "coverage_by_grade": [_pool_coverage(totals, pool, resampled.get(str(pool))) for pool in pools],
        "reliability": reliability(truth, predictions.probabilities),
        "risk_coverage": risk_coverage(totals),
    }


def all_metrics(network: Predictions, predictions: CalibratedPredictions, *, calibrated: bool) -> dict[str, Any]:
    """Metrics of `engine.evaluation.metrics.metrics_with_intervals` and `uncertainty_metrics` together.

    network      the network's predictions, before calibration
    predictions  its predictions as they are shown
    calibrated   add `uncalibrated`: metrics of the probabilities of `network`
    """
    truth, groups, probabilities = network.truth, network.groups, network.probabilities
    metrics = {
        **metrics_with_intervals(truth, predictions.probabilities, groups),
        **uncertainty_metrics(truth, predictions, groups),
    }
    if not calibrated:
        return {**metrics, "uncalibrated": None}
    before = point_metrics(truth, probabilities)
    uncalibrated = {
        **{name: before[name] for name in ("ece", "brier", "rps")},
        "nll": float(log_losses(truth, probabilities).mean()),
        "reliability": reliability(truth, probabilities),
    }
    return {**metrics, "uncalibrated": uncalibrated}


def _resampled_metrics(
    rows: UncertaintySums, groups: Sequence[str], pools: Sequence[tuple[int, int]], draws: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Every metric, and every pool's coverage, in each bootstrap draw, (draws,); empty with a single group."""
    group_of, count = group_indices(groups)
    if count < 2:
        return {}
    sums = GroupSums(rows, group_of, count)
    parts = []
    for counts in bootstrap_counts(count, draws=draws, seed=seed):
        totals = sums.of_draws(counts)
        parts.append({**uncertainty_from_sums(totals), **{str(pool): _coverage(totals, pool) for pool in pools}})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _coverage(sums: UncertaintySums, pool: tuple[int, int]) -> NDArray[np.float64]:
    grades = slice(pool[0] - 1, pool[1])
    return ratio(sums.covered_of_grade[..., grades].sum(axis=-1), sums.of_grade[..., grades].sum(axis=-1))


def _pool_coverage(
    totals: UncertaintySums, pool: tuple[int, int], resampled: NDArray[np.float64] | None
) -> dict[str, Any]:
    low, high = (None, None) if resampled is None else percentile_interval(resampled)
    return {
        "grades": list(range(pool[0], pool[1] + 1)),
        "n": int(totals.of_grade[pool[0] - 1 : pool[1]].sum()),
        "coverage": number_or_none(_coverage(totals, pool)),
        "coverage_low": low,
        "coverage_high": high,
    }
