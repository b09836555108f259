"""Candidate lines of a printed frame along one side: detected by voting, fitted to sub-pixel accuracy, described."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.measure.card_edges import CardEdge, contrast_score, quadratic_design
from engine.measure.centering.mean_profile import (
    MeanProfile,
    find_outline_start,
    find_similar_step_outside,
    find_step_near,
    mean_profile,
)
from engine.measure.flat_card import FlatCard
from engine.measure.profiles import (
    Bands,
    edge_contrast,
    extract_bands,
    line_votes,
    local_maxima,
    locate_peaks,
    rows_between,
)
from engine.measure.robust_fit import RobustFit, robust_fit

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Ends of a side that are left out, and the depths from the edge that are searched.
CORNER_CLEARANCE_MM = 5.0
MAX_DEPTH_MM = 10.0
MIN_BORDER_MM = 0.4
CLEAR_CONTRAST, FULL_CONTRAST = 4.0, 40.0  # Lab: a clear line, and one that scores the maximum
MAX_TILT_DEG = 2.4
# Distance below which two candidates are one line; also the range around a candidate in which it is fitted.
MIN_SEPARATION_MM = 0.15
# Acceptance of a line: mean contrast score, fraction of points near the fit, their deviation, color step across it.
MIN_VOTE = 0.4
MIN_SUPPORT = 0.6
MAX_DEVIATION_MM = 0.03
MIN_COLOR_STEP = 4.0  # Lab
# Distances from a line between which the colors on both of its sides are taken.
SIDE_RANGE_MM = (0.06, 0.3)
# A faint first line: tolerance around its expected position, and the border below which it is more likely wear.
GAP_TOLERANCE_MM = 0.22
MIN_FAINT_BORDER_MM = 1.2
# Errors that a fit does not include: the start of the print's blurred edge and of the paper's is ambiguous by these.
FLOOR_MM = 0.012
FLOOR_PX = 0.08


@dataclass(frozen=True)
class LineCandidate:
    """A straight line that may belong to a printed frame.

    border_mm  its distance from the physical edge at the middle of the side
    slope      increase of the distance along the side
    vote       mean contrast score along it, 0 to 1
    """

    border_mm: float
    slope: float
    vote: float


def find_line_candidates(bands: Bands, contrast: np.ndarray, edge_depth_mm: np.ndarray) -> list[LineCandidate]:
    """Find lines along a side, from the outermost inwards.

    contrast       (bands, rows) from `edge_contrast`
    edge_depth_mm  (bands,) depth of the physical edge
    """
    middle = float(np.median(edge_depth_mm))
    shift = np.rint((edge_depth_mm - middle) / bands.row_mm).astype(int)
    last = contrast.shape[1] - 1
    rows = np.clip(np.arange(last + 1)[None, :] + shift[:, None], 0, last)
    strength = np.take_along_axis(contrast_score(local_maxima(contrast), CLEAR_CONTRAST, FULL_CONTRAST), rows, axis=1)
    max_slope = np.tan(np.radians(MAX_TILT_DEG))
    slopes = np.linspace(-max_slope, max_slope, 49)
    votes = line_votes(strength, bands.along_mm, bands.row_mm, slopes)
    border = bands.depth_mm - middle
    votes[:, (border < MIN_BORDER_MM) | (border > MAX_DEPTH_MM - 0.5)] = 0
    best, candidates = votes.max(axis=0), list[LineCandidate]()
    for row in np.argsort(-best):
        if best[row] < MIN_VOTE:
            break
        if all(abs(border[row] - candidate.border_mm) > MIN_SEPARATION_MM for candidate in candidates):
            candidates.append(
                LineCandidate(float(border[row]), float(slopes[votes[:, row].argmax()]), float(best[row]))
            )
    return sorted(candidates, key=lambda candidate: candidate.border_mm)


@dataclass(frozen=True)
class FrameLine:
    """The printed frame's line along one side.

    fit     of its depth, as in CardEdge: a straight line plus the curvature of a lens
    px_mm   size of a pixel
    outside, inside  (3,) Lab: the colors on both of its sides
    """

    side: int
    length_mm: float
    fit: RobustFit
    px_mm: float
    outside: np.ndarray
    inside: np.ndarray

    def depth_at(self, along_mm: np.ndarray) -> np.ndarray:
        """Depth of the line at positions along the side."""
        return np.asarray(quadratic_design(along_mm, self.length_mm) @ self.fit.coefficients)

    def error_at(self, along_mm: np.ndarray, edge: CardEdge) -> np.ndarray:
        """Standard error of the border at positions along the side: of the line, of the edge, and the floor."""
        rows = quadratic_design(along_mm, self.length_mm)
        fit_errors = [self.fit.error_at(row) ** 2 + edge.fit.error_at(row) ** 2 for row in rows]
        return np.asarray(np.sqrt(np.array(fit_errors) + FLOOR_MM**2 + (FLOOR_PX * self.px_mm) ** 2))

    def shifted(self, by_mm: float) -> FrameLine:
        """The same line, deeper in the card by `by_mm`."""
        coefficients = self.fit.coefficients + np.array([by_mm, 0, 0])
        return replace(self, fit=replace(self.fit, coefficients=coefficients))

    @property
    def middle_depth_mm(self) -> float:
        """Depth of the line at the middle of the side."""
        return float(self.fit.coefficients[0])

    @property
    def slope_deg(self) -> float:
        """Tilt of the line, clockwise positive."""
        return float(np.degrees(np.arctan(self.fit.coefficients[1] * 2 / self.length_mm)))


class SideLineFinder:
    """Detection of frame lines in one side's bands."""

    def __init__(self, card: FlatCard, edge: CardEdge) -> None:
        self.edge = edge
        start, end = CORNER_CLEARANCE_MM, edge.length_mm - CORNER_CLEARANCE_MM
        self.bands = extract_bands(card, edge.side, start_mm=start, end_mm=end, depth_mm=MAX_DEPTH_MM)
        self.contrast = edge_contrast(self.bands)
        self.edge_depth_mm = edge.depth_at(self.bands.along_mm)
        self.design = quadratic_design(self.bands.along_mm, edge.length_mm, curved=card.kind != "scan")

    def frame_lines(self) -> list[FrameLine]:
        """Find every clear, straight line, the outermost first."""
        from_middle = self.bands.along_mm - self.bands.along_mm.mean()
        candidates = find_line_candidates(self.bands, self.contrast, self.edge_depth_mm)
        depths = [self.edge_depth_mm + candidate.border_mm + candidate.slope * from_middle for candidate in candidates]
        lines = [line for depth in depths if (line := self._fit(depth)) is not None]
        return [line for line in lines if np.linalg.norm(line.inside - line.outside) >= MIN_COLOR_STEP]

    def faint_line_outside(self, line: FrameLine, median_step: np.ndarray) -> FrameLine:
        """A line further out with the frame's color step, too faint to see in single bands; else the same line.

        median_step  (3,) Lab: median color step across the frame's four sides
        """
        offset = find_similar_step_outside(self._profile_across(line), median_step)
        if offset is None:
            return line
        refitted = self._fit(self.design @ line.fit.coefficients + offset)
        return refitted if refitted is not None else line.shifted(offset)

    def faint_line_at_gap(self, line: FrameLine, gap_mm: float) -> FrameLine | None:
        """A faint line about `gap_mm` outside of a line; None if there is none."""
        if line.middle_depth_mm - float(np.median(self.edge_depth_mm)) - gap_mm < MIN_FAINT_BORDER_MM:
            return None
        offset = find_step_near(self._profile_across(line), -gap_mm, GAP_TOLERANCE_MM)
        return None if offset is None else line.shifted(offset)

    def outline_start(self, line: FrameLine) -> float:
        """Offset of the start of a thin outline outside of a line, negative; 0 if there is none."""
        return find_outline_start(self._profile_across(line))

    def _profile_across(self, line: FrameLine) -> MeanProfile:
        depth = self.design @ line.fit.coefficients
        return mean_profile(self.bands, depth, float(np.median(depth - self.edge_depth_mm)) - MIN_BORDER_MM)

    def _fit(self, near_mm: np.ndarray) -> FrameLine | None:
        depth, _ = locate_peaks(self.bands, self.contrast, near_mm, MIN_SEPARATION_MM)
        row_mm = self.bands.row_mm
        fit = robust_fit(self.design, depth, min_deviation=0.1 * row_mm, observations_per_point=0.5)
        if fit.support < MIN_SUPPORT or fit.deviation > MAX_DEVIATION_MM + 0.4 * row_mm:
            return None
        outside, inside = _side_colors(self.bands, self.design @ fit.coefficients)
        return FrameLine(self.edge.side, self.edge.length_mm, fit, row_mm, outside, inside)


def _side_colors(bands: Bands, line_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median Lab colors, (3,) each, just outside and just inside of a line."""
    near = rows_between(bands, line_mm.min() - SIDE_RANGE_MM[1], line_mm.max() + SIDE_RANGE_MM[1])
    offset = bands.depth_mm[None, near] - line_mm[:, None]
    colors = []
    for low, high in ((-SIDE_RANGE_MM[1], -SIDE_RANGE_MM[0]), SIDE_RANGE_MM):
        inside = ((offset >= low) & (offset <= high)).astype(np.float32)
        weight = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
        colors.append(np.median(np.einsum("br,brc->bc", weight, bands.lab[:, near]), axis=0))
    return colors[0], colors[1]
