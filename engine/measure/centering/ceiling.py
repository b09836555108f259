"""Centering ceiling: the best grade that the borders allow, per axis and card, and the one that binds the grade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from engine.cards.grades import GRADES
from engine.cards.rubric import Side, centering_ceiling, explain
from engine.measure.centering.centering import MeasuredCentering, NoCentering

AXES = {"lr": "left / right", "tb": "top / bottom"}
NO_CEILING = "the borders could not be measured, so centering sets no limit here"


@dataclass(frozen=True)
class Axis:
    """Two opposing borders of a side.

    larger_percent  larger border in percent of both, at the frame's worse end; `uncertainty` in percentage points
    best_grade      the best grade that this centering allows; `lowest_grade` and `highest_grade` at the ends of the
                    uncertainty
    """

    name: str
    first_mm: float
    second_mm: float
    larger_percent: float
    uncertainty: float
    best_grade: int
    lowest_grade: int
    highest_grade: int

    @property
    def ratio_text(self) -> str:
        """The centering as collectors write it, to a tenth: 55.3 must not read as the 55/45 that a 10 allows."""
        return f"{self.larger_percent:.1f}/{100 - self.larger_percent:.1f}"

    @property
    def grade_text(self) -> str:
        """The best grade, with the other grades that are possible within the uncertainty."""
        if self.lowest_grade == self.highest_grade:
            return str(self.best_grade)
        if self.lowest_grade < self.best_grade < self.highest_grade:
            return f"{self.best_grade} ({self.lowest_grade} to {self.highest_grade})"
        alternative = self.lowest_grade if self.lowest_grade != self.best_grade else self.highest_grade
        return f"{self.best_grade} (may be {alternative})"


def axes_of_side(side: Side, centering: MeasuredCentering, on: date) -> list[Axis]:
    """Both axes of a side, left / right first, under the rule in force on a day."""
    measurements = {
        "lr": (centering.left_mm, centering.right_mm, centering.lr, centering.lr_uncertainty),
        "tb": (centering.top_mm, centering.bottom_mm, centering.tb, centering.tb_uncertainty),
    }
    return [_axis(side, AXES[axis], *values, on) for axis, values in measurements.items()]


def _axis(side: Side, name: str, first: float, second: float, percent: float, uncertainty: float, on: date) -> Axis:
    return Axis(
        name=name,
        first_mm=float(first),
        second_mm=float(second),
        larger_percent=float(percent),
        uncertainty=float(uncertainty),
        best_grade=centering_ceiling(side, percent, on),
        lowest_grade=centering_ceiling(side, min(percent + uncertainty, 100.0), on),
        highest_grade=centering_ceiling(side, max(percent - uncertainty, 50.0), on),
    )


def worse_axes(centerings: Mapping[Side, MeasuredCentering | NoCentering]) -> dict[Side, float]:
    """Larger border in percent of the worse axis of each side whose borders are trusted; of all sides if none is."""
    measured = {side: centering for side, centering in centerings.items() if isinstance(centering, MeasuredCentering)}
    trusted = {side: centering for side, centering in measured.items() if centering.is_trusted}
    return {side: float(centering.worse_axis) for side, centering in (trusted or measured).items()}


def card_ceiling(worst: Mapping[Side, float | None], on: date) -> tuple[int | None, str]:
    """The best grade that both sides allow, or None if neither was measured, and a sentence with the reason.

    worst  larger border in percent of both, on each side's worse axis; None if it was not measured

    If both sides allow the same grade, the sentence names the front.
    """
    measured = {side: percent for side, percent in worst.items() if percent is not None}
    if not measured:
        return None, NO_CEILING
    limiting_side = min(measured, key=lambda side: centering_ceiling(side, measured[side], on))
    percent = measured[limiting_side]
    return centering_ceiling(limiting_side, percent, on), explain(limiting_side, percent, on)


@dataclass(frozen=True)
class AppliedCeiling:
    """A ceiling that binds a prediction, and the probability that it moved from better grades to those in reach."""

    grade: int
    probability_moved: float


@dataclass(frozen=True)
class SureCeiling:
    """The best grade that remains in reach, 1 to 9, and a clause with the side and the rule that rule out better ones.

    by_hand  a person laid the lines that it is based on
    """

    grade: int
    reason: str
    by_hand: bool = False


def sure_ceiling(
    centerings: Mapping[Side, MeasuredCentering | NoCentering], whole_pictures: Mapping[Side, bool], on: date
) -> SureCeiling | None:
    """The ceiling even if each border is as favorable as its uncertainty allows; None if it rules out no grade.

    whole_pictures  True for a side whose card was taken to fill the picture, so that its edges were not seen

    Only sides are considered whose lines were laid by a person, or whose edges were seen and whose borders agree.
    """
    least: dict[Side, float] = {}
    for side, centering in centerings.items():
        if not isinstance(centering, MeasuredCentering):
            continue
        if centering.by_hand or (centering.borders_agree and not whole_pictures[side]):
            least[side] = max(centering.lr - centering.lr_uncertainty, centering.tb - centering.tb_uncertainty, 50.0)
    if not least:
        return None
    limiting_side = min(least, key=lambda side: centering_ceiling(side, least[side], on))
    percent = least[limiting_side]
    grade = centering_ceiling(limiting_side, percent, on)
    if grade == GRADES[-1]:
        return None
    by_hand = isinstance(centering := centerings[limiting_side], MeasuredCentering) and centering.by_hand
    return SureCeiling(grade, explain(limiting_side, percent, on, or_worse=True), by_hand)


def contradiction_reason(ceiling: SureCeiling, probability: float) -> str:
    """A clause on a ceiling that does not bind, because the grades in reach have only this probability, 0 to 1."""
    return (
        f"{ceiling.reason}, but the model gives grades up to {ceiling.grade} only {probability:.0%}, so that one of "
        "them is wrong and the grade is not limited; check the lines of the centering"
    )


def moved_probability_reason(ceiling: SureCeiling, probability: float) -> str:
    """A clause on what rules out the better grades, and on their probability, 0 to 1."""
    better = "a 10" if ceiling.grade == GRADES[-2] else "better grades"
    return f"{ceiling.reason}, so the {probability:.0%} for {better} went to the grades in reach"


def as_sentence(clause: str) -> str:
    """The clause with a capital letter and a full stop."""
    return f"{clause[:1].upper()}{clause[1:].rstrip('.')}."
