"""Findings: one numbered list of the wear on a side, shared by the report, the page and the annotated picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.measure.side.measure_side import SideMeasurements
from engine.measure.surface.surface import Surface, SurfaceDefect
from engine.measure.wear.corners import CornerWear
from engine.measure.wear.edges import EdgeWear, Nick
from engine.measure.wear.stains import Stain

# Below these, a picture cannot distinguish a worn corner from a freshly cut one.
MIN_WHITENING_MM2 = 0.03
MIN_ROUNDING_MM = 0.5
CORNER_CIRCLE_RADIUS_MM = 2.2
CIRCLE_MARGIN_MM = 0.8
MAX_CIRCLE_RADIUS_MM = 5.0
LINE_WIDTH_MM = 0.3
MAX_CIRCLES = 12
# A line with a lower likelihood is called possible.
CERTAIN_LIKELIHOOD = 0.7


@dataclass(frozen=True)
class Finding:
    """One defect of a side.

    location     "top left corner", "left edge"
    description  kind and size: "whitening of 0.35 mm²"
    at_mm        (x, y) on the card
    radius_mm    radius of a circle around it; of a defect longer than about a centimetre, around its middle
    points_mm    course of a line defect
    size_mm2     approximate affected area; the list is sorted by it
    """

    number: int
    location: str
    description: str
    at_mm: tuple[float, float]
    radius_mm: float
    size_mm2: float
    points_mm: tuple[tuple[float, float], ...] = ()

    def as_json(self, measured: SideMeasurements) -> dict[str, Any]:
        """The finding in the JSON of `grade`, with its position in the upright picture."""
        [at_px] = measured.flat.picture_px(np.array([self.at_mm]))
        return {
            "number": self.number,
            "place": self.location,
            "what": self.description,
            "at_mm": [round(value, 2) for value in self.at_mm],
            "at_px": [round(float(value), 1) for value in at_px],
            "reach_mm": round(self.radius_mm, 2),
            "points_mm": [[round(x, 2), round(y, 2)] for x, y in self.points_mm],
        }


def findings_of(measured: SideMeasurements) -> list[Finding]:
    """List all findings of a side, largest first."""
    findings = [finding for corner in measured.corners if (finding := _of_corner(corner)) is not None]
    findings += [_of_nick(edge, nick) for edge in measured.edges for nick in edge.nicks]
    findings += [_of_stain(stain) for stain in measured.stains or ()]
    if isinstance(measured.surface, Surface):
        findings += [_of_line(line) for line in measured.surface.defects]
    findings.sort(key=lambda finding: -finding.size_mm2)
    return [replace(finding, number=number) for number, finding in enumerate(findings, 1)]


def _of_corner(corner: CornerWear) -> Finding | None:
    bare, rounded, frayed = corner.whitening_mm2 or 0.0, corner.rounding_mm or 0.0, corner.fray_mm or 0.0
    parts = [
        f"whitening of {bare:.{0 if bare >= 10 else 2}f} mm²" if bare >= MIN_WHITENING_MM2 else "",
        f"rounded by {rounded:.1f} mm" if rounded >= MIN_ROUNDING_MM else "",
        f"frayed over {frayed:.1f} mm" if frayed > 0 else "",
    ]
    description = ", ".join(part for part in parts if part)
    if not description:
        return None
    return Finding(0, f"{corner.name} corner", description, corner.at_mm, CORNER_CIRCLE_RADIUS_MM, bare + rounded**2)


def _of_nick(edge: EdgeWear, nick: Nick) -> Finding:
    description = f"{nick.kind} {nick.length_mm:.1f} mm long, {nick.depth_mm:.1f} mm deep"
    return Finding(
        0, f"{edge.name} edge", description, nick.at_mm, _circle_radius_mm(nick.length_mm / 2), nick.area_mm2
    )


def _of_stain(stain: Stain) -> Finding:
    radius = _circle_radius_mm(float(np.sqrt(stain.area_mm2 / np.pi)))
    return Finding(0, "border", f"stain of {stain.area_mm2:.1f} mm²", stain.at_mm, radius, stain.area_mm2)


def _of_line(line: SurfaceDefect) -> Finding:
    certainty = "" if line.likelihood >= CERTAIN_LIKELIHOOD else "possible "
    description = f"{certainty}{line.kind} {line.length_mm:.1f} mm long"
    radius = _circle_radius_mm(float(np.linalg.norm(line.points_mm - line.at_mm, axis=1).max()))
    points = tuple((float(x), float(y)) for x, y in line.points_mm)
    return Finding(0, "surface", description, line.at_mm, radius, line.length_mm * LINE_WIDTH_MM, points)


def _circle_radius_mm(half_length_mm: float) -> float:
    return min(half_length_mm + CIRCLE_MARGIN_MM, MAX_CIRCLE_RADIUS_MM)
