"""Strata of a calibration: thresholds by what is given of a card, its sides and the resolution of its pictures.

Prediction intervals keep their coverage only for cards like the held-out ones. A card of which one side is missing, or
whose pictures are small, is another kind of card, with thresholds of its own if enough graded cards of that kind were
held out. A kind without them borrows, grade by grade, the highest threshold of all strata. NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from engine.cards.grades import GRADES
from engine.evaluation.conformal import Pool, Pools

Sides = Literal["pair", "front", "back"]
# Fewer held-out cards of a kind vary by more than .08 in coverage (two standard deviations at .9).
MIN_STRATUM_CARDS = 60


class Given(NamedTuple):
    """Sides and pictures given of a card.

    sides      both, or the only one
    px_per_mm  resolution of the coarsest picture; infinite if it is unknown
    in_domain  False if a picture is unlike those that the model was checked on, or may hide wear
    """

    sides: Sides = "pair"
    px_per_mm: float = float("inf")
    in_domain: bool = True


EVERYTHING = Given()


@dataclass(frozen=True)
class Stratum:
    """Temperature and thresholds of one kind of card.

    sides          what is given
    max_px_per_mm  resolution up to which the stratum applies; None for any
    temperature    divisor of the log-probabilities
    pools          score threshold of each range of grades
    cards          number of held-out cards
    on             description of these cards, as a phrase
    """

    sides: Sides
    max_px_per_mm: float | None
    temperature: float
    pools: Pools
    cards: int
    on: str

    def contains(self, given: Given) -> bool:
        """True if the card is of this kind."""
        return given.in_domain and given.sides == self.sides and given.px_per_mm <= self.limit_px_per_mm

    @property
    def limit_px_per_mm(self) -> float:
        """Resolution up to which the stratum applies, infinite for any."""
        return float("inf") if self.max_px_per_mm is None else self.max_px_per_mm


def stratum_of(strata: Sequence[Stratum], given: Given) -> Stratum | None:
    """The narrowest stratum of a card, that of the coarsest pictures; None without one."""
    return min(
        (stratum for stratum in strata if stratum.contains(given)),
        key=lambda stratum: stratum.limit_px_per_mm,
        default=None,
    )


def widest_pools(pool_sets: Sequence[Sequence[Pool]]) -> tuple[Pool, ...]:
    """The highest threshold of each grade over several sets of pools, one pool per grade."""
    by_grade = [_pools_by_grade(pools) for pools in pool_sets]
    highest = [
        max((pools[grade] for pools in by_grade), key=lambda pool: pool.threshold) for grade in range(len(GRADES))
    ]
    return tuple(
        Pool(grade, grade, pool.cards, pool.groups, pool.threshold) for grade, pool in zip(GRADES, highest, strict=True)
    )


def _pools_by_grade(pools: Sequence[Pool]) -> list[Pool]:
    return [pool for pool in pools for _ in range(pool.low, pool.high + 1)]


def sides_given(has_front: bool, has_back: bool) -> Sides:
    """Name of the sides of a card with at least one."""
    return "pair" if has_front and has_back else "front" if has_front else "back"
