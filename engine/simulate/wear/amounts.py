"""Amounts of wear for a grade: one per measure and position, so that the worst attribute sets the card's grade."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.random import Generator

from engine.cards.rubric import Side, centering_ceiling, max_border_percent
from engine.cards.wear_limits import MAX_AMOUNTS, WearMeasure, WornAttribute, max_amount
from engine.simulate.wear.rim import MIRRORED_CORNER, MIRRORED_EDGE
from engine.simulate.wear.truth import Attribute, SideName

SIDE_NAMES: tuple[SideName, SideName] = ("front", "back")
THROUGH_MEASURES: frozenset[WearMeasure] = frozenset({"rounding_mm", "fray_mm", "bend_mm", "missing_mm2", "crease_mm"})
POSITIONS: dict[WornAttribute, int] = {"corners": 4, "edges": 4, "surface": 1}
MIRRORED_POSITIONS: dict[WornAttribute, tuple[int, ...]] = {
    "corners": MIRRORED_CORNER,
    "edges": MIRRORED_EDGE,
    "surface": (0,),
}
# Weight of each measure as the one that sets its attribute's grade; below, its probability of occurring otherwise.
DECIDING_WEIGHTS: dict[WearMeasure, float] = {
    **{"whitening_mm2": 0.45, "rounding_mm": 0.25, "fray_mm": 0.2, "bend_mm": 0.1},
    **{"whitening_mm": 0.55, "chipping_mm": 0.35, "missing_mm2": 0.1},
    **{"scratch_mm": 0.3, "print_line_mm": 0.08, "dimple_mm2": 0.1, "crease_mm": 0.5, "stain_mm2": 0.12},
    **{"ink_mm": 0.06, "gloss_loss": 0.14},
}
PRESENCE_PROBABILITIES: dict[WearMeasure, float] = {
    **{"whitening_mm2": 0.9, "rounding_mm": 0.8, "fray_mm": 0.6, "bend_mm": 0.25},
    **{"whitening_mm": 0.9, "chipping_mm": 0.5, "missing_mm2": 0.15},
    **{"scratch_mm": 0.7, "print_line_mm": 0.25, "dimple_mm2": 0.3, "crease_mm": 0.5, "stain_mm2": 0.25},
    **{"ink_mm": 0.12, "gloss_loss": 0.6},
}
# Smaller amounts are invisible in a picture; they are neither painted nor recorded.
MIN_AMOUNTS: dict[WearMeasure, float] = {
    **{"whitening_mm2": 0.015, "rounding_mm": 0.03, "fray_mm": 0.3, "bend_mm": 0.8},
    **{"whitening_mm": 0.3, "chipping_mm": 0.25, "missing_mm2": 0.3},
    **{"scratch_mm": 1.0, "print_line_mm": 3.0, "dimple_mm2": 0.15, "crease_mm": 3.0, "stain_mm2": 1.0},
    **{"ink_mm": 2.0, "gloss_loss": 0.004},
}
FRONT_DECIDES_PROBABILITY = 0.6
ATTRIBUTES: tuple[Attribute, ...] = ("centering", "corners", "edges", "surface")
# Weight of each attribute as the one that limits a card's grade: centering for good cards, wear for poor ones.
LIMITING_WEIGHTS = {"good": (0.3, 0.3, 0.2, 0.2), "poor": (0.08, 0.37, 0.2, 0.35)}
# Probabilities that another attribute is 0 to 4 grades better: handling wears all parts of a card alike.
BETTER_BY_PROBABILITIES = {"good": (0.35, 0.3, 0.2, 0.1, 0.05), "poor": (0.5, 0.3, 0.15, 0.05, 0.0)}
# Above 100 the cut runs inside the frame, and the neighboring card on the sheet is visible on the other side.
MAX_MISCUT_PERCENT = 120.0


@dataclass
class WearAmounts:
    """Wear of a card: values[side][measure][position], positions clockwise from the side's top left."""

    values: dict[SideName, dict[WearMeasure, np.ndarray]] = field(default_factory=dict)

    def get(self, side: SideName, measure: WearMeasure) -> np.ndarray:
        """Amounts of a measure on a side: four corners, four edges, or one surface."""
        return self.values[side][measure]


def draw_attribute_grades(random: Generator, grade: int, centering_grades: set[int]) -> dict[Attribute, int]:
    """Draw a grade for each attribute; the worst is `grade`.

    centering_grades  grades that this card's centering can have; the rubric skips some (85/15 is a 5, never a 4)
    """
    condition = "good" if grade >= 7 else "poor"
    weights = np.array(LIMITING_WEIGHTS[condition])
    if grade not in centering_grades:
        weights[0] = 0
    limiting = ATTRIBUTES[int(random.choice(4, p=weights / weights.sum()))]
    grades: dict[Attribute, int] = {}
    for attribute in ATTRIBUTES:
        steps = 0 if attribute == limiting else int(random.choice(5, p=BETTER_BY_PROBABILITIES[condition]))
        grades[attribute] = min(10, grade + steps)
    while grades["centering"] not in centering_grades:
        grades["centering"] += 1
    return grades


