"""What a side has lost and where, one numbered list: a report and a picture name the same finding by one number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.grading.measured_side import Measured
from engine.measure.surface.surface import Find, Surface
from engine.measure.wear.corners import Corner
from engine.measure.wear.edges import EdgeWear, Nick
from engine.measure.wear.stains import Stain

# Below these a corner is as the cutter left it, as far as a picture tells.
LEAST_WHITENING_MM2 = 0.03
LEAST_ROUNDING_MM = 0.5
CORNER_REACH_MM = 2.2
AROUND_MM = 0.8
MOST_REACH_MM = 5.0
LINE_WIDTH_MM = 0.3
MOST_CIRCLED = 12


@dataclass(frozen=True)
class Finding:
    """One place where a side has lost something.

    place     "top left corner", "left edge"
    what      with its size: "0.35 mm² bare"
    at_mm     (x, y) on the card
    reach_mm  radius of a circle around it; around the middle of what is longer than a centimetre
    points_mm where it runs, for what is a line
    size_mm2  how much of the card it concerns, roughly: the order of the list
    """

    number: int
    place: str
    what: str
    at_mm: tuple[float, float]
    reach_mm: float
    size_mm2: float
    points_mm: tuple[tuple[float, float], ...] = ()

    def as_json(self, measured: Measured) -> dict[str, Any]:
        """As `grade` reports it, with its place in the upright picture too."""
        [at_px] = measured.flat.in_picture(np.array([self.at_mm]))
        return {
            "number": self.number,
            "place": self.place,
            "what": self.what,
            "at_mm": [round(value, 2) for value in self.at_mm],
            "at_px": [round(float(value), 1) for value in at_px],
            "reach_mm": round(self.reach_mm, 2),
            "points_mm": [[round(x, 2), round(y, 2)] for x, y in self.points_mm],
        }


def findings_of(measured: Measured) -> list[Finding]:
    """All findings of a side, the largest first."""
    found = [finding for corner in measured.corners if (finding := _of_corner(corner)) is not None]
    found += [_of_nick(edge, nick) for edge in measured.edges for nick in edge.nicks]
    found += [_of_stain(stain) for stain in measured.stains or ()]
    if isinstance(measured.surface, Surface):
        found += [_of_line(line) for line in measured.surface.finds]
    listed = sorted(found, key=lambda each: -each.size_mm2)
    return [replace(each, number=number) for number, each in enumerate(listed, 1)]


def _of_corner(corner: Corner) -> Finding | None:
    bare, rounded, frayed = corner.whitening_mm2 or 0.0, corner.rounding_mm or 0.0, corner.fray_mm or 0.0
    parts = [
        f"{bare:.2f} mm² bare" if bare >= LEAST_WHITENING_MM2 else "",
        f"rounded {rounded:.1f} mm more than new" if rounded >= LEAST_ROUNDING_MM else "",
        f"{frayed:.1f} mm frayed" if frayed > 0 else "",
    ]
    what = ", ".join(part for part in parts if part)
    if not what:
        return None
    return Finding(0, f"{corner.name} corner", what, corner.at_mm, CORNER_REACH_MM, bare + rounded**2)


def _of_nick(edge: EdgeWear, nick: Nick) -> Finding:
    what = f"{nick.kind} {nick.length_mm:.1f} mm long, {nick.depth_mm:.1f} mm deep"
    return Finding(0, f"{edge.name} edge", what, nick.at_mm, _reach(nick.length_mm / 2), nick.area_mm2)


def _of_stain(stain: Stain) -> Finding:
    reach = _reach(float(np.sqrt(stain.area_mm2 / np.pi)))
    return Finding(0, "border", f"stain of {stain.area_mm2:.1f} mm²", stain.at_mm, reach, stain.area_mm2)


def _of_line(line: Find) -> Finding:
    what = f"{line.kind} {line.length_mm:.1f} mm long ({line.likelihood:.0%} sure)"
    reach = _reach(float(np.linalg.norm(line.points_mm - line.at_mm, axis=1).max()))
    points = tuple((float(x), float(y)) for x, y in line.points_mm)
    return Finding(0, "surface", what, line.at_mm, reach, line.length_mm * LINE_WIDTH_MM, points)


def _reach(half_length_mm: float) -> float:
    return min(half_length_mm + AROUND_MM, MOST_REACH_MM)
