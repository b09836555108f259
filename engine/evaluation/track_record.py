"""Track record: predicted grades against those that came back from the grading company, with intervals. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, NamedTuple

Z_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


class Comparison(NamedTuple):
    """A card's prediction, made before its grade came back, and that grade as a training class, 1 to 10."""

    predicted: int
    low: int
    high: int
    returned: int


@dataclass(frozen=True)
class Proportion:
    """`count` of `n` cards, as a fraction with its 95 % interval; the fractions are None for n = 0."""

    count: int
    n: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class TrackRecord:
    """Cards predicted exactly and within one grade, and cards whose range contained the grade.

    mean_error  mean of predicted minus returned grade: above 0, predictions are too high; None without cards
    """

    exact: Proportion
    within_one: Proportion
    ranges_held: Proportion
    mean_error: float | None

    def as_json(self) -> dict[str, Any]:
        """The record as plain values."""
        return asdict(self)


def proportion(count: int, n: int) -> Proportion:
    """A proportion with Wilson's score interval (1927): 8 of 10 are .8, within .490 and .943.

    Unlike the normal approximation, it stays within 0 and 1 and is usable for few cards.
    """
    if n == 0:
        return Proportion(count, n, None, None, None)
    share, weight = count / n, Z_95**2 / n
    center = (share + weight / 2) / (1 + weight)
    margin = Z_95 / (1 + weight) * sqrt(share * (1 - share) / n + weight / (4 * n))
    return Proportion(count, n, share, max(0.0, center - margin), min(1.0, center + margin))


def track_record(comparisons: Sequence[Comparison]) -> TrackRecord:
    """The track record of some cards."""
    n = len(comparisons)
    errors = [card.predicted - card.returned for card in comparisons]
    return TrackRecord(
        exact=proportion(sum(error == 0 for error in errors), n),
        within_one=proportion(sum(abs(error) <= 1 for error in errors), n),
        ranges_held=proportion(sum(card.low <= card.returned <= card.high for card in comparisons), n),
        mean_error=sum(errors) / n if n else None,
    )
