"""The four edges between the corners: length of whitening and chips, and the worst nick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.measure.flat_card import SIDES
from engine.measure.wear.bare_stock import BareStock
from engine.measure.wear.unrolled_rim import UnrolledRim

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Depth of bare stock from which a column is bare, and the gap up to which bare columns are one nick.
MIN_DEPTH_MM = 0.03
MAX_GAP_MM = 0.5
MIN_LENGTH_MM = 0.25
# A nick up to this length and from this depth on is a chip.
MAX_CHIP_LENGTH_MM = 2.6
MIN_CHIP_DEPTH_MM = 0.25


@dataclass(frozen=True)
class Nick:
    """A stretch of an edge that has lost its print.

    kind      "chip" if it is short and deep, else "whitening"
    at_mm     (x, y) on the card at its deepest column
    contrast  RGB distance between border and paper there
    from_ground  RGB distance between paper and what is seen outside the card there
    """

    kind: str
    at_mm: tuple[float, float]
    length_mm: float
    depth_mm: float
    area_mm2: float
    contrast: float
    from_ground: float

    def as_json(self) -> dict[str, Any]:
        """Fields that `grade` prints."""
        return {
            "kind": self.kind,
            "at_mm": [round(value, 2) for value in self.at_mm],
            "length_mm": round(self.length_mm, 2),
            "depth_mm": round(self.depth_mm, 3),
            "area_mm2": round(self.area_mm2, 3),
        }


@dataclass(frozen=True)
class EdgeWear:
    """One edge. Amounts are None if not measured, with the `reason`.

    damaged_fraction  fraction of the edge's length that has lost its print, 0 to 1
    """

    name: str
    whitening_mm: float | None
    chipping_mm: float | None
    area_mm2: float | None
    damaged_fraction: float | None
    nicks: tuple[Nick, ...]
    reason: str = ""

    @property
    def worst(self) -> Nick | None:
        """The nick with the largest area; None for an edge without nicks."""
        return max(self.nicks, key=lambda nick: nick.area_mm2, default=None)

    def as_json(self) -> dict[str, Any]:
        """Fields that `grade` prints."""
        amounts = {
            "whitening_mm": self.whitening_mm,
            "chipping_mm": self.chipping_mm,
            "area_mm2": self.area_mm2,
            "share": self.damaged_fraction,
        }
        return {
            "name": self.name,
            **{name: None if value is None else round(value, 3) for name, value in amounts.items()},
            "worst": None if self.worst is None else self.worst.as_json(),
            "nicks": [nick.as_json() for nick in self.nicks],
            "reason": self.reason,
        }


def measure_edges(rim: UnrolledRim, stock: BareStock, corner_columns: list[np.ndarray]) -> list[EdgeWear]:
    """Measure the four edges, top first.

    corner_columns  columns that count to corners, from `corners.corner_columns`
    """
    of_corners = np.any(corner_columns, axis=0)
    return [_edge(rim, stock, side, (rim.side == side) & (rim.corner < 0) & ~of_corners) for side in range(4)]


def _edge(rim: UnrolledRim, stock: BareStock, side: int, columns: np.ndarray) -> EdgeWear:
    if not stock.readable[side]:
        reason = "whitening cannot be seen on a border as white as the paper"
        return EdgeWear(SIDES[side], None, None, None, None, (), reason)
    nicks = find_nicks(rim, stock, columns)
    lengths = {kind: sum(nick.length_mm for nick in nicks if nick.kind == kind) for kind in ("whitening", "chip")}
    length = float(columns.sum()) * rim.pixel_mm
    return EdgeWear(
        name=SIDES[side],
        whitening_mm=lengths["whitening"],
        chipping_mm=lengths["chip"],
        area_mm2=sum(nick.area_mm2 for nick in nicks),
        damaged_fraction=min(sum(lengths.values()) / length, 1.0) if length > 0 else None,
        nicks=tuple(nicks),
    )


def find_nicks(rim: UnrolledRim, stock: BareStock, columns: np.ndarray) -> list[Nick]:
    """Find the bare stretches among some columns; those closer than 0.5 mm are merged."""
    depth = np.where(columns, (stock.bare_fraction * (rim.area_mm2 > 0)).sum(axis=0) * rim.pixel_mm, 0)
    bare = np.nonzero(depth > MIN_DEPTH_MM)[0]
    if not len(bare):
        return []
    parts = np.split(bare, np.nonzero(np.diff(bare) * rim.pixel_mm > MAX_GAP_MM)[0] + 1)
    nicks = []
    for part in parts:
        first, last = int(part[0]), int(part[-1])
        length = (last - first + 1) * rim.pixel_mm
        if length >= MIN_LENGTH_MM:
            stretch = slice(first, last + 1)
            deepest = first + int(depth[stretch].argmax())
            max_depth = float(depth[deepest])
            kind = "chip" if length <= MAX_CHIP_LENGTH_MM and max_depth >= MIN_CHIP_DEPTH_MM else "whitening"
            area = float((stock.bare_fraction * rim.area_mm2)[:, stretch].sum())
            contrasts = float(stock.contrast[stretch].mean()), float(stock.from_ground[stretch].mean())
            nicks.append(Nick(kind, rim.point_mm(deepest, max_depth / 2), length, max_depth, area, *contrasts))
    return nicks
