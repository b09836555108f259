"""One side's lines that a printed frame may follow: found by votes, fitted to a part of a pixel, described."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.measure.card_edges import Edge, clearness, curve
from engine.measure.centering.mean_profile import Profile, aligned, like_line_outside, outline_begins, step_near
from engine.measure.flat_card import Flat
from engine.measure.profiles import Bands, bands_of, contrasts, located, peaks, votes
from engine.measure.robust_fit import Fit, robust_fit

CLEAR_OF_CORNER_MM = 5.0
DEEPEST_MM = 10.0
NARROWEST_MM = 0.4
CLEAR_STEP, FULL_STEP = 4.0, 40.0  # Lab
MOST_TILT_DEG = 2.4
APART_MM = 0.15
CLEAR_VOTE = 0.4
LEAST_SUPPORT = 0.6
MOST_DEVIATION_MM = 0.03
BESIDE_MM = (0.06, 0.3)
LEAST_CHANGE = 4.0  # Lab
NEAR_GAP_MM = 0.22
LEAST_FAINT_MM = 1.2  # nearer to the edge, a faint line is more likely wear
# What no fit sees: where a print's soft edge is taken to begin, and the same of the paper's.
FLOOR_MM = 0.012
FLOOR_PX = 0.08


@dataclass(frozen=True)
class Line:
    """A straight line that a printed frame may follow.

    border_mm  its distance from the physical edge at the middle of the side
    slope      how the distance grows along the side
    vote       how clear an edge there is along it, 0 to 1, the mean over the side
    """

    border_mm: float
    slope: float
    vote: float


def lines_along(bands: Bands, contrast: np.ndarray, from_edge: np.ndarray) -> list[Line]:
    """Lines along a side, from the outermost inwards.

    contrast   of the bands
    from_edge  (bands,) depth of the physical edge
    """
    middle = float(np.median(from_edge))
    shift = np.rint((from_edge - middle) / bands.row_mm).astype(int)
    last = contrast.shape[1] - 1
    rows = np.clip(np.arange(last + 1)[None, :] + shift[:, None], 0, last)
    strength = np.take_along_axis(clearness(peaks(contrast), CLEAR_STEP, FULL_STEP), rows, axis=1)
    most = np.tan(np.radians(MOST_TILT_DEG))
    slopes = np.linspace(-most, most, 49)
    totals = votes(strength, bands.along_mm, bands.row_mm, slopes)
    border = bands.depth_mm - middle
    totals[:, (border < NARROWEST_MM) | (border > DEEPEST_MM - 0.5)] = 0
    best, found = totals.max(axis=0), list[Line]()
    for row in np.argsort(-best):
        if best[row] < CLEAR_VOTE:
            break
        if all(abs(border[row] - other.border_mm) > APART_MM for other in found):
            found.append(Line(float(border[row]), float(slopes[totals[:, row].argmax()]), float(best[row])))
    return sorted(found, key=lambda line: line.border_mm)


@dataclass(frozen=True)
class Frame:
    """One side of the printed frame.

    fit     of its depth, as the edge's is described: a straight line and the lens's bow
    px_mm   size of a pixel
    outside, inside  (3,) Lab: the colours on either side of it
    """

    side: int
    length_mm: float
    fit: Fit
    px_mm: float
    outside: np.ndarray
    inside: np.ndarray

    def depth_at(self, along_mm: np.ndarray) -> np.ndarray:
        """Depth of the frame's line at places along the side."""
        return np.asarray(curve(along_mm, self.length_mm) @ self.fit.coefficients)

    def error_at(self, along_mm: np.ndarray, edge: Edge) -> np.ndarray:
        """Standard error of the border at those places: the frame's line's, the edge's, and what neither can know."""
        rows = curve(along_mm, self.length_mm)
        known = [self.fit.error_at(row) ** 2 + edge.fit.error_at(row) ** 2 for row in rows]
        return np.asarray(np.sqrt(np.array(known) + FLOOR_MM**2 + (FLOOR_PX * self.px_mm) ** 2))

    def moved(self, by_mm: float) -> Frame:
        """The same line, so much deeper in the card."""
        moved = self.fit.coefficients + np.array([by_mm, 0, 0])
        return replace(self, fit=replace(self.fit, coefficients=moved))

    @property
    def middle_mm(self) -> float:
        """Its depth at the middle of the side."""
        return float(self.fit.coefficients[0])

    @property
    def slope_deg(self) -> float:
        """How the frame leans, clockwise positive."""
        return float(np.degrees(np.arctan(self.fit.coefficients[1] * 2 / self.length_mm)))


