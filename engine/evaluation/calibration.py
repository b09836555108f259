"""Calibrate a model on held-out cards: temperature scaling and conformal intervals. NumPy only.

One temperature for the probabilities, prediction intervals by `engine.evaluation.conformal`, and the maximum interval
width with which a card is still graded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter

from engine.cards.grades import GRADES
from engine.errors import BadInput
from engine.evaluation.bootstrap import group_indices
from engine.evaluation.conformal import (
    COVERAGE,
    Pool,
    Pools,
    fit_pools,
    min_groups,
    narrowest_intervals,
    prediction_intervals,
)
from engine.evaluation.predictions import HasGrade, Predictions
from engine.evaluation.strata import (
    EVERYTHING,
    MIN_STRATUM_CARDS,
    Given,
    Sides,
    Stratum,
    stratum_of,
    widest_pools,
)
from engine.evaluation.uncertainty import MIN_PROBABILITY, CalibratedPredictions, all_metrics

VALIDATION_CARDS = "the validation cards by which its epoch was chosen"
# A dozen cards that are all graded correctly would give temperature 0, so that the range is limited.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.25, 8.0
BISECTION_STEPS = 60
# At most one held-out card in ten may be rejected for its interval width.
MIN_GRADED_FRACTION = 0.9
ALPHA = 0.025
CROSS_VALIDATION_FOLDS = 5


class TooFewCards(BadInput):
    """Fewer groups of held-out cards than prediction intervals need."""


@dataclass(frozen=True)
class Calibration:
    """Calibration of a model; plain values, stored in the model file.

    temperature    divisor of the log-probabilities; above 1 the network was overconfident
    coverage       nominal coverage of the prediction intervals, 0 to 1
    pools          score threshold of each range of grades
    widest         maximum interval width: a card with a wider interval is not graded; 10: all are graded
    cards, groups  number of held-out cards and groups
    on             description of these cards, as a phrase
    measured       metrics by `engine.evaluation.uncertainty.all_metrics` on these cards, cross-validated; None with too
                   few groups
    strata         thresholds of cards of which less is given; without any, `pools` apply to all cards
    min_px_per_mm  resolution from which `pools` apply, if there are strata
    """

    __pydantic_config__ = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    coverage: Annotated[float, Field(gt=0, lt=1)]
    pools: Pools
    widest: Annotated[int, Field(ge=1, le=len(GRADES))]
    cards: int
    groups: int
    on: str
    measured: dict[str, Any] | None = None
    strata: tuple[Stratum, ...] = ()
    min_px_per_mm: float = 0.0

    def temperature_and_pools(self, given: Given) -> tuple[float, tuple[Pool, ...]]:
        """Those of the card's stratum; without one, if there are strata, the highest thresholds of all."""
        stratum = stratum_of(self.strata, given)
        if stratum is not None:
            return stratum.temperature, stratum.pools
        if self.is_calibrated_for(given) or not self.strata:
            return self.temperature, self.pools
        return self.temperature, widest_pools([self.pools, *(stratum.pools for stratum in self.strata)])

    def is_calibrated_for(self, given: Given) -> bool:
        """True if the held-out cards include such cards; otherwise the interval may miss the grade more often."""
        if stratum_of(self.strata, given) is not None:
            return True
        return given.in_domain and given.sides == "pair" and given.px_per_mm >= self.min_px_per_mm

    def to_dict(self) -> dict[str, Any]:
        """Convert to dicts, lists, numbers and text."""
        return _CALIBRATION.dump_python(self, mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """Read the output of `to_dict`. Raises ValueError for invalid values.

        `measured`, which is only reported, is not validated.
        """
        return _CALIBRATION.validate_python(values)


_CALIBRATION = TypeAdapter(Calibration)


def apply_calibration(
    probabilities: NDArray[np.floating], calibration: Calibration | None, given: Sequence[Given] = ()
) -> CalibratedPredictions:
    """Calibrate the network's probabilities of N cards, (N, 10), and add prediction intervals.

    given  what is given of each card; empty: both sides of all, in pictures of any resolution

    Without a calibration: the unchanged probabilities, and the narrowest intervals with 90 % of the probability.
    """
    if calibration is None:
        uncalibrated = probabilities.astype(np.float64)
        return CalibratedPredictions(uncalibrated, *narrowest_intervals(uncalibrated, COVERAGE), COVERAGE)
    calibrated = np.zeros(probabilities.shape)
    low, high = np.zeros((2, len(calibrated)), np.int64)
    kinds = [calibration.temperature_and_pools(card) for card in given or [EVERYTHING] * len(calibrated)]
    for temperature, pools in set(kinds):
        rows = np.array([kind == (temperature, pools) for kind in kinds])
        calibrated[rows] = apply_temperature(probabilities[rows], temperature)
        low[rows], high[rows] = prediction_intervals(calibrated[rows], pools)
    return CalibratedPredictions(calibrated, low, high, calibration.coverage)


def apply_temperature(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Divide the log-probabilities of (N, 10) probabilities by the temperature; each row sums to 1 again.

    The ranking of the grades is unchanged. Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    Worked: (.8, .2) at temperature 2: (2/3, 1/3).
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), MIN_PROBABILITY)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(truth: NDArray[np.integer], probabilities: NDArray[np.floating], groups: Sequence[str]) -> float:
    """Temperature, 0.25 to 8, with the minimum negative log-likelihood; every group has the same weight.

    truth (N,) 1 to 10, probabilities (N, 10), groups N names
    The mean negative log-likelihood is convex in b = 1 / temperature (a log-sum-exp minus a linear term). Its slope is
    the mean log-probability under the calibrated distribution minus that of the true grade; bisection finds its zero.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), MIN_PROBABILITY))
    of_truth = logs[np.arange(len(truth)), truth - 1]
    group_of, _ = group_indices(groups)
    weight = 1 / np.bincount(group_of)[group_of]

    def slope(inverse: float) -> float:
        return float(weight @ ((apply_temperature(probabilities, 1 / inverse) * logs).sum(axis=1) - of_truth))

    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)


def max_graded_width(widths: NDArray[np.integer], errors: NDArray[np.number], groups: Sequence[str]) -> int:
    """Smallest interval width that grades at least nine cards in ten and rejects worse ones; 10 (no limit) otherwise.

    widths, errors  (N,) interval width, and error in grades, of each held-out card
    A limit is accepted if the rejected cards' mean error is significantly higher (one-sided z-test, clustered by group,
    alpha .025, Bonferroni over the limits tried). The standard error is that under equal means, so that three rejected
    cards are never significant. Worked: with one limit tried the difference must exceed 1.96 standard errors, with four
    2.50.
    """
    group_of, count = group_indices(groups)
    centered = errors - errors.mean()
    limits: dict[int, int] = {}  # by number of rejected cards: limits that reject the same cards count once
    for limit in range(1, len(GRADES)):
        rejected = widths > limit
        if rejected.any() and 1 - rejected.mean() >= MIN_GRADED_FRACTION:
            limits.setdefault(int(rejected.sum()), limit)
    for limit in limits.values():
        rejected = widths > limit
        # Contribution of each group to the difference of the two means.
        terms = np.where(rejected, centered / rejected.sum(), -centered / (~rejected).sum())
        by_group = np.bincount(group_of, terms, count)
        if by_group.sum() > NormalDist().inv_cdf(1 - ALPHA / len(limits)) * np.sqrt((by_group**2).sum()):
            return limit
    return len(GRADES)


def too_few_groups_message(groups: Sequence[str], coverage: float = COVERAGE) -> str:
    """Message that there are too few groups to calibrate on, without the remedy; "" if there are enough."""
    count, needed = len(set(groups)), min_groups(coverage)
    if count >= needed:
        return ""
    return (
        f"{count} groups of held-out cards are too few to calibrate on: at least {needed} are needed, about a hundred "
        "for a reliable result"
    )


def fit(
    held_out: Predictions, *, on: str, coverage: float = COVERAGE, max_interval_width: int | None = None
) -> Calibration:
    """Calibrate on the network's predictions of held-out cards. Raises TooFewCards.

    on                  description of these cards, as a phrase that follows "calibrated on"
    max_interval_width  a card with a wider interval is not graded; None: chosen on the held-out cards
    """
    if too_few := too_few_groups_message(held_out.groups, coverage):
        raise TooFewCards(f"{too_few}; label more cards")
    calibration = _fit_temperature_and_pools(held_out, coverage, on)
    if max_interval_width is None:
        calibrated = apply_calibration(held_out.probabilities, calibration)
        max_interval_width = max_graded_width(
            calibrated.widths, np.abs(calibrated.grades - held_out.truth), held_out.groups
        )
    return replace(calibration, widest=max_interval_width, measured=_cross_validated_metrics(held_out, coverage))


def with_stratum(
    calibration: Calibration, held_out: Calibration, *, sides: Sides, max_px_per_mm: float | None
) -> Calibration:
    """Add a kind of card with the calibration `held_out`, fitted on cards of this kind alone.

    Raises TooFewCards if it was fitted on fewer than 60 cards.
    """
    if held_out.cards < MIN_STRATUM_CARDS:
        raise TooFewCards(f"{held_out.cards} cards are too few for a stratum; give at least {MIN_STRATUM_CARDS}")
    stratum = Stratum(sides, max_px_per_mm, held_out.temperature, held_out.pools, held_out.cards, held_out.on)
    return replace(calibration, strata=(*calibration.strata, stratum))


def calibrate_on_validation(cards: Sequence[HasGrade], probabilities: NDArray[np.floating]) -> dict[str, Any] | None:
    """Calibrate a run on its validation cards, for its model file; None if they are too few.

    The saved epoch was selected on the same cards, so that the result is optimistic; other cards calibrate better.
    """
    predictions = Predictions.from_cards(cards, probabilities)
    return None if too_few_groups_message(predictions.groups) else fit(predictions, on=VALIDATION_CARDS).to_dict()


def _fit_temperature_and_pools(held_out: Predictions, coverage: float, on: str) -> Calibration:
    temperature = fit_temperature(held_out.truth, held_out.probabilities, held_out.groups)
    calibrated = apply_temperature(held_out.probabilities, temperature)
    pools = fit_pools(held_out.truth, calibrated, held_out.groups, coverage)
    return Calibration(temperature, coverage, pools, len(GRADES), len(held_out.truth), len(set(held_out.groups)), on)


def _cross_validated_metrics(held_out: Predictions, coverage: float) -> dict[str, Any] | None:
    """Metrics of the calibration by five-fold cross-validation over groups; None with too few groups."""
    group_of, count = group_indices(held_out.groups)
    fold_of = np.random.default_rng(0).permutation(count)[group_of] % CROSS_VALIDATION_FOLDS
    if count - -(-count // CROSS_VALIDATION_FOLDS) < min_groups(coverage):
        return None
    parts = []
    for fold in range(CROSS_VALIDATION_FOLDS):
        calibration = _fit_temperature_and_pools(held_out.select(np.flatnonzero(fold_of != fold)), coverage, "")
        parts.append(apply_calibration(held_out.probabilities[fold_of == fold], calibration))
    order = np.argsort(np.concatenate([np.flatnonzero(fold_of == fold) for fold in range(CROSS_VALIDATION_FOLDS)]))
    probabilities, low, high = (np.concatenate([part[column] for part in parts])[order] for column in range(3))
    return all_metrics(held_out, CalibratedPredictions(probabilities, low, high, coverage), calibrated=True)
