"""Candidates for findings: everything on a side that may be wear, with the features that tell wear from print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.cards.wear_limits import WearMeasure, WornAttribute, measure_grade
from engine.measure.centering.centering import MeasuredCentering
from engine.measure.findings.additive_model import Confidences
from engine.measure.flat_card import CORNERS, SIDES
from engine.measure.side.measure_side import SideMeasurements
from engine.measure.surface.surface import NoSurface, PaleLine, is_crease, scored_features
from engine.measure.wear.corners import CornerWear
from engine.measure.wear.edges import Nick
from engine.measure.wear.stains import Stain

CandidateKind = Literal["corner_whitening", "corner_rounding", "corner_fray", "nick", "stain", "line"]

# Below these, a picture cannot distinguish a worn corner from a freshly cut one.
MIN_WHITENING_MM2 = 0.03
MIN_ROUNDING_MM = 0.3
# A length or an area is a feature by its logarithm, from these amounts on.
AREA_SCALE_MM2 = 0.05
LENGTH_SCALE_MM = 0.5


@dataclass(frozen=True)
class Candidate:
    """Something on a side that may be wear.

    part      index of its corner or edge; None elsewhere
    measure   the measure of the rubric that it counts to, and its amount in millimeters or square millimeters
    at_mm     (x, y) on the card
    source    the measurement that it is made of
    features  for its confidence
    """

    kind: CandidateKind
    attribute: WornAttribute
    measure: WearMeasure
    amount: float
    at_mm: tuple[float, float]
    source: CornerWear | Nick | Stain | PaleLine
    part: int | None = None
    features: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def grades_lost(self) -> int:
        """Grades that the rubric takes off a flawless card for it alone, 0 to 9."""
        return 10 - measure_grade(self.attribute, self.measure, self.amount)

    @property
    def place(self) -> str:
        """Its place on the card: "top left corner", "left edge", "border", "surface"."""
        if self.part is not None:
            return f"{CORNERS[self.part]} corner" if self.attribute == "corners" else f"{SIDES[self.part]} edge"
        return "border" if self.kind == "stain" else "surface"


def find_candidates(side: SideMeasurements) -> list[Candidate]:
    """Everything on a side that may be wear."""
    return [*_on_corners(side), *_on_edges(side), *_stains(side), *_lines(side)]


def with_confidence(candidates: Sequence[Candidate], confidences: Confidences) -> list[tuple[Candidate, float]]:
    """Each candidate with the confidence, 0 to 1, that it is wear."""
    values = np.zeros(len(candidates))
    for kind, model in confidences.models.items():
        chosen = [index for index, candidate in enumerate(candidates) if candidate.kind == kind]
        values[chosen] = model.probabilities([candidates[index].features for index in chosen])
    return list(zip(candidates, map(float, values), strict=True))


def _log(amount: float, scale: float) -> float:
    return float(np.log1p(max(amount, 0.0) / scale))


def _side_features(side: SideMeasurements) -> dict[str, float]:
    return {
        "bordered": float(isinstance(side.centering, MeasuredCentering)),
        "px_per_mm": side.px_per_mm,
        "mean_evidence": float(np.mean(side.corner_evidence)),
    }


def _on_corners(side: SideMeasurements) -> Iterator[Candidate]:
    corners = side.corners
    whitenings = [_log(corner.whitening_mm2 or 0.0, AREA_SCALE_MM2) for corner in corners]
    roundings = [corner.rounding_mm or 0.0 for corner in corners]
    common = _side_features(side)
    for index, corner in enumerate(corners):
        shared = {
            **common,
            "evidence": float(side.corner_evidence[index]),
            "others_whitening": (sum(whitenings) - whitenings[index]) / 3,
            "others_rounding": (sum(roundings) - roundings[index]) / 3,
            "contrast": corner.contrast or 0.0,
            "from_ground": corner.from_ground or 0.0,
            "fray": _log(corner.fray_mm or 0.0, LENGTH_SCALE_MM),
            "rounding": roundings[index],
            "whitening": whitenings[index],
        }
        amounts: tuple[tuple[CandidateKind, WearMeasure, float | None, float], ...] = (
            ("corner_whitening", "whitening_mm2", corner.whitening_mm2, MIN_WHITENING_MM2),
            ("corner_rounding", "rounding_mm", corner.rounding_mm, MIN_ROUNDING_MM),
            ("corner_fray", "fray_mm", corner.fray_mm, 1e-6),
        )
        for kind, measure, amount, minimum in amounts:
            if amount is not None and amount >= minimum:
                yield Candidate(kind, "corners", measure, amount, corner.at_mm, corner, index, shared)


def _on_edges(side: SideMeasurements) -> Iterator[Candidate]:
    common = _side_features(side)
    for index, edge in enumerate(side.edges):
        evidence = side.corner_evidence[[index, (index + 1) % 4]]
        for nick in edge.nicks:
            features = {
                **common,
                "evidence": float(evidence.min()),
                "area": _log(nick.area_mm2, AREA_SCALE_MM2),
                "length": _log(nick.length_mm, LENGTH_SCALE_MM),
                "depth": nick.depth_mm,
                "mean_depth": nick.area_mm2 / nick.length_mm,
                "contrast": nick.contrast,
                "from_ground": nick.from_ground,
                "damaged_fraction": edge.damaged_fraction or 0.0,
                "nicks": float(len(edge.nicks)),
            }
            measure: WearMeasure = "chipping_mm" if nick.kind == "chip" else "whitening_mm"
            yield Candidate("nick", "edges", measure, nick.length_mm, nick.at_mm, nick, index, features)


def _stains(side: SideMeasurements) -> Iterator[Candidate]:
    for stain in side.stains or ():
        features = {
            **_side_features(side),
            "area": _log(stain.area_mm2, 1.0),
            "strength": stain.strength,
            "stains": float(len(side.stains or ())),
        }
        yield Candidate("stain", "surface", "stain_mm2", stain.area_mm2, stain.at_mm, stain, features=features)


def _lines(side: SideMeasurements) -> Iterator[Candidate]:
    if isinstance(side.surface, NoSurface):
        return
    lines = side.surface.lines
    for line in lines:
        features = {
            **_side_features(side),
            **scored_features(line.features),
            "lines": float(len(lines)),
            "patterned": float(side.surface.patterned),
        }
        measure: WearMeasure = "crease_mm" if is_crease(line.features) else "scratch_mm"
        yield Candidate("line", "surface", measure, line.features.length_mm, line.at_mm, line, features=features)
