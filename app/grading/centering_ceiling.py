"""The grade that centering still allows, by axis, by side and for the card: beside the network's word, never in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from db.schema import Side
from engine.cards.rubric import ceiling, explain
from engine.measure.centering.centering import Centering

AXES = {"lr": "left / right", "tb": "top / bottom"}
NO_CEILING = "no ceiling: neither side has a border that could be measured"


@dataclass(frozen=True)
class Axis:
    """Two opposing borders of a side.

    share        larger border in percent of both, at the frame's worse end; uncertainty in points
    ceiling      the best grade that this share allows; lowest and highest at the ends of the uncertainty
    """

    name: str
    first_mm: float
    second_mm: float
    share: float
    uncertainty: float
    ceiling: int
    lowest: int
    highest: int

    @property
    def written(self) -> str:
        """As collectors write it, to a tenth: a 55.3 must not read as the 55/45 that a 10 allows."""
        return f"{self.share:.1f}/{100 - self.share:.1f}"

    @property
    def allows(self) -> str:
        """The ceiling, and what else it may be within the uncertainty."""
        if self.lowest == self.highest:
            return str(self.ceiling)
        if self.lowest < self.ceiling < self.highest:
            return f"{self.ceiling} ({self.lowest} to {self.highest})"
        other = self.lowest if self.lowest != self.ceiling else self.highest
        return f"{self.ceiling} (may be {other})"


def axes_of(side: Side, centering: Centering, on: date) -> list[Axis]:
    """Left to right and top to bottom, under the rule of a day."""
    ends = {
        "lr": (centering.left_mm, centering.right_mm, centering.lr, centering.lr_uncertainty),
        "tb": (centering.top_mm, centering.bottom_mm, centering.tb, centering.tb_uncertainty),
    }
    return [_axis(side, AXES[axis], *numbers, on) for axis, numbers in ends.items()]


def _axis(side: Side, name: str, first: float, second: float, share: float, uncertainty: float, on: date) -> Axis:
    return Axis(
        name=name,
        first_mm=float(first),
        second_mm=float(second),
        share=float(share),
        uncertainty=float(uncertainty),
        ceiling=ceiling(side, share, on),
        lowest=ceiling(side, min(share + uncertainty, 100.0), on),
        highest=ceiling(side, max(share - uncertainty, 50.0), on),
    )


def card_ceiling(worst: Mapping[Side, float | None], on: date) -> tuple[int | None, str]:
    """The best grade that both sides allow, None where neither could be measured; and the sentence that says why.

    worst  larger share in percent of each side's worse axis, None where it was not measured

    Of two sides that allow the same the front is named.
    """
    measured = {side: share for side, share in worst.items() if share is not None}
    if not measured:
        return None, NO_CEILING
    lowest = min(measured, key=lambda side: ceiling(side, measured[side], on))
    return ceiling(lowest, measured[lowest], on), explain(lowest, measured[lowest], on)


def in_words(sentence: str) -> str:
    """The rubric's sentence for the screen: a cap at 10 is none."""
    return sentence.capitalize().replace("caps this card at 10 ", "leaves a 10 open ")
