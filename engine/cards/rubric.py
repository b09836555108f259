"""Centering ceilings by side, grade and date: the best grade that a card's borders still allow.

Centering of an axis is the larger border over the sum of the two opposing borders, in percent: 52 stands for 52/48.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from engine.errors import BadInput

Side = Literal["front", "back"]

# Largest share in percent that each grade from 10 down to 1 allows. Written this way because it is read this way.
FRONT = (55.0, 60.0, 65.0, 70.0, 80.0, 85.0, 85.0, 90.0, 90.0, 90.0)
BACK = (75.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0)
# Until early 2025 the fronts of grades 7 and better were given five points; the day itself was never announced.
TIGHTENED_ON = date(2025, 2, 1)
LEEWAY = 5.0
LEEWAY_DOWN_TO = 7


class BadShare(BadInput):
    """A centering that no two borders can have; the message gives the value and the range."""


def limit(side: Side, grade: int, graded_on: date) -> float:
    """The largest share in percent that a side of a card of that grade (1 to 10) may have on either axis.

    Worked: front of a 10: 55 today, 60 on a certificate from 2024.
    """
    if side == "back":
        return BACK[10 - grade]
    leeway = LEEWAY if graded_on < TIGHTENED_ON and grade >= LEEWAY_DOWN_TO else 0.0
    return FRONT[10 - grade] + leeway


def ceiling(side: Side, share: float, graded_on: date) -> int:
    """The best grade, 1 to 10, that a side allows whose worse axis has this larger share in percent.

    share   50 (centred) to 100 (one border is missing); more than 90 leaves 1, where a grader may also write OC or MC
    raises  BadShare outside of that range

    Worked: a front of 57/43 is held at 9 by the rule of 2025, and at 10 by the one before.
    """
    if not 50.0 <= share <= 100.0:
        raise BadShare(f"a larger border's share of {share:g} % cannot be; give 50 (centred) to 100 (no border)")
    return max((grade for grade in range(1, 11) if share <= limit(side, grade, graded_on)), default=1)


def overall_ceiling(front: float | None, back: float | None, graded_on: date) -> int | None:
    """The best grade that both sides allow; None where neither has a border that can be measured.

    front, back  larger share in percent of each side's worse axis, or None where that side was not measured
    """
    measured: dict[Side, float | None] = {"front": front, "back": back}
    ceilings = [ceiling(side, share, graded_on) for side, share in measured.items() if share is not None]
    return min(ceilings, default=None)


def explain(side: Side, share: float, graded_on: date) -> str:
    """One sentence: "front 57/43 caps this card at 9 under the 2025 rule"."""
    rule = "2025 rule" if graded_on >= TIGHTENED_ON else "rule before 2025"
    larger = round(share, 1)  # 55.3 must not read as a 55/45 that a 10 allows
    smaller = round(100 - larger, 1)
    return f"{side} {larger:g}/{smaller:g} caps this card at {ceiling(side, share, graded_on)} under the {rule}"


def written(first_mm: float, second_mm: float) -> str:
    """Two opposing borders as collectors write them, the larger first: 2.6 and 2.4 mm are "52/48"."""
    larger = round(larger_share(first_mm, second_mm))
    return f"{larger}/{100 - larger}"


def larger_share(first_mm: float, second_mm: float) -> float:
    """The larger of two opposing borders in percent of both; a border that the cut took away counts as none.

    Raises BadShare where there is no border at all.
    """
    first, second = max(first_mm, 0.0), max(second_mm, 0.0)
    if first + second <= 0:
        raise BadShare("neither of two opposing borders is there; a card without borders has no centering")
    return 100.0 * (max(first, second) / (first + second))  # in this order a missing border is exactly 100
