"""The four corners: area of bare stock, rounding beyond the nominal radius, length of fraying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.measure.flat_card import CORNERS
from engine.measure.wear.bare_stock import BareStock
from engine.measure.wear.rounding import Rounding
from engine.measure.wear.unrolled_rim import UnrolledRim

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Fraying: depth of missing stock, distance from the corner's middle, and the shortest length that is reported.
MIN_FRAY_DEPTH_MM = 0.06
FRAY_REACH_MM = 4.0
MIN_FRAY_MM = 0.3
# Position between the colors of card and background from which stock is missing, and the depth searched.
MISSING_FRACTION = 0.6
MAX_FRAY_DEPTH_MM = 1.0
# A patch that extends along an edge is part of the corner up to this multiple of its shorter arm, and this much more.
ARM_RATIO = 1.5
ARM_MARGIN_MM = 0.6


@dataclass(frozen=True)
class CornerWear:
    """One corner. Fields are None if not measured, with the `reason`.

    whitening_mm2  area of bare stock
    radius_mm      of its arc; rounding_mm is the excess over the nominal radius of this type of card
    fray_mm        length of ragged rim
    at_mm          (x, y) of its middle on the card
    contrast       RGB distance between border and paper there; None if not measured
    from_ground    RGB distance between paper and what is seen outside the card there; None if not measured
    """

    name: str
    at_mm: tuple[float, float]
    whitening_mm2: float | None
    radius_mm: float | None
    rounding_mm: float | None
    fray_mm: float | None
    reason: str = ""
    contrast: float | None = None
    from_ground: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Fields that `grade` prints."""
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


def corner_columns(rim: UnrolledRim, stock: BareStock) -> list[np.ndarray]:
    """(columns,) bool for each corner: columns whose bare stock counts to it.

    They are the corner's zone and a bare patch across its middle, as far as the patch's shorter arm allows.
    """
    bare = np.asarray((stock.bare_fraction > 0).any(axis=0))
    return [_columns(rim, bare, corner) for corner in range(4)]


def _columns(rim: UnrolledRim, bare: np.ndarray, corner: int) -> np.ndarray:
    zone = rim.corner == corner
    middle = rim.corner_middles[corner]
    connected = bare | zone
    stops = np.nonzero(~connected)[0]
    before = middle - int(stops[stops < middle].max(initial=-1)) - 1
    after = int(stops[stops > middle].min(initial=len(bare))) - middle - 1
    longest = int(min(before, after) * ARM_RATIO + ARM_MARGIN_MM / rim.pixel_mm)
    chosen = zone.copy()
    chosen[max(0, middle - min(before, longest)) : middle + min(after, longest) + 1] = True
    return chosen


def measure_corners(
    rim: UnrolledRim,
    stock: BareStock,
    roundings: list[Rounding],
    columns: list[np.ndarray],
    nominal_radius_mm: float,
) -> list[CornerWear]:
    """Measure the four corners, clockwise from the top left.

    columns            from `corner_columns`
    nominal_radius_mm  the radius that this type of card is cut to
    """
    return [_corner(rim, stock, roundings[corner], columns[corner], corner, nominal_radius_mm) for corner in range(4)]


def _corner(
    rim: UnrolledRim,
    stock: BareStock,
    rounding: Rounding,
    columns: np.ndarray,
    corner: int,
    nominal_radius_mm: float,
) -> CornerWear:
    readable = bool(stock.readable[corner] and stock.readable[corner - 1])
    radius = rounding.radius_mm
    reasons = []
    if not readable:
        reasons.append("whitening cannot be seen on a border as white as the paper")
    if radius is None:
        reasons.append("the corner does not stand out; lay the card on a background of another color")
    return CornerWear(
        name=CORNERS[corner],
        at_mm=rim.point_mm(rim.corner_middles[corner], 0.0),
        whitening_mm2=float((stock.bare_fraction * rim.area_mm2)[:, columns].sum()) if readable else None,
        radius_mm=radius,
        rounding_mm=None if radius is None else max(radius - nominal_radius_mm, 0.0),
        fray_mm=None if radius is None else _fray_length(rim, rounding, corner),
        reason="; ".join(reasons),
        contrast=float(stock.contrast[columns].mean()) if readable else None,
        from_ground=float(stock.from_ground[columns].mean()) if readable else None,
    )


def _fray_length(rim: UnrolledRim, rounding: Rounding, corner: int) -> float:
    """Length of rim near a corner on which the background is visible inside the fitted arc."""
    near = np.abs(np.arange(rim.rgb.shape[1]) - rim.corner_middles[corner]) * rim.pixel_mm < FRAY_REACH_MM
    inside = (rim.depth_mm > 0) & (rim.depth_mm < MAX_FRAY_DEPTH_MM)
    card_color = np.median(rim.rgb[(rim.depth_mm > 0.8) & (rim.depth_mm < 1.6)][:, near], axis=(0, 1))
    axis = rounding.background - card_color
    fraction = (rim.rgb[inside][:, near] - card_color) @ axis / max(float(axis @ axis), 1.0)
    missing = (fraction > MISSING_FRACTION).cumprod(axis=0).sum(axis=0) * rim.pixel_mm
    length = float((missing > MIN_FRAY_DEPTH_MM).sum() * rim.pixel_mm)
    return length if length >= MIN_FRAY_MM else 0.0
