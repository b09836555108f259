"""Labels of the candidates of a side with known wear: the ones that are wear, and the wear that was found."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.measure import distance_to, match_defect
from engine.measure.findings.candidates import Candidate
from engine.measure.surface.surface import PaleLine
from engine.measure.wear.edges import Nick
from engine.simulate.wear.truth import Defect, SideWear

# A candidate is wear if the true amount at its place is at least this fraction of the measured one.
MIN_TRUE_FRACTION = 0.3
# Distance from a defect's outline within which a nick or a stain shows it.
NEAR_MM = 1.0
RIM_KINDS = ("edge_whitening", "edge_chip", "missing_piece", "corner_whitening", "corner_fray")
STAIN_KINDS = ("stain", "ink")
LINE_KINDS = ("scratch", "crease")


def is_wear(candidate: Candidate, truth: SideWear) -> bool | None:
    """True if the candidate is wear; None for a line along another defect, which counts neither way."""
    source = candidate.source
    if isinstance(source, PaleLine):
        near = [defect for defect in truth.defects if _boxes_touch(source.points_mm, np.array(defect.points_mm))]
        index = match_defect(source.points_mm, near)
        if index is None:
            return False
        return True if near[index].kind in LINE_KINDS else None
    if candidate.attribute == "corners":
        assert candidate.part is not None
        corner = truth.corners[candidate.part]
        true_amount = getattr(corner, candidate.measure)
        if candidate.kind == "corner_whitening":  # fraying bares the stock too
            true_amount += 0.3 * corner.fray_mm
        return bool(true_amount >= MIN_TRUE_FRACTION * candidate.amount)
    kinds = RIM_KINDS if isinstance(source, Nick) else STAIN_KINDS
    near = [defect for defect in truth.defects if defect.kind in kinds and is_near(candidate.at_mm, defect)]
    if isinstance(source, Nick):
        return sum(defect.length_mm for defect in near) >= MIN_TRUE_FRACTION * source.length_mm
    return bool(near)


def _boxes_touch(line_mm: np.ndarray, outline_mm: np.ndarray) -> bool:
    """True if the bounding boxes of two sets of points are within a millimeter of each other."""
    gap = np.maximum(line_mm.min(axis=0) - outline_mm.max(axis=0), outline_mm.min(axis=0) - line_mm.max(axis=0))
    return bool((gap <= NEAR_MM).all())


def is_near(point_mm: tuple[float, float], defect: Defect) -> bool:
    """True if a point is inside a defect's outline or within a millimeter of it."""
    outline = np.array(defect.points_mm)
    closed = np.concatenate([outline, outline[:1]]) if defect.area_mm2 else outline
    if distance_to(np.array([point_mm]), closed)[0] <= NEAR_MM:
        return True
    x, y = outline.T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    crosses = (y > point_mm[1]) != (next_y > point_mm[1])
    at = x + (point_mm[1] - y) * (next_x - x) / np.where(next_y == y, 1e-9, next_y - y)
    return bool(defect.area_mm2 and (crosses & (at > point_mm[0])).sum() % 2)


def matches(candidate: Candidate, defect: Defect) -> bool:
    """True if a candidate is at the place of a defect and of its kind."""
    source = candidate.source
    if isinstance(source, PaleLine):
        return defect.kind in LINE_KINDS and match_defect(source.points_mm, [defect]) is not None
    if candidate.attribute == "corners":
        return defect.kind == candidate.kind and defect.corner == candidate.part
    return defect.kind in (RIM_KINDS if isinstance(source, Nick) else STAIN_KINDS) and is_near(candidate.at_mm, defect)
