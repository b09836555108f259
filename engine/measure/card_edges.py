"""The card's physical edges, to a part of a pixel, where they stand out from what lies beyond them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.image.quads import crossings
from engine.measure.flat_card import Flat, point_at
from engine.measure.profiles import Bands, bands_of, contrasts, located, peaks, votes
from engine.measure.robust_fit import Fit, robust_fit

CLEAR_OF_CORNER_MM = 4.5
SEARCH_MM = 1.0
LOOK_AROUND_MM = 0.3
# The finder's quad is good to a few tenths of a millimetre: an edge this far from it needs to be seen better.
LIKELY_WITHIN_MM = 0.5
CLEAR_STEP, FULL_STEP = 6.0, 30.0  # Lab: an edge that is clearly there, and one that could not be clearer
LEAST_VOTE = 0.35
LEAST_SUPPORT = 0.45
MOST_SLOPE = 0.012
UNSEEN_ERROR_MM = 0.25
PICTURE_END_ERROR_MM = 0.03


@dataclass(frozen=True)
class Edge:
    """One physical side of the card: depth(along) = a straight line and the bow that a lens gives it.

    along_mm  (bands,) places along the side, clockwise from its first corner
    depth_mm  (bands,) where the edge was seen there; not a number where it was not
    fit       of 1, along and along squared, both measured from the side's middle
    seen      whether it stands out; if not, the quad that was given is kept, with an error of 0.25 mm
    """

    side: int
    length_mm: float
    along_mm: np.ndarray
    depth_mm: np.ndarray
    fit: Fit
    seen: bool

    def depth_at(self, along_mm: np.ndarray) -> np.ndarray:
        """Depth of the edge at places along the side."""
        return np.asarray(curve(along_mm, self.length_mm) @ self.fit.coefficients)


def curve(along_mm: np.ndarray, length_mm: float, *, bowed: bool = True) -> np.ndarray:
    """(n, 3) design of a side's line; places are counted in half lengths from the side's middle.

    bowed  whether a lens may have bent it; its last column is nought for a scanner, which bends nothing
    """
    x = 2 * np.asarray(along_mm, np.float64) / length_mm - 1
    return np.column_stack([np.ones_like(x), x, x * x * bowed])


def find_edges(flat: Flat) -> list[Edge]:
    """The four physical edges near the bounds that the card was laid flat by: top, right, bottom, left."""
    return [_find_edge(flat, side) for side in range(4)]


def _find_edge(flat: Flat, side: int) -> Edge:
    length = flat.side_length_mm(side)
    bands = bands_of(
        flat, side, start_mm=CLEAR_OF_CORNER_MM, end_mm=length - CLEAR_OF_CORNER_MM, depth_mm=SEARCH_MM + 1.0
    )
    reach = min(SEARCH_MM, float(flat.seen_mm[side]) - 0.2)
    if reach <= 0.1:
        return _given(bands, side, length, PICTURE_END_ERROR_MM)
    contrast = contrasts(bands)
    strength = clearness(peaks(contrast), CLEAR_STEP, FULL_STEP)
    slopes = np.linspace(-MOST_SLOPE, MOST_SLOPE, 25)
    likely = np.exp(-0.5 * (bands.depth_mm / LIKELY_WITHIN_MM) ** 2) * (
        (bands.depth_mm > -reach) & (bands.depth_mm < SEARCH_MM)
    )
    totals = votes(strength, bands.along_mm, bands.row_mm, slopes)
    slope, row = np.unravel_index(int((totals * likely).argmax()), totals.shape)
    if totals[slope, row] < LEAST_VOTE:
        return _given(bands, side, length, UNSEEN_ERROR_MM)
    near = bands.depth_mm[row] + slopes[slope] * (bands.along_mm - bands.along_mm.mean())
    seen, strongest = located(bands, contrast, near, LOOK_AROUND_MM)
    seen = np.where(strongest > 0.3 * np.median(strongest), seen, np.nan)
    design = curve(bands.along_mm, length, bowed=flat.kind != "scan")
    fit = robust_fit(design, seen, least_deviation=0.1 * bands.row_mm, per_point=0.5)
    if fit.support < LEAST_SUPPORT:
        return _given(bands, side, length, UNSEEN_ERROR_MM)
    return Edge(side, length, bands.along_mm, seen, fit, seen=True)


def clearness(contrast: np.ndarray, clear: float, full: float) -> np.ndarray:
    """How clear edges are, 0 to 1: two thirds for one that is clearly there, the rest the stronger it is."""
    return np.minimum(contrast / clear, 1.0) * 2 / 3 + np.minimum(contrast / full, 1.0) / 3


def _given(bands: Bands, side: int, length: float, error_mm: float) -> Edge:
    covariance = np.diag([error_mm**2, error_mm**2 / 4, 0.0])
    fit = Fit(np.zeros(3), covariance, error_mm, 0.0)
    return Edge(side, length, bands.along_mm, np.zeros_like(bands.along_mm), fit, seen=False)


def refined_quad(flat: Flat, edges: list[Edge]) -> np.ndarray:
    """(4, 2) pixels of the picture: the corners where the straightened edges cross, clockwise from the top left."""
    lines = []
    for edge in edges:
        ends = np.array([0.1, 0.9]) * edge.length_mm
        places = flat.in_picture(point_at(edge.side, ends, edge.depth_at(ends), flat.size))
        lines.append((places[0], places[1] - places[0]))
    unit = [(point, direction / np.linalg.norm(direction)) for point, direction in lines]
    corners = crossings(unit)
    return flat.quad if corners is None else corners
