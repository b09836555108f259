"""Comparison of runs paired by seed, on the same cards, with bootstrap intervals and p-values. Free of torch.

Losses are not compared: different objectives have different units (engine.experiments.lineage.same_objective).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadInput
from engine.evaluation.bootstrap import (
    DRAWS,
    GroupSums,
    bootstrap_counts,
    group_indices,
    percentile_interval,
    resample_runs,
)
from engine.evaluation.metrics import MetricSums, card_sums, confusion, predicted_grades, qwk, qwk_of_tables
from engine.evaluation.predictions import Predictions


class NoCommonCards(BadInput):
    """Two sets of predictions share no card with the same label."""


@dataclass(frozen=True)
class Difference:
    """Difference in QWK, candidate minus reference.

    qwk, reference_qwk    means over the seeds
    delta                 their difference
    low, high             95 % interval of the difference
    better                fraction of draws in which the candidate is better, a tie counting half
    p                     two-sided p-value
    cards, groups, seeds  number of each
    """

    qwk: float
    reference_qwk: float
    delta: float
    low: float
    high: float
    better: float
    p: float
    cards: int
    groups: int
    seeds: int


def common_cards(predictions: Sequence[Predictions]) -> list[str]:
    """Cards with the same label in all sets, in the order of the first. Raises NoCommonCards."""
    labels = [dict(zip(part.cards, part.truth.tolist(), strict=True)) for part in predictions]
    cards = [card for card in predictions[0].cards if len({label.get(card) for label in labels}) == 1]
    if not cards:
        raise NoCommonCards(
            "the runs have no predictions for a common card with the same label; train both on the same cards"
        )
    return cards


def qwk_difference(
    candidates: Sequence[Predictions], references: Sequence[Predictions], *, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """Difference in QWK of runs paired by seed, on the cards common to all.

    candidates, references  predictions, one per seed, in the same order
    Groups of cards are resampled with replacement, the same for all runs. With two or more seeds, seeds are resampled
    too, so that the interval includes the variation of training; with one seed it does not. Raises NoCommonCards, also
    if QWK is undefined.
    """
    cards = common_cards([*candidates, *references])
    pairs = [
        (candidate.select_cards(cards), reference.select_cards(cards))
        for candidate, reference in zip(candidates, references, strict=True)
    ]
    group_of, groups = group_indices(pairs[0][1].groups)
    scores = np.array([[_qwk(run) for run in pair] for pair in pairs], dtype=np.float64)  # (seeds, 2)
    if np.isnan(scores).any():
        raise NoCommonCards(f"QWK is undefined on the {len(cards)} cards in common; compare on cards of several grades")
    sums = [[GroupSums(card_sums(run.truth, run.probabilities), group_of, groups) for run in pair] for pair in pairs]
    draws_by_seed = [_deltas(counts, sums) for counts in bootstrap_counts(groups, draws=draws, seed=seed)]
    deltas = resample_runs(np.concatenate(draws_by_seed), seed=seed)
    deltas = deltas[~np.isnan(deltas)]
    low, high = percentile_interval(deltas)
    mean = scores.mean(axis=0)
    if low is None or high is None:
        raise NoCommonCards(f"QWK is undefined in every draw of the {groups} groups in common; compare on more cards")
    return Difference(
        qwk=float(mean[0]),
        reference_qwk=float(mean[1]),
        delta=float(mean[0] - mean[1]),
        low=low,
        high=high,
        better=float(((deltas > 0) + (deltas == 0) / 2).mean()),
        p=two_sided_p_value(deltas),
        cards=len(cards),
        groups=groups,
        seeds=len(pairs),
    )


def two_sided_p_value(deltas: NDArray[np.floating]) -> float:
    """Two-sided bootstrap p-value: twice the fraction of draws on the rarer side of zero, never zero itself.

    One draw is added to both counts. Worked: 1,000 draws of which 4 are not above zero: 2 (4 + 1) / 1,001 = .00999.
    """
    rarer = min((deltas <= 0).sum(), (deltas >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(deltas) + 1)))


def holm(p: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values of a family of tests, controlling the family-wise error rate.

    The smallest of n is multiplied by n, the next by n - 1 and so on, each at least the one before. Source: Holm,
    1979. Worked: (.01, .04, .03): (.03, .06, .06).
    """
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(np.array(p, dtype=np.float64)[order] * factors), 1.0)
    result = np.empty(len(p))
    result[order] = adjusted
    return [float(value) for value in result]


def _qwk(run: Predictions) -> float:
    value = qwk(confusion(run.truth, predicted_grades(run.probabilities)))
    return float("nan") if value is None else value


def _deltas(counts: NDArray[np.float64], sums: Sequence[Sequence[GroupSums[MetricSums]]]) -> NDArray[np.float64]:
    """(draws, seeds) differences in QWK, candidate minus reference; NaN if either is undefined."""
    deltas = [
        qwk_of_tables(candidate.of_draws(counts).confusion) - qwk_of_tables(reference.of_draws(counts).confusion)
        for candidate, reference in sums
    ]
    return np.stack(deltas, axis=1)


def agreement(full: Predictions, variant: Predictions) -> dict[str, Any]:
    """Agreement of a model and a variant of it (quantized, or run by ONNX Runtime) on the same N cards.

    returns plain values, undefined ones None:
    equal_grades        fraction of cards with the same predicted grade
    largest_difference  maximum absolute difference of the 10 N probabilities
    mean_difference     mean absolute difference
    qwk_full, qwk       QWK of the model and of the variant
    """
    if full.cards != variant.cards:
        raise ValueError("predictions can only be compared on the same cards in the same order")
    grades = [predicted_grades(predictions.probabilities) for predictions in (full, variant)]
    difference = np.abs(full.probabilities - variant.probabilities)
    return {
        "cards": len(full.cards),
        "equal_grades": float((grades[0] == grades[1]).mean()),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "qwk_full": qwk(confusion(full.truth, grades[0])),
        "qwk": qwk(confusion(variant.truth, grades[1])),
    }
