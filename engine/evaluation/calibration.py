"""A model's probabilities and doubt set right on cards that it has not learned from. NumPy only.

One temperature, for confidences that come true; intervals by `engine.evaluation.conformal`, for a range that holds the grade as
often as it says; and the widest interval with which a card is still graded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.cards.grades import GRADES
from engine.errors import BadInput
from engine.evaluation.bootstrap import numbered
from engine.evaluation.conformal import Pool, fit_pools, least_groups, spans
from engine.evaluation.intervals import COVERAGE, narrowest_intervals
from engine.evaluation.predictions import Graded, Predictions
from engine.evaluation.uncertainty import SMALLEST, Said, published

VALIDATION = "the validation cards by which its epoch was chosen"
# A dozen cards that were all graded right would ask for no doubt at all: no temperature beyond these is believed.
COLDEST, HOTTEST = 0.25, 8.0
HALVINGS = 60
# At most one held-out card in ten is left ungraded for its width.
LEAST_GRADED = 0.9
BY_CHANCE = 0.025
FOLDS = 5


class TooFewCards(BadInput):
    """There are fewer held-out groups of cards than the intervals need."""


@dataclass(frozen=True)
class Calibration:
    """What was learned from held-out cards; plain values, so that it stands in a model file.

    temperature    the log-probabilities are divided by it; above 1 the network was too sure
    coverage       how often the intervals hold the true grade, 0 to 1
    pools          the score that an interval allows each grade
    widest         a card whose interval spans more grades is not graded; 10: none is left out
    cards, groups  how many it was learned from
    on             which cards these were, as a phrase
    measured       what `engine.evaluation.uncertainty.published` says of these same cards, each judged by what the others taught;
                   None where they are too few for that
    """

    temperature: float
    coverage: float
    pools: tuple[Pool, ...]
    widest: int
    cards: int
    groups: int
    on: str
    measured: dict[str, Any] | None = None

    def as_plain(self) -> dict[str, Any]:
        """The same as dicts, lists, numbers and text."""
        return {**asdict(self), "pools": [asdict(pool) for pool in self.pools]}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> Calibration:
        """What `as_plain` gave. Raises KeyError, TypeError, ValueError for other values.

        Its figures, which only a report reads, are not looked into.
        """
        read = cls(**{**values, "pools": tuple(Pool(**pool) for pool in values["pools"])})
        if not (0 < read.temperature < np.inf and 0 < read.coverage < 1 and read.widest in range(1, len(GRADES) + 1)):
            raise ValueError("a temperature, a coverage or a widest interval that no calibration has")
        lows, highs = [pool.low for pool in read.pools], [pool.high for pool in read.pools]
        if [*lows, GRADES[-1] + 1] != [1, *(high + 1 for high in highs)] or not all(map(_may_be, read.pools)):
            raise ValueError("pools that are not the grades 1 to 10 without gaps, or allow them no score")
        return read


def _may_be(pool: Pool) -> bool:
    return isinstance(pool.low, int) and isinstance(pool.high, int) and pool.low <= pool.high and pool.threshold >= 0


def said_of(probabilities: NDArray[np.floating], calibration: Calibration | None) -> Said:
    """What is told of N cards for which the network says `probabilities`, (N, 10).

    Without a calibration its own word, and the narrowest run of grades that holds 90 % of it.
    """
    if calibration is None:
        own = probabilities.astype(np.float64)
        return Said(own, *narrowest_intervals(own, COVERAGE), COVERAGE)
    warm = tempered(probabilities, calibration.temperature)
    return Said(warm, *spans(warm, calibration.pools), calibration.coverage)


def tempered(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """(N, 10) probabilities -> the same with log-probabilities divided by the temperature, each row summing to 1.

    The order of the grades stays. Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    Worked: (.8, .2) at temperature 2: (2/3, 1/3).
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def best_temperature(truth: NDArray[np.integer], probabilities: NDArray[np.floating], groups: Sequence[str]) -> float:
    """The temperature, 0.25 to 8, at which the true grades are likeliest; every group counts as one.

    truth (N,) 1 to 10, probabilities (N, 10), groups N names
    In b = 1 / temperature the mean negative log-likelihood is convex (a log-sum-exp less a line), and its slope is the
    mean log-probability under the tempered distribution less that of the truth: halving finds where it is nought.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    of_truth = logs[np.arange(len(truth)), truth - 1]
    number, _ = numbered(groups)
    weight = 1 / np.bincount(number)[number]

    def slope(inverse: float) -> float:
        return float(weight @ ((tempered(probabilities, 1 / inverse) * logs).sum(axis=1) - of_truth))

    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)


def widest_that_pays(widths: NDArray[np.integer], errors: NDArray[np.number], groups: Sequence[str]) -> int:
    """The narrowest limit that still grades nine cards in ten and leaves out cards that are worse; else 10, no limit.

    widths, errors  (N,) the interval's width and the distance in grades of each held-out card
    Worse: their mean error lies above that of the others by more than chance does in one case of forty, groups being
    what is drawn, and the errors spreading as they would were both alike: three cards can never show it. Several limits
    are looked at, so each has its part of that chance (Bonferroni). Worked: one limit asks for 1.96 standard errors,
    four for 2.50.
    """
    number, count = numbered(groups)
    off = errors - errors.mean()
    looked_at: dict[int, int] = {}  # by how many cards it leaves out: limits that leave out the same are one
    for limit in range(1, len(GRADES)):
        out = widths > limit
        if out.any() and 1 - out.mean() >= LEAST_GRADED:
            looked_at.setdefault(int(out.sum()), limit)
    for limit in looked_at.values():
        out = widths > limit
        # What each group adds to the difference of the two means.
        adds = np.bincount(number, np.where(out, off / out.sum(), -off / (~out).sum()), count)
        if adds.sum() > NormalDist().inv_cdf(1 - BY_CHANCE / len(looked_at)) * np.sqrt((adds**2).sum()):
            return limit
    return len(GRADES)


def shortage(groups: Sequence[str], coverage: float = COVERAGE) -> str:
    """Why cards of these groups are too few to calibrate on, as a sentence without its end; "" where they do."""
    count, needed = len(set(groups)), least_groups(coverage)
    if count >= needed:
        return ""
    return (
        f"{count} groups of held-out cards are too few to calibrate on: {needed} are wanted, and some hundred to be "
        "worth much"
    )


def fit(held_out: Predictions, *, on: str, coverage: float = COVERAGE, widest: int | None = None) -> Calibration:
    """Calibrate on what the network said of cards that it has not learned from. Raises TooFewCards.

    on      which cards these are, as a phrase that follows "calibrated on"
    widest  the widest interval with which a card is still graded; None: what the held-out cards recommend
    """
    if too_few := shortage(held_out.groups, coverage):
        raise TooFewCards(f"{too_few}; label more")
    calibration = _learned(held_out, coverage, on)
    if widest is None:
        said = said_of(held_out.probabilities, calibration)
        widest = widest_that_pays(said.widths, np.abs(said.grades - held_out.truth), held_out.groups)
    return replace(calibration, widest=widest, measured=_measured_crosswise(held_out, coverage))


def of_validation(cards: Sequence[Graded], probabilities: NDArray[np.floating]) -> dict[str, Any] | None:
    """What a run's model file carries: the calibration on its validation cards, or None where they are too few.

    The saved epoch was chosen by these same cards, which flatters it: other cards calibrate better.
    """
    predictions = Predictions.of(cards, probabilities)
    return None if shortage(predictions.groups) else fit(predictions, on=VALIDATION).as_plain()


def _learned(held_out: Predictions, coverage: float, on: str) -> Calibration:
    temperature = best_temperature(held_out.truth, held_out.probabilities, held_out.groups)
    warm = tempered(held_out.probabilities, temperature)
    pools = fit_pools(held_out.truth, warm, held_out.groups, coverage)
    return Calibration(temperature, coverage, pools, len(GRADES), len(held_out.truth), len(set(held_out.groups)), on)


def _measured_crosswise(held_out: Predictions, coverage: float) -> dict[str, Any] | None:
    """How a calibration like this does on cards that it was not learned from: each fifth of the groups judged by what
    the other four teach. None where those four are too few.
    """
    number, count = numbered(held_out.groups)
    fold = np.random.default_rng(0).permutation(count)[number] % FOLDS
    if count - -(-count // FOLDS) < least_groups(coverage):
        return None
    parts = []
    for own in range(FOLDS):
        taught = _learned(held_out.chosen(np.flatnonzero(fold != own)), coverage, "")
        parts.append(said_of(held_out.probabilities[fold == own], taught))
    place = np.argsort(np.concatenate([np.flatnonzero(fold == own) for own in range(FOLDS)]))
    probabilities, low, high = (np.concatenate([part[at] for part in parts])[place] for at in range(3))
    return published(held_out, Said(probabilities, low, high, coverage), calibrated=True)
