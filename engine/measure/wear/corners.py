"""The four corners: how much stock is bare, how round they are beyond their norm, how far they fray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.measure.flat_card import CORNERS
from engine.measure.wear.bare_stock import Stock
from engine.measure.wear.rounding import Rounding
from engine.measure.wear.unrolled_rim import Rim

FRAY_MM = 0.06
FRAY_NEAR_MM = 4.0
LEAST_FRAY_MM = 0.3
LIKE_GROUND = 0.6
FRAY_DEPTH_MM = 1.0
# A patch that also runs on along an edge counts to the corner as far as on its shorter arm, and this much more.
LONGER_ARM = 1.5
MORE_MM = 0.6


@dataclass(frozen=True)
class Corner:
    """One corner. None where it could not be measured, and `reason` says why.

    whitening_mm2  bare stock
    radius_mm      of its arc; rounding_mm is how much that is above the norm of this type of card
    fray_mm        length of rim that is ragged
    at_mm          (x, y) of its middle on the card
    """

    name: str
    at_mm: tuple[float, float]
    whitening_mm2: float | None
    radius_mm: float | None
    rounding_mm: float | None
    fray_mm: float | None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """As `grade` reports it."""
        return {
            "name": self.name,
            "at_mm": [round(value, 2) for value in self.at_mm],
            **{
                name: None if value is None else round(value, 3)
                for name in ("whitening_mm2", "radius_mm", "rounding_mm", "fray_mm")
                for value in (getattr(self, name),)
            },
            "reason": self.reason,
        }


def corner_columns(rim: Rim, stock: Stock) -> list[np.ndarray]:
    """(columns,) bool for each corner: where bare stock counts to it.

    Its own zone, and beyond that a bare patch that goes over its middle, as far as its shorter arm reaches.
    """
    bare = np.asarray((stock.cover > 0).any(axis=0))
    return [_columns(rim, bare, corner) for corner in range(4)]


def _columns(rim: Rim, bare: np.ndarray, corner: int) -> np.ndarray:
    zone = rim.corner == corner
    middle = rim.middles[corner]
    bridged = bare | zone
    stops = np.nonzero(~bridged)[0]
    before = middle - int(stops[stops < middle].max(initial=-1)) - 1
    after = int(stops[stops > middle].min(initial=len(bare))) - middle - 1
    longest = int(min(before, after) * LONGER_ARM + MORE_MM / rim.step_mm)
    chosen = zone.copy()
    chosen[max(0, middle - min(before, longest)) : middle + min(after, longest) + 1] = True
    return chosen


def measure_corners(
    rim: Rim, stock: Stock, roundings: list[Rounding], columns: list[np.ndarray], norm_mm: float
) -> list[Corner]:
    """The four corners clockwise from the top left.

    columns  as `corner_columns` gives them
    norm_mm  the radius that this type of card is cut to
    """
    return [_corner(rim, stock, roundings[corner], columns[corner], corner, norm_mm) for corner in range(4)]


def _corner(rim: Rim, stock: Stock, rounding: Rounding, columns: np.ndarray, corner: int, norm_mm: float) -> Corner:
    readable = bool(stock.readable[corner] and stock.readable[corner - 1])
    radius = rounding.radius_mm
    reasons = []
    if not readable:
        reasons.append("bare stock does not show on a border of its own colour")
    if radius is None:
        reasons.append("the corner does not stand out from the ground; lay the card on another colour")
    return Corner(
        name=CORNERS[corner],
        at_mm=rim.place(rim.middles[corner], 0.0),
        whitening_mm2=float((stock.cover * rim.area_mm2)[:, columns].sum()) if readable else None,
        radius_mm=radius,
        rounding_mm=None if radius is None else max(radius - norm_mm, 0.0),
        fray_mm=None if radius is None else _fray(rim, rounding, corner),
        reason="; ".join(reasons),
    )


def _fray(rim: Rim, rounding: Rounding, corner: int) -> float:
    """Length of rim near a corner where the ground shows within the arc that fits it."""
    near = np.abs(np.arange(rim.rgb.shape[1]) - rim.middles[corner]) * rim.step_mm < FRAY_NEAR_MM
    inside = (rim.depth_mm > 0) & (rim.depth_mm < FRAY_DEPTH_MM)
    card = np.median(rim.rgb[(rim.depth_mm > 0.8) & (rim.depth_mm < 1.6)][:, near], axis=(0, 1))
    way = rounding.ground - card
    share = (rim.rgb[inside][:, near] - card) @ way / max(float(way @ way), 1.0)
    missing = (share > LIKE_GROUND).cumprod(axis=0).sum(axis=0) * rim.step_mm
    length = float((missing > FRAY_MM).sum() * rim.step_mm)
    return length if length >= LEAST_FRAY_MM else 0.0