class SideLook:
    """One side's bands, looked at for lines."""

    def __init__(self, flat: Flat, edge: Edge) -> None:
        self.edge = edge
        start, end = CLEAR_OF_CORNER_MM, edge.length_mm - CLEAR_OF_CORNER_MM
        self.bands = bands_of(flat, edge.side, start_mm=start, end_mm=end, depth_mm=DEEPEST_MM)
        self.contrast = contrasts(self.bands)
        self.from_edge = edge.depth_at(self.bands.along_mm)
        self.design = curve(self.bands.along_mm, edge.length_mm, bowed=flat.kind != "scan")

    def frames(self) -> list[Frame]:
        """Every clear, straight line, the outermost first."""
        from_middle = self.bands.along_mm - self.bands.along_mm.mean()
        lines = lines_along(self.bands, self.contrast, self.from_edge)
        near = [self.from_edge + line.border_mm + line.slope * from_middle for line in lines]
        found = [frame for line in near if (frame := self._fitted(line)) is not None]
        return [frame for frame in found if np.linalg.norm(frame.inside - frame.outside) >= LEAST_CHANGE]

    def fainter_outside(self, frame: Frame, usual: np.ndarray) -> Frame:
        """The same frame, or the line further out that is too faint to be seen band by band.

        usual  (3,) Lab: how the colour changes across the frame's four sides
        """
        by = like_line_outside(self._across(frame), usual)
        if by is None:
            return frame
        refitted = self._fitted(self.design @ frame.fit.coefficients + by)
        return refitted if refitted is not None else frame.moved(by)

    def fainter_by(self, frame: Frame, gap_mm: float) -> Frame | None:
        """The same frame so much further out, where a faint line is to be seen there; None where there is none."""
        if frame.middle_mm - float(np.median(self.from_edge)) - gap_mm < LEAST_FAINT_MM:
            return None
        at = step_near(self._across(frame), -gap_mm, NEAR_GAP_MM)
        return None if at is None else frame.moved(at)

    def outline_begins(self, frame: Frame) -> float:
        """How far outside of the line a thin outline begins, negative; 0 where there is none."""
        return outline_begins(self._across(frame))

    def _across(self, frame: Frame) -> Profile:
        line = self.design @ frame.fit.coefficients
        return aligned(self.bands, line, float(np.median(line - self.from_edge)) - NARROWEST_MM)

    def _fitted(self, near_mm: np.ndarray) -> Frame | None:
        seen, _ = located(self.bands, self.contrast, near_mm, APART_MM)
        row_mm = self.bands.row_mm
        fit = robust_fit(self.design, seen, least_deviation=0.1 * row_mm, per_point=0.5)
        if fit.support < LEAST_SUPPORT or fit.deviation > MOST_DEVIATION_MM + 0.4 * row_mm:
            return None
        outside, inside = _colours_beside(self.bands, self.design @ fit.coefficients)
        return Frame(self.edge.side, self.edge.length_mm, fit, row_mm, outside, inside)


def _colours_beside(bands: Bands, line_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median Lab colours, (3,) each, just outside and just inside of a line."""
    beyond = bands.depth_mm[None, :] - line_mm[:, None]
    colours = []
    for low, high in ((-BESIDE_MM[1], -BESIDE_MM[0]), BESIDE_MM):
        inside = ((beyond >= low) & (beyond <= high)).astype(np.float32)
        weight = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
        colours.append(np.median(np.einsum("br,brc->bc", weight, bands.lab), axis=0))
    return colours[0], colours[1]
