"""Worth of submitting a card for grading: expected gain, its range, the break-even chance of a 10, and advice.

All amounts are in the user's currency. The gain of a grade compares selling the graded card with selling it ungraded:

    gain(g) = value(g) * (1 - selling_fee) - grading_fee - shipping - raw * (1 - selling_fee)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.cards.grades import GRADES
from engine.errors import BadInput

Advice = Literal["submit", "borderline", "keep"]
# A factor that the advice may hang on, and the change of it against which the advice is tested.
Factor = Literal["grade", "graded values", "raw value"]
GRADE_STEP = 0.5  # grades that the mean is lowered by
VALUE_STEP = 0.1  # fraction that a value is changed by
MAX_AMOUNT = 1e9


class BadAmount(BadInput):
    """A value or cost that cannot be used."""


@dataclass(frozen=True)
class SubmissionCosts:
    """Costs of one card: grading fee and its share of the shipping both ways, and the fraction that a sale costs.

    Raises BadAmount if a cost is negative or not finite, or the selling fee is not below 1.
    """

    grading_fee: float = 0.0
    shipping: float = 0.0
    selling_fee: float = 0.0

    def __post_init__(self) -> None:
        check_amount(self.grading_fee, "grading fee")
        check_amount(self.shipping, "shipping")
        if not 0 <= self.selling_fee < 1:
            raise BadAmount(f"the selling fee of {100 * self.selling_fee:g} % is not usable; give 0 to 99 %")


@dataclass(frozen=True)
class CardValues:
    """Sale price of a card ungraded, and by grade for one grade or more. Raises BadAmount, also without any grade."""

    raw: float
    graded: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_amount(self.raw, "value of the ungraded card")
        if not self.graded:
            raise BadAmount("no value of a graded card is given; give that of a 10, or of another grade")
        for grade, value in self.graded.items():
            if grade not in GRADES:
                raise BadAmount(f"{grade} is not a grade; give values for grades 1 to 10")
            check_amount(value, f"value of a {grade}")

    def of_all_grades(self) -> NDArray[np.float64]:
        """Value of each grade, (10,): given, interpolated between two given grades, or estimated beyond them.

        Above the highest given grade it is that grade's value. Below the lowest it is that grade's value or the raw
        value, whichever is less.
        """
        given = sorted(self.graded)
        values = [self.graded[grade] for grade in given]
        lowest = values[0] if given[0] == GRADES[0] else min(values[0], self.raw)
        return np.interp(GRADES, given, values, left=lowest)


@dataclass(frozen=True)
class SubmissionWorth:
    """Worth of submitting a card.

    gains             (10,) gain of each grade
    expected_gain     mean of the gains, weighted by the probabilities of the grades
    low, high         lowest and highest gain within the range of grades
    chance_of_gain    probability that the gain is above 0
    break_even_p10    probability of a 10 at which the expected gain is 0, the other grades keeping their proportions;
                      0 if the card pays without any 10, None if no probability is enough or all of it is on the 10
    changed_gains     expected gain after one change for the worse of each factor, the worst first
    """

    gains: tuple[float, ...]
    expected_gain: float
    low: float
    high: float
    chance_of_gain: float
    p10: float
    break_even_p10: float | None
    changed_gains: Mapping[Factor, float]

    @property
    def advice(self) -> Advice:
        """Keep without an expected gain; borderline if one change for the worse takes it away; else submit."""
        if self.expected_gain <= 0:
            return "keep"
        return "borderline" if min(self.changed_gains.values()) <= 0 else "submit"

    @property
    def hangs_on(self) -> Factor:
        """The factor whose change for the worse costs most."""
        return next(iter(self.changed_gains))


def check_amount(amount: float, name: str) -> None:
    """Raise BadAmount if an amount is negative, not finite or absurdly large; `name` is the thing that has it."""
    if not (isfinite(amount) and 0 <= amount <= MAX_AMOUNT):
        raise BadAmount(f"the {name}, {amount:g}, is not usable; give an amount from 0 to {MAX_AMOUNT:,.0f}")


def submission_worth(
    probabilities: Sequence[float], interval: tuple[int, int], values: CardValues, costs: SubmissionCosts
) -> SubmissionWorth:
    """Compute the worth of submitting a card.

    probabilities  of grades 1 to 10, sum 1
    interval       lowest and highest grade of the prediction interval

    Chances of .3, .5 and .2 for a 10, 9 and 8 that sell for 300, 80 and 45, ungraded for 40, at a fee of 25, shipping
    of 5 and a selling fee of 10 %: gains of 204, 6 and -25.5, expected 59.1, break-even at a chance of 1/69.
    """
    chances = np.asarray(probabilities, np.float64)
    gains = _gains(values, costs)
    expected = float(chances @ gains)
    lower_values = replace(values, graded={grade: (1 - VALUE_STEP) * value for grade, value in values.graded.items()})
    changed: dict[Factor, float] = {
        "grade": float(_lowered(chances) @ gains),
        "graded values": float(chances @ _gains(lower_values, costs)),
        "raw value": float(chances @ _gains(replace(values, raw=(1 + VALUE_STEP) * values.raw), costs)),
    }
    low, high = interval
    within = gains[low - 1 : high]
    return SubmissionWorth(
        gains=tuple(gains.tolist()),
        expected_gain=expected,
        low=float(within.min()),
        high=float(within.max()),
        chance_of_gain=float(chances[gains > 0].sum()),
        p10=float(chances[-1]),
        break_even_p10=_break_even_p10(chances, gains),
        changed_gains=dict(sorted(changed.items(), key=lambda item: item[1])),
    )


def _gains(values: CardValues, costs: SubmissionCosts) -> NDArray[np.float64]:
    kept = 1 - costs.selling_fee
    return kept * (values.of_all_grades() - values.raw) - (costs.grading_fee + costs.shipping)


def _lowered(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities with GRADE_STEP of each grade moved to the grade below; grade 1 keeps its own."""
    moved = GRADE_STEP * chances
    moved[0] = 0
    return chances - moved + np.append(moved[1:], 0)


def _break_even_p10(chances: NDArray[np.float64], gains: NDArray[np.float64]) -> float | None:
    others = float(chances[:-1].sum())
    if others <= 0:
        return None
    without_10 = float(chances[:-1] @ gains[:-1]) / others
    if without_10 >= 0:
        return 0.0
    return None if gains[-1] <= 0 else -without_10 / (float(gains[-1]) - without_10)
