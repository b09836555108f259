"""Findings: one numbered list of the wear on a side, shared by the report, the page and the annotated picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from engine.cards.rubric import Side
from engine.measure.findings.additive_model import Confidences, shipped_confidences
from engine.measure.findings.candidates import Candidate, find_candidates, with_confidence
from engine.measure.side.measure_side import SideMeasurements
from engine.measure.surface.surface import PaleLine
from engine.measure.wear.edges import Nick

# Confidence from which a finding is kept for those who look closer; the less certain ones are mostly print.
MIN_POSSIBLE = 0.3
CORNER_CIRCLE_RADIUS_MM = 2.2
CIRCLE_MARGIN_MM = 0.8
MAX_CIRCLE_RADIUS_MM = 5.0
MAX_CIRCLES = 12


@dataclass(frozen=True)
class Finding:
    """One defect of a side.

    kind         "corner", "whitening", "chip", "stain", "scratch" or "crease"
    place        "top left corner", "left edge", "border", "surface"
    description  kind and size: "whitening of 0.35 mm²"
    at_mm        (x, y) on the card
    radius_mm    radius of a circle around it; of a defect longer than about a centimeter, around its middle
    size         its length in mm, or its area in mm2, and the unit
    grades_lost  grades that the rubric takes off a flawless card for it alone, 0 to 9
    confidence   that it is wear and not print, light or the holder, 0 to 1
    points_mm    course of a line
    """

    number: int
    kind: str
    place: str
    description: str
    at_mm: tuple[float, float]
    radius_mm: float
    size: tuple[float, str]
    grades_lost: int
    confidence: float
    points_mm: tuple[tuple[float, float], ...] = ()

    @property
    def box_mm(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom on the card."""
        points = np.array(
            self.points_mm or [np.subtract(self.at_mm, self.radius_mm), np.add(self.at_mm, self.radius_mm)]
        )
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    @property
    def cost_text(self) -> str:
        """Its cost for a collector, see `cost_text`."""
        return cost_text(self.grades_lost)

    def as_json(self, name: Side, side: SideMeasurements) -> dict[str, Any]:
        """The finding in the JSON of `grade`, with its position in the upright picture."""
        [at_px] = side.flat.picture_px(np.array([self.at_mm]))
        size, unit = self.size
        return {
            "number": self.number,
            "kind": self.kind,
            "side": name,
            "place": self.place,
            "what": self.description,
            "at_mm": [round(value, 2) for value in self.at_mm],
            "at_px": [round(float(value), 1) for value in at_px],
            "box_mm": [round(value, 2) for value in self.box_mm],
            "reach_mm": round(self.radius_mm, 2),
            "points_mm": [[round(x, 2), round(y, 2)] for x, y in self.points_mm],
            "size": round(size, 2),
            "unit": unit,
            "grades_lost": self.grades_lost,
            "confidence": round(self.confidence, 3),
        }


def cost_text(grades_lost: int) -> str:
    """The cost of a finding for a collector: "costs about 3 grades"."""
    if grades_lost == 0:
        return "within a 10"
    return f"costs about {grades_lost} grade{'s' if grades_lost > 1 else ''}"


@dataclass(frozen=True)
class SideFindings:
    """Findings of a side, the worst first, numbered through.

    listed    those whose confidence is at least `min_confidence`
    possible  the less certain ones
    """

    listed: tuple[Finding, ...]
    possible: tuple[Finding, ...]
    min_confidence: float


def findings_of(side: SideMeasurements, confidences: Confidences | None = None, *, at_rim: bool = True) -> SideFindings:
    """All findings of a measured side: the most grades lost first, then the most certain.

    confidences  None for those that ship
    at_rim       False where it is not sure where the card ends: only lines on its surface are findings
    """
    confidences = confidences or shipped_confidences()
    candidates = [candidate for candidate in find_candidates(side) if at_rim or candidate.kind == "line"]
    weighted = with_confidence(candidates, confidences)
    listed = _findings(pair for pair in weighted if pair[1] >= confidences.shown)
    shown_corners = {finding.place for finding in listed if finding.kind == "corner"}
    possible = [
        finding
        for finding in _findings(pair for pair in weighted if MIN_POSSIBLE <= pair[1] < confidences.shown)
        if finding.place not in shown_corners
    ]
    numbered = [replace(finding, number=number) for number, finding in enumerate([*listed, *possible], 1)]
    return SideFindings(tuple(numbered[: len(listed)]), tuple(numbered[len(listed) :]), confidences.shown)


def _findings(candidates: Iterable[tuple[Candidate, float]]) -> list[Finding]:
    """Findings of candidates, the worst first; what is worn on one corner is one finding."""

    def corner(pair: tuple[Candidate, float]) -> int:
        candidate = pair[0]
        return candidate.part if candidate.attribute == "corners" and candidate.part is not None else -1

    findings = []
    for part, group in groupby(sorted(candidates, key=corner), key=corner):
        pairs = list(group)
        findings += [_corner(pairs)] if part >= 0 else [_finding(candidate, value) for candidate, value in pairs]
    return sorted(findings, key=lambda finding: (-finding.grades_lost, -finding.confidence))


def _corner(pairs: list[tuple[Candidate, float]]) -> Finding:
    """Whitening, rounding and fraying of one corner."""
    texts = {
        "whitening_mm2": lambda amount: f"whitening of {amount:.{0 if amount >= 10 else 2}f} mm²",
        "rounding_mm": lambda amount: f"rounded by {amount:.1f} mm",
        "fray_mm": lambda amount: f"frayed over {amount:.1f} mm",
    }
    worst, _ = max(pairs, key=lambda pair: pair[0].grades_lost)
    return Finding(
        number=0,
        kind="corner",
        place=worst.place,
        description=", ".join(texts[candidate.measure](candidate.amount) for candidate, _ in pairs),
        at_mm=worst.at_mm,
        radius_mm=CORNER_CIRCLE_RADIUS_MM,
        size=(worst.amount, "mm2" if worst.measure == "whitening_mm2" else "mm"),
        grades_lost=worst.grades_lost,
        confidence=max(confidence for _, confidence in pairs),
    )


def _finding(candidate: Candidate, confidence: float) -> Finding:
    """A finding on an edge, the border or the surface."""
    source = candidate.source
    points: tuple[tuple[float, float], ...] = ()
    if isinstance(source, Nick):
        kind, size = source.kind, (source.length_mm, "mm")
        description = f"{kind} {source.length_mm:.1f} mm long, {source.depth_mm:.1f} mm deep"
        radius = source.length_mm / 2
    elif isinstance(source, PaleLine):
        kind, size = ("crease" if candidate.measure == "crease_mm" else "scratch"), (candidate.amount, "mm")
        description = f"{kind} {candidate.amount:.1f} mm long"
        points = tuple((float(x), float(y)) for x, y in source.points_mm)
        radius = float(np.linalg.norm(source.points_mm - source.at_mm, axis=1).max())
    else:
        kind, size = "stain", (candidate.amount, "mm2")
        description = f"stain of {candidate.amount:.1f} mm²"
        radius = float(np.sqrt(candidate.amount / np.pi))
    return Finding(
        number=0,
        kind=kind,
        place=candidate.place,
        description=description,
        at_mm=candidate.at_mm,
        radius_mm=min(radius + CIRCLE_MARGIN_MM, MAX_CIRCLE_RADIUS_MM),
        size=size,
        grades_lost=candidate.grades_lost,
        confidence=confidence,
        points_mm=points,
    )
