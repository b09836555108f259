"""How bad is how bad: what each grade still allows, in millimetres, and the grade that a card's truth gives.

PSA's words (fray, slight rounding, light crease) are not numbers. These are ours: one table, so that the simulator, a
rubric-only grader and a reader agree on what a 7 may have. Centering follows the rubric; the rest is judged on its
worst corner, its worst edge and its worse side. The worst attribute is the grade.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal

from engine.cards.rubric import overall_ceiling
from engine.simulate.wear.truth import Attribute, SideWear

Measure = Literal[
    "whitening_mm2",
    "rounding_mm",
    "fray_mm",
    "bend_mm",
    "whitening_mm",
    "chipping_mm",
    "missing_mm2",
    "scratch_mm",
    "print_line_mm",
    "dimple_mm2",
    "crease_mm",
    "stain_mm2",
    "ink_mm",
    "gloss_loss",
]
Worn = Literal["corners", "edges", "surface"]

# The most that each grade allows, 10 down to 2; what is more is a 1. The last column is the most that is ever drawn.
#                       10    9     8     7     6     5     4     3     2  |  1
ALLOWED: dict[Worn, dict[Measure, tuple[float, ...]]] = {
    "corners": {
        "whitening_mm2": (0.06, 0.25, 0.6, 1.2, 2.1, 3.4, 5.2, 8.0, 12.0, 20.0),
        "rounding_mm": (0.10, 0.20, 0.35, 0.55, 0.8, 1.2, 1.7, 2.4, 3.4, 5.0),
        "fray_mm": (0.0, 0.5, 1.2, 2.2, 3.4, 4.8, 6.4, 8.4, 11.0, 14.0),
        "bend_mm": (0.0, 0.0, 0.0, 1.5, 2.5, 4.0, 6.0, 9.0, 13.0, 18.0),
    },
    "edges": {
        "whitening_mm": (0.6, 2.0, 5.0, 9.0, 15.0, 23.0, 32.0, 42.0, 52.0, 60.0),
        "chipping_mm": (0.0, 0.5, 1.2, 2.2, 4.0, 6.5, 10.0, 15.0, 21.0, 30.0),
        "missing_mm2": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 12.0),
    },
    "surface": {
        "scratch_mm": (0.0, 4.0, 10.0, 22.0, 40.0, 75.0, 120.0, 180.0, 260.0, 380.0),
        "print_line_mm": (6.0, 18.0, 40.0, 75.0, 120.0, 170.0, 220.0, 280.0, 340.0, 400.0),
        "dimple_mm2": (0.0, 0.8, 2.0, 4.5, 8.0, 13.0, 20.0, 30.0, 45.0, 65.0),
        "crease_mm": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 12.0, 45.0, 110.0, 200.0),
        "stain_mm2": (0.0, 6.0, 14.0, 26.0, 45.0, 80.0, 140.0, 260.0, 450.0, 700.0),
        "ink_mm": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 6.0, 16.0, 45.0, 100.0),
        "gloss_loss": (0.01, 0.03, 0.07, 0.13, 0.2, 0.3, 0.42, 0.56, 0.7, 0.82),
    },
}


def allowed(attribute: Worn, measure: Measure, grade: int) -> float:
    """The most of a measure that a card of that grade may show; for 1, the most that is drawn."""
    return ALLOWED[attribute][measure][10 - grade]


def measure_grade(attribute: Worn, measure: Measure, value: float) -> int:
    """The best grade, 1 to 10, that this much of a measure allows. Worked: 1 mm2 of whitening is a 7."""
    return max((grade for grade in range(2, 11) if value <= allowed(attribute, measure, grade)), default=1)


def attribute_grades(front: SideWear, back: SideWear | None, graded_on: date) -> dict[Attribute, int]:
    """The grade of each attribute by itself, the worse of the two sides; centering 10 where no border shows it."""
    sides = [side for side in (front, back) if side is not None]
    shares = [side.centering.worst if side and side.centering else None for side in (front, back)]
    centering = overall_ceiling(shares[0], shares[1], graded_on)
    return {
        "centering": 10 if centering is None else centering,
        "corners": min(_worst("corners", side.corners) for side in sides),
        "edges": min(_worst("edges", side.edges) for side in sides),
        "surface": min(_worst("surface", [side.surface]) for side in sides),
    }


def grade_of(front: SideWear, back: SideWear | None, graded_on: date) -> int:
    """The grade of a card from its truth alone: that of its worst attribute."""
    return min(attribute_grades(front, back, graded_on).values())


def _worst(attribute: Worn, parts: Iterable[object]) -> int:
    return min(
        measure_grade(attribute, measure, getattr(part, measure)) for part in parts for measure in ALLOWED[attribute]
    )
