"""How much wear a card of a grade has: one amount for each measure and place, so that the worst attribute decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.random import Generator

from engine.cards.rubric import Side, ceiling, limit
from engine.simulate.wear.rim import MIRRORED_CORNER, MIRRORED_EDGE
from engine.simulate.wear.severity import ALLOWED, Measure, Worn, allowed
from engine.simulate.wear.truth import Attribute, SideName

SIDES: tuple[SideName, SideName] = ("front", "back")
THROUGH: frozenset[Measure] = frozenset({"rounding_mm", "fray_mm", "bend_mm", "missing_mm2", "crease_mm"})
PLACES: dict[Worn, int] = {"corners": 4, "edges": 4, "surface": 1}
TURNED_OVER: dict[Worn, tuple[int, ...]] = {"corners": MIRRORED_CORNER, "edges": MIRRORED_EDGE, "surface": (0,)}
# How often each measure is the one that decides its attribute's grade, and how often it is there at all otherwise.
DECIDES: dict[Measure, float] = {
    **{"whitening_mm2": 0.45, "rounding_mm": 0.25, "fray_mm": 0.2, "bend_mm": 0.1},
    **{"whitening_mm": 0.55, "chipping_mm": 0.35, "missing_mm2": 0.1},
    **{"scratch_mm": 0.3, "print_line_mm": 0.08, "dimple_mm2": 0.1, "crease_mm": 0.5, "stain_mm2": 0.12},
    **{"ink_mm": 0.06, "gloss_loss": 0.14},
}
PRESENT: dict[Measure, float] = {
    **{"whitening_mm2": 0.9, "rounding_mm": 0.8, "fray_mm": 0.6, "bend_mm": 0.25},
    **{"whitening_mm": 0.9, "chipping_mm": 0.5, "missing_mm2": 0.15},
    **{"scratch_mm": 0.7, "print_line_mm": 0.25, "dimple_mm2": 0.3, "crease_mm": 0.5, "stain_mm2": 0.25},
    **{"ink_mm": 0.12, "gloss_loss": 0.6},
}
# Smaller amounts than these show in no picture; they are not drawn and not recorded.
LEAST: dict[Measure, float] = {
    **{"whitening_mm2": 0.015, "rounding_mm": 0.03, "fray_mm": 0.3, "bend_mm": 0.8},
    **{"whitening_mm": 0.3, "chipping_mm": 0.25, "missing_mm2": 0.3},
    **{"scratch_mm": 1.0, "print_line_mm": 3.0, "dimple_mm2": 0.15, "crease_mm": 3.0, "stain_mm2": 1.0},
    **{"ink_mm": 2.0, "gloss_loss": 0.004},
}
FRONT_DECIDES = 0.6
ATTRIBUTES: tuple[Attribute, ...] = ("centering", "corners", "edges", "surface")
# How often each attribute is what holds a card at its grade: a good card by its centering, a poor one by its wear.
HELD_BY = {"good": (0.3, 0.3, 0.2, 0.2), "poor": (0.08, 0.37, 0.2, 0.35)}
# By how many grades the other attributes are better: what wears one part of a card down wears all of it.
BETTER = {"good": (0.35, 0.3, 0.2, 0.1, 0.05), "poor": (0.5, 0.3, 0.15, 0.05, 0.0)}
# Past 100 the cut runs inside the frame, and the neighbour on the sheet shows at the other side.
MISCUT_SHARE = 120.0


@dataclass
class Amounts:
    """What a card is to show: values[side][measure][place], places clockwise from the side's own top left."""

    values: dict[SideName, dict[Measure, np.ndarray]] = field(default_factory=dict)

    def of(self, side: SideName, measure: Measure) -> np.ndarray:
        """The amounts of a measure on a side: four corners, four edges, or one surface."""
        return self.values[side][measure]


def draw_attributes(random: Generator, grade: int, centering_grades: set[int]) -> dict[Attribute, int]:
    """A grade for each attribute, the worst of which is `grade`.

    centering_grades  those that this card's centering can have; the rubric skips some (85/15 is a 5, never a 4)
    """
    state = "good" if grade >= 7 else "poor"
    weights = np.array(HELD_BY[state])
    if grade not in centering_grades:
        weights[0] = 0
    holds = ATTRIBUTES[int(random.choice(4, p=weights / weights.sum()))]
    grades: dict[Attribute, int] = {}
    for attribute in ATTRIBUTES:
        better = 0 if attribute == holds else int(random.choice(5, p=BETTER[state]))
        grades[attribute] = min(10, grade + better)
    while grades["centering"] not in centering_grades:
        grades["centering"] += 1
    return grades


