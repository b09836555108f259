"""Grades of the attributes of a card from its ground truth, by the rubric. The worst is the grade of the card.

Centering follows the dated rubric, wear the limits of `engine.cards.wear_limits`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from engine.cards.rubric import overall_ceiling
from engine.cards.wear_limits import MAX_AMOUNTS, WornAttribute, measure_grade
from engine.simulate.wear.truth import Attribute, SideWear


def attribute_grades(front: SideWear, back: SideWear | None, graded_on: date) -> dict[Attribute, int]:
    """Grade of each attribute, the worse of the two sides; centering is 10 for a card without borders."""
    sides = [side for side in (front, back) if side is not None]
    percents = [side.centering.worst if side and side.centering else None for side in (front, back)]
    centering = overall_ceiling(percents[0], percents[1], graded_on)
    return {
        "centering": 10 if centering is None else centering,
        "corners": min(_worst_grade("corners", side.corners) for side in sides),
        "edges": min(_worst_grade("edges", side.edges) for side in sides),
        "surface": min(_worst_grade("surface", [side.surface]) for side in sides),
    }


def _worst_grade(attribute: WornAttribute, parts: Iterable[object]) -> int:
    return min(
        measure_grade(attribute, measure, getattr(part, measure))
        for part in parts
        for measure in MAX_AMOUNTS[attribute]
    )