def possible_centering_grades(sides: list[Side], graded_on: date) -> set[int]:
    """Grades that the rubric can give to the centering of a card with borders on these sides."""
    ceilings = {
        centering_ceiling(side, max_border_percent(side, grade, graded_on), graded_on)
        for side in sides
        for grade in range(1, 11)
    }
    return {10} | ceilings | ({1} if "front" in sides else set())


def draw_centering_percents(
    random: Generator, sides: list[Side], grade: int, graded_on: date
) -> dict[Side, tuple[float, float]]:
    """Draw each side's larger border in percent, (left-right, top-bottom), so that centering has this grade."""
    candidates = [side for side in sides if grade in possible_centering_grades([side], graded_on)]
    deciding_side = (
        candidates[0] if random.random() < FRONT_DECIDES_PROBABILITY or len(candidates) == 1 else candidates[-1]
    )
    percents: dict[Side, tuple[float, float]] = {}
    for side in sides:
        grade_limit = (
            max_border_percent(side, grade, graded_on) if grade > 1 else max_border_percent(side, 2, graded_on)
        )
        better_limit = max_border_percent(side, grade + 1, graded_on) if grade < 10 else 50.0
        worst = 50 + (min(grade_limit, 80.0) - 50) * float(random.beta(1.3, 2.2))
        if side == deciding_side:
            low, high = (better_limit, grade_limit) if grade > 1 else (grade_limit + 1, MAX_MISCUT_PERCENT)
            worst = low + (high - low) * float(random.uniform(0.1, 0.92))
        lesser = 50 + (min(worst, 80.0) - 50) * float(random.random())
        percents[side] = (worst, lesser) if random.random() < 0.6 else (lesser, worst)
    return percents


def draw_amounts(random: Generator, grades: dict[Attribute, int]) -> WearAmounts:
    """Draw amounts for corners, edges and surface, so that each attribute has exactly its grade."""
    amounts = WearAmounts({side: {} for side in SIDE_NAMES})
    for attribute, measures in MAX_AMOUNTS.items():
        grade = grades[attribute]
        deciding_measure = _deciding_measure(random, attribute, grade)
        for measure in measures:
            for side, values in _measure_amounts(
                random, attribute, measure, grade, is_deciding=measure == deciding_measure
            ).items():
                amounts.values[side][measure] = values
    return amounts


def _deciding_measure(random: Generator, attribute: WornAttribute, grade: int) -> WearMeasure | None:
    """Draw the measure that limits the attribute: one allowed more here than one grade higher; None for a 10."""
    if grade == 10:
        return None
    candidates = [
        m for m in MAX_AMOUNTS[attribute] if max_amount(attribute, m, grade) > max_amount(attribute, m, grade + 1)
    ]
    weights = np.array([DECIDING_WEIGHTS[measure] for measure in candidates])
    return candidates[int(random.choice(len(candidates), p=weights / weights.sum()))]


def _measure_amounts(
    random: Generator, attribute: WornAttribute, measure: WearMeasure, grade: int, *, is_deciding: bool
) -> dict[SideName, np.ndarray]:
    """Amounts of one measure on both sides: the worst position has the drawn amount, the rest less or none."""
    count, limit = POSITIONS[attribute], max_amount(attribute, measure, grade)
    front, back = np.zeros(count), np.zeros(count)
    if is_deciding or (limit > 0 and random.random() < PRESENCE_PROBABILITIES[measure]):
        first, second = (front, back) if random.random() < FRONT_DECIDES_PROBABILITY else (back, front)
        worst_amount = _worst_amount(random, attribute, measure, grade, is_deciding=is_deciding)
        first[:] = _lesser_amounts(random, worst_amount, count, grade)
        second[:] = _lesser_amounts(random, worst_amount * float(random.uniform(0.3, 0.95)), count, grade)
        first[_worst_position(random, measure, worst_amount, count)] = worst_amount
        first[first < MIN_AMOUNTS[measure]], second[second < MIN_AMOUNTS[measure]] = 0, 0
    if measure in THROUGH_MEASURES:
        mirrored = list(MIRRORED_POSITIONS[attribute])
        front = front if front.max() >= back.max() else back[mirrored]
        back = front[mirrored]
    return {"front": front, "back": back}


def _worst_amount(
    random: Generator, attribute: WornAttribute, measure: WearMeasure, grade: int, *, is_deciding: bool
) -> float:
    upper = max_amount(attribute, measure, grade)
    if not is_deciding:
        return upper * float(random.beta(1.2, 2.2)) * 0.97
    lower = max(max_amount(attribute, measure, grade + 1), MIN_AMOUNTS[measure])
    return lower + (upper - lower) * float(random.uniform(0.15, 0.95))


def _lesser_amounts(random: Generator, worst: float, count: int, grade: int) -> np.ndarray:
    """Amounts at the remaining positions: the better the card, the fewer of them are worn."""
    is_worn = random.random(count) < np.clip((11.5 - grade) / 6, 0.15, 1.0)
    return worst * random.uniform(0.1, 0.9, count) * is_worn


def _worst_position(random: Generator, measure: WearMeasure, worst: float, count: int) -> int:
    """Draw the worst position; long whitening fits only the long edges, 1 and 3."""
    if measure == "whitening_mm" and worst > 30:
        return int(random.choice([1, 3]))
    return int(random.integers(count))