def possible_centering(sides: list[Side], graded_on: date) -> set[int]:
    """The grades that the rubric can give to a card whose borders show on those sides."""
    tops = {ceiling(side, limit(side, grade, graded_on), graded_on) for side in sides for grade in range(1, 11)}
    return {10} | tops | ({1} if "front" in sides else set())


def draw_shares(random: Generator, sides: list[Side], grade: int, graded_on: date) -> dict[Side, tuple[float, float]]:
    """For each side with borders the larger share in percent across and down, so that centering gives that grade."""
    able = [side for side in sides if grade in possible_centering([side], graded_on)]
    decides = able[0] if random.random() < FRONT_DECIDES or len(able) == 1 else able[-1]
    shares: dict[Side, tuple[float, float]] = {}
    for side in sides:
        most = limit(side, grade, graded_on) if grade > 1 else limit(side, 2, graded_on)
        least = limit(side, grade + 1, graded_on) if grade < 10 else 50.0
        worst = 50 + (min(most, 80.0) - 50) * float(random.beta(1.3, 2.2))
        if side == decides:
            low, high = (least, most) if grade > 1 else (most + 1, MISCUT_SHARE)
            worst = low + (high - low) * float(random.uniform(0.1, 0.92))
        other = 50 + (min(worst, 80.0) - 50) * float(random.random())
        shares[side] = (worst, other) if random.random() < 0.6 else (other, worst)
    return shares


def draw_amounts(random: Generator, grades: dict[Attribute, int]) -> Amounts:
    """Amounts for each worn attribute, so that truth gives exactly its grade."""
    amounts = Amounts({side: {} for side in SIDES})
    for attribute, measures in ALLOWED.items():
        grade = grades[attribute]
        decides = _deciding(random, attribute, grade)
        for measure in measures:
            for side, values in _spread(random, attribute, measure, grade, decides=measure == decides).items():
                amounts.values[side][measure] = values
    return amounts


def _deciding(random: Generator, attribute: Worn, grade: int) -> Measure | None:
    """The measure that holds the attribute at its grade: one whose allowance grows at that grade. None for a 10."""
    if grade == 10:
        return None
    able = [m for m in ALLOWED[attribute] if allowed(attribute, m, grade) > allowed(attribute, m, grade + 1)]
    weights = np.array([DECIDES[measure] for measure in able])
    return able[int(random.choice(len(able), p=weights / weights.sum()))]


def _spread(
    random: Generator, attribute: Worn, measure: Measure, grade: int, *, decides: bool
) -> dict[SideName, np.ndarray]:
    """One measure's amounts on both sides: the worst place has the drawn amount, others less or nothing."""
    places, most = PLACES[attribute], allowed(attribute, measure, grade)
    front, back = np.zeros(places), np.zeros(places)
    if decides or (most > 0 and random.random() < PRESENT[measure]):
        first, second = (front, back) if random.random() < FRONT_DECIDES else (back, front)
        worst = _worst(random, attribute, measure, grade, decides=decides)
        first[:] = _lesser(random, worst, places, grade)
        second[:] = _lesser(random, worst * float(random.uniform(0.3, 0.95)), places, grade)
        first[_worst_place(random, measure, worst, places)] = worst
        first[first < LEAST[measure]], second[second < LEAST[measure]] = 0, 0
    if measure in THROUGH:
        turned = list(TURNED_OVER[attribute])
        front = front if front.max() >= back.max() else back[turned]
        back = front[turned]
    return {"front": front, "back": back}


def _worst(random: Generator, attribute: Worn, measure: Measure, grade: int, *, decides: bool) -> float:
    most = allowed(attribute, measure, grade)
    if not decides:
        return most * float(random.beta(1.2, 2.2)) * 0.97
    least = max(allowed(attribute, measure, grade + 1), LEAST[measure])
    return least + (most - least) * float(random.uniform(0.15, 0.95))


def _lesser(random: Generator, worst: float, places: int, grade: int) -> np.ndarray:
    """Amounts at the other places: the better the card, the fewer of them are touched."""
    touched = random.random(places) < np.clip((11.5 - grade) / 6, 0.15, 1.0)
    return worst * random.uniform(0.1, 0.9, places) * touched


def _worst_place(random: Generator, measure: Measure, worst: float, places: int) -> int:
    """Any place; but long whitening needs one of the long edges, 1 and 3."""
    if measure == "whitening_mm" and worst > 30:
        return int(random.choice([1, 3]))
    return int(random.integers(places))
