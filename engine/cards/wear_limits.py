"""Wear limits: the amount of wear that each grade allows, in millimeters.

PSA describes wear in words (fray, slight rounding, light crease); this table turns them into numbers, shared by the
simulator, the sub-grades and the grades that a finding costs. Corners and edges are graded by the worst corner and
edge, the surface by the worse side.
"""

from __future__ import annotations

from typing import Literal

WearMeasure = Literal[
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
WornAttribute = Literal["corners", "edges", "surface"]

# Maximum that each grade allows, 10 down to 2; a larger amount is a 1. The last column is the maximum ever drawn.
#                       10    9     8     7     6     5     4     3     2  |  1
MAX_AMOUNTS: dict[WornAttribute, dict[WearMeasure, tuple[float, ...]]] = {
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


def max_amount(attribute: WornAttribute, measure: WearMeasure, grade: int) -> float:
    """Maximum amount of a measure for a card of this grade; for grade 1, the maximum ever drawn."""
    return MAX_AMOUNTS[attribute][measure][10 - grade]


def measure_grade(attribute: WornAttribute, measure: WearMeasure, value: float) -> int:
    """Best grade, 1 to 10, that allows this amount of a measure. Worked: 1 mm2 of corner whitening is a 7."""
    return max((grade for grade in range(2, 11) if value <= max_amount(attribute, measure, grade)), default=1)
