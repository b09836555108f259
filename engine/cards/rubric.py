"""Centering ceilings: the best grade that a card's borders allow, by side and date.

The centering of an axis is the larger of two opposing borders in percent of their sum: 52 means 52/48.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from engine.errors import BadInput

Side = Literal["front", "back"]

# Largest border in percent allowed by each grade, from 10 down to 1.
FRONT_LIMITS = (55.0, 60.0, 65.0, 70.0, 80.0, 85.0, 85.0, 90.0, 90.0, 90.0)
BACK_LIMITS = (75.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0)
# Until early 2025 fronts of grades 7 and better were allowed five points more; the exact day was never announced.
RULE_CHANGE_DATE = date(2025, 2, 1)
OLD_RULE_LEEWAY = 5.0
MIN_LEEWAY_GRADE = 7


class BadCentering(BadInput):
    """A centering that two borders cannot have; the message gives the value and the range."""


def max_border_percent(side: Side, grade: int, graded_on: date) -> float:
    """Largest border in percent that a grade (1 to 10) allows on either axis of a side.

    Worked: front of a 10: 55 today, 60 on a certificate from 2024.
    """
    if side == "back":
        return BACK_LIMITS[10 - grade]
    leeway = OLD_RULE_LEEWAY if graded_on < RULE_CHANGE_DATE and grade >= MIN_LEEWAY_GRADE else 0.0
    return FRONT_LIMITS[10 - grade] + leeway


def centering_ceiling(side: Side, percent: float, graded_on: date) -> int:
    """Best grade, 1 to 10, that the centering of one side allows.

    percent  larger border of the worse axis, 50 (centered) to 100 (one border is missing); above 90 the ceiling is 1,
             and a grader may write OC or MC instead
    raises   BadCentering outside of that range

    Worked: a front of 57/43 allows a 9 under the rule of 2025, and a 10 under the rule before.
    """
    if not 50.0 <= percent <= 100.0:
        raise BadCentering(f"a larger border of {percent:g} % is impossible; give 50 (centered) to 100 (no border)")
    return max((grade for grade in range(1, 11) if percent <= max_border_percent(side, grade, graded_on)), default=1)


def overall_ceiling(front: float | None, back: float | None, graded_on: date) -> int | None:
    """Best grade that both sides allow; None if neither was measured.

    front, back  larger border in percent of each side's worse axis; None if the side was not measured
    """
    percents: dict[Side, float | None] = {"front": front, "back": back}
    ceilings = [
        centering_ceiling(side, percent, graded_on) for side, percent in percents.items() if percent is not None
    ]
    return min(ceilings, default=None)


def explain(side: Side, percent: float, graded_on: date, *, or_worse: bool = False) -> str:
    """Explanation in one sentence: "front centering is 57/43; PSA allows at most a 9 (rule since 2025)".

    or_worse  the percentage is the least that the measurement allows: "57/43 or worse"
    """
    rule = "rule since 2025" if graded_on >= RULE_CHANGE_DATE else "rule before 2025"
    larger = round(percent, 1)  # 55.3 must not be printed as 55/45, which a 10 allows
    smaller = round(100 - larger, 1)
    grade = centering_ceiling(side, percent, graded_on)
    allowed = {10: "a 10", 8: "at most an 8"}.get(grade, f"at most a {grade}")
    ratio = f"{larger:g}/{smaller:g}{' or worse' if or_worse else ''}"
    return f"{side} centering is {ratio}; PSA allows {allowed} ({rule})"


def format_centering(first_mm: float, second_mm: float) -> str:
    """Centering as collectors write it, the larger border first: 2.6 and 2.4 mm are "52/48"."""
    larger = round(larger_border_percent(first_mm, second_mm))
    return f"{larger}/{100 - larger}"


def larger_border_percent(first_mm: float, second_mm: float) -> float:
    """Larger of two opposing borders in percent of their sum; a border that is cut off (negative) counts as zero.

    Raises BadCentering if both borders are missing.
    """
    first, second = max(first_mm, 0.0), max(second_mm, 0.0)
    if first + second <= 0:
        raise BadCentering("two opposing borders are both missing; a card without borders has no centering")
    return 100.0 * (max(first, second) / (first + second))  # in this order a missing border is exactly 100
