"""The four edges between the corners: whitening and chips by length, and the worst spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.measure.flat_card import SIDES
from engine.measure.wear.bare_stock import Stock
from engine.measure.wear.unrolled_rim import Rim

LEAST_DEPTH_MM = 0.03
JOINED_MM = 0.5
SHORTEST_MM = 0.25
CHIP_LONGEST_MM = 2.6
CHIP_DEPTH_MM = 0.25


@dataclass(frozen=True)
class Nick:
    """A stretch of an edge that has lost its print.

    kind      "chip" where it is short and deep, else "whitening"
    at_mm     (x, y) on the card where it is deepest
    """

    kind: str
    at_mm: tuple[float, float]
    length_mm: float
    depth_mm: float
    area_mm2: float

    def as_json(self) -> dict[str, Any]:
        """As `grade` reports it."""
        return {
            "kind": self.kind,
            "at_mm": [round(value, 2) for value in self.at_mm],
            "length_mm": round(self.length_mm, 2),
            "depth_mm": round(self.depth_mm, 3),
            "area_mm2": round(self.area_mm2, 3),
        }


@dataclass(frozen=True)
class EdgeWear:
    """One edge. Lengths are None where it could not be measured, and `reason` says why.

    worst  the nick that is largest; None for an edge without any
    share  of the edge's length that has lost its print, 0 to 1
    """

    name: str
    whitening_mm: float | None
    chipping_mm: float | None
    area_mm2: float | None
    share: float | None
    nicks: tuple[Nick, ...]
    reason: str = ""

    @property
    def worst(self) -> Nick | None:
        """The nick with the largest area."""
        return max(self.nicks, key=lambda nick: nick.area_mm2, default=None)

    def as_json(self) -> dict[str, Any]:
        """As `grade` reports it."""
        return {
            "name": self.name,
            **{
                name: None if value is None else round(value, 3)
                for name in ("whitening_mm", "chipping_mm", "area_mm2", "share")
                for value in (getattr(self, name),)
            },
            "worst": None if self.worst is None else self.worst.as_json(),
            "nicks": [nick.as_json() for nick in self.nicks],
            "reason": self.reason,
        }


def measure_edges(rim: Rim, stock: Stock, of_corners: list[np.ndarray]) -> list[EdgeWear]:
    """The four edges, top first.

    of_corners  columns that count to corners, as `corners.corner_columns` gives them
    """
    taken = np.any(of_corners, axis=0)
    return [_edge(rim, stock, side, (rim.side == side) & (rim.corner < 0) & ~taken) for side in range(4)]


def _edge(rim: Rim, stock: Stock, side: int, columns: np.ndarray) -> EdgeWear:
    if not stock.readable[side]:
        reason = "bare stock does not show on a border of its own colour"
        return EdgeWear(SIDES[side], None, None, None, None, (), reason)
    nicks = nicks_along(rim, stock, columns)
    lengths = {kind: sum(nick.length_mm for nick in nicks if nick.kind == kind) for kind in ("whitening", "chip")}
    length = float(columns.sum()) * rim.step_mm
    return EdgeWear(
        name=SIDES[side],
        whitening_mm=lengths["whitening"],
        chipping_mm=lengths["chip"],
        area_mm2=sum(nick.area_mm2 for nick in nicks),
        share=min(sum(lengths.values()) / length, 1.0) if length > 0 else None,
        nicks=tuple(nicks),
    )


def nicks_along(rim: Rim, stock: Stock, columns: np.ndarray) -> list[Nick]:
    """The bare stretches among some columns, those closer than half a millimetre taken together."""
    depth = np.where(columns, (stock.cover * (rim.area_mm2 > 0)).sum(axis=0) * rim.step_mm, 0)
    bare = np.nonzero(depth > LEAST_DEPTH_MM)[0]
    if not len(bare):
        return []
    parts = np.split(bare, np.nonzero(np.diff(bare) * rim.step_mm > JOINED_MM)[0] + 1)
    nicks = []
    for part in parts:
        first, last = int(part[0]), int(part[-1])
        length = (last - first + 1) * rim.step_mm
        if length >= SHORTEST_MM:
            stretch = slice(first, last + 1)
            deepest = first + int(depth[stretch].argmax())
            deep = float(depth[deepest])
            kind = "chip" if length <= CHIP_LONGEST_MM and deep >= CHIP_DEPTH_MM else "whitening"
            area = float((stock.cover * rim.area_mm2)[:, stretch].sum())
            nicks.append(Nick(kind, rim.place(deepest, deep / 2), length, deep, area))
    return nicks
