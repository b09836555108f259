"""Physical edges of a card, located to sub-pixel accuracy if they contrast with the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.image.quads import quad_from_lines
from engine.measure.flat_card import FlatCard, points_along_side
from engine.measure.profiles import Bands, edge_contrast, extract_bands, line_votes, local_maxima, locate_peaks
from engine.measure.robust_fit import RobustFit, robust_fit

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Ends of a side that are left out, since the corners are rounded.
CORNER_CLEARANCE_MM = 4.5
# Depths searched on both sides of the detected quad, and around the line with the most votes.
SEARCH_RANGE_MM = 1.0
PEAK_RANGE_MM = 0.3
# Standard deviation of the prior on an edge's depth: the detected quad is accurate to a few tenths of a millimeter,
# so an edge this far from it needs more contrast.
PRIOR_SIGMA_MM = 0.5
CLEAR_CONTRAST, FULL_CONTRAST = 6.0, 30.0  # Lab: a clear edge, and one that scores the maximum
# Acceptance of an edge: mean contrast score along its line, and fraction of its points near the fit.
MIN_VOTE = 0.35
MIN_SUPPORT = 0.45
MAX_SLOPE = 0.012
# Standard errors of the quad's side if its edge is not visible, or is cropped at the end of the picture.
HIDDEN_EDGE_ERROR_MM = 0.25
CROPPED_EDGE_ERROR_MM = 0.03


@dataclass(frozen=True)
class CardEdge:
    """One physical edge of the card: its depth along the side as a straight line plus the curvature of a lens.

    along_mm  (bands,) positions along the side, clockwise from its first corner
    depth_mm  (bands,) depth measured there; NaN if there is none
    fit       coefficients of 1, x and x squared, x from -1 to 1 along the side
    visible   the edge contrasts with the background; if not, the detected quad is used, with an error of 0.25 mm
    """

    side: int
    length_mm: float
    along_mm: np.ndarray
    depth_mm: np.ndarray
    fit: RobustFit
    visible: bool

    def depth_at(self, along_mm: np.ndarray) -> np.ndarray:
        """Depth of the edge at positions along the side."""
        return np.asarray(quadratic_design(along_mm, self.length_mm) @ self.fit.coefficients)


def quadratic_design(along_mm: np.ndarray, length_mm: float, *, curved: bool = True) -> np.ndarray:
    """(n, 3) design matrix of a side's line: 1, x, x squared, with x from -1 to 1 along the side.

    curved  a lens may have bent the line; if False, as for a scanner, the last column is zero
    """
    x = 2 * np.asarray(along_mm, np.float64) / length_mm - 1
    return np.column_stack([np.ones_like(x), x, x * x * curved])


def find_edges(card: FlatCard) -> list[CardEdge]:
    """Find the four physical edges near the bounds of a rectified card: top, right, bottom, left."""
    return [_find_edge(card, side) for side in range(4)]


def _find_edge(card: FlatCard, side: int) -> CardEdge:
    length = card.side_length_mm(side)
    bands = extract_bands(
        card,
        side,
        start_mm=CORNER_CLEARANCE_MM,
        end_mm=length - CORNER_CLEARANCE_MM,
        depth_mm=SEARCH_RANGE_MM + 1.0,
    )
    reach = min(SEARCH_RANGE_MM, float(card.visible_margin_mm[side]) - 0.2)
    if reach <= 0.1:
        return _edge_of_quad(bands, side, length, CROPPED_EDGE_ERROR_MM)
    contrast = edge_contrast(bands)
    strength = contrast_score(local_maxima(contrast), CLEAR_CONTRAST, FULL_CONTRAST)
    slopes = np.linspace(-MAX_SLOPE, MAX_SLOPE, 25)
    prior = np.exp(-0.5 * (bands.depth_mm / PRIOR_SIGMA_MM) ** 2) * (
        (bands.depth_mm > -reach) & (bands.depth_mm < SEARCH_RANGE_MM)
    )
    votes = line_votes(strength, bands.along_mm, bands.row_mm, slopes)
    slope, row = np.unravel_index(int((votes * prior).argmax()), votes.shape)
    if votes[slope, row] < MIN_VOTE:
        return _edge_of_quad(bands, side, length, HIDDEN_EDGE_ERROR_MM)
    near = bands.depth_mm[row] + slopes[slope] * (bands.along_mm - bands.along_mm.mean())
    depth, peak = locate_peaks(bands, contrast, near, PEAK_RANGE_MM)
    depth = np.where(peak > 0.3 * np.median(peak), depth, np.nan)
    design = quadratic_design(bands.along_mm, length, curved=card.kind != "scan")
    fit = robust_fit(design, depth, min_deviation=0.1 * bands.row_mm, observations_per_point=0.5)
    if fit.support < MIN_SUPPORT:
        return _edge_of_quad(bands, side, length, HIDDEN_EDGE_ERROR_MM)
    return CardEdge(side, length, bands.along_mm, depth, fit, visible=True)


def contrast_score(contrast: np.ndarray, clear: float, full: float) -> np.ndarray:
    """Score edge contrast from 0 to 1: 2/3 for the contrast `clear` of a clear edge, 1 from `full` on."""
    return np.minimum(contrast / clear, 1.0) * 2 / 3 + np.minimum(contrast / full, 1.0) / 3


def _edge_of_quad(bands: Bands, side: int, length: float, error_mm: float) -> CardEdge:
    """The side of the detected quad, unchanged, with a standard error."""
    covariance = np.diag([error_mm**2, error_mm**2 / 4, 0.0])
    fit = RobustFit(np.zeros(3), covariance, error_mm, 0.0)
    return CardEdge(side, length, bands.along_mm, np.zeros_like(bands.along_mm), fit, visible=False)


def refined_quad(card: FlatCard, edges: list[CardEdge]) -> np.ndarray:
    """(4, 2) intersections of the straightened edges in pixels of the picture, clockwise from the top left."""
    lines = []
    for edge in edges:
        ends = np.array([0.1, 0.9]) * edge.length_mm
        points = card.picture_px(points_along_side(edge.side, ends, edge.depth_at(ends), card.size))
        lines.append((points[0], points[1] - points[0]))
    unit = [(point, direction / np.linalg.norm(direction)) for point, direction in lines]
    corners = quad_from_lines(unit)
    return card.quad if corners is None else corners
