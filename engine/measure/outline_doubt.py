"""Doubt about an outline: is it the card's edge, or one of the nested lines of a holder or of the print?

In a clear holder, lines parallel to the card's sides lie beyond them; a plain card on a table has none. There a seam or
a printed frame is sometimes taken for an edge. Then the outline has not the proportions of a card, or some of its
corners show the background beyond a rounded corner while others do not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.image.detection import Detection
from engine.image.perspective import quad_geometry
from engine.image.rectify import JAPANESE_SMALL, TRADING, card_size
from engine.measure.card_edges import CLEAR_CONTRAST, FULL_CONTRAST, contrast_score
from engine.measure.flat_card import FlatCard, points_along_side, rectify_with_margin
from engine.measure.nested_edges import EdgeLine, corner_evidence
from engine.measure.profiles import edge_contrast, extract_bands, line_votes, local_maxima

# Raster on which lines are searched; at less than the second resolution nested lines cannot be told apart.
PX_PER_MM, MIN_PX_PER_MM = 5.0, 3.0
MARGIN_MM, CORNER_CLEARANCE_MM = 12.0, 5.0
SLOPES = np.linspace(-0.03, 0.03, 13)
# Distances in mm from a side at which a line is that side, or is beyond it.
ON_SIDE_MM, BEYOND_MM = 0.5, (1.0, 11.0)
# Mean contrast scores: a line of a holder, a clear one, and a side without any edge.
HOLDER_LINE, CLEAR_LINE, NO_EDGE = 0.55, 0.6, 0.35
MAX_ASPECT_DEVIATION = 0.035
ROUNDED_CORNER, OTHER_CORNER = 0.5, 0.35


def is_doubtful(rgb: np.ndarray, detection: Detection) -> bool:
    """Return True if a detected outline may be a line of a holder or of the print.

    rgb  (H, W, 3) uint8, the upright picture
    """
    quad, picture_size = detection.quad, rgb.shape[:2]
    size = card_size(quad, picture_size=picture_size)
    flat = rectify_with_margin(rgb, quad, size, detection.kind, max_px_per_mm=PX_PER_MM, wide_margin_mm=MARGIN_MM)
    if detection.whole_picture or flat.px_per_mm < MIN_PX_PER_MM:
        return False
    wide = replace(flat, rgb=flat.wide_rgb, margin_mm=flat.wide_margin_mm)
    on_side, beyond = np.sort([_line_scores(wide, side, picture_size) for side in range(4)], axis=0).T
    corners = np.sort(corner_evidence(wide, [EdgeLine(0.0, 0.0)] * 4))
    if corners[0] > ROUNDED_CORNER:
        return False
    if on_side[1] < NO_EDGE:
        return True
    if beyond[3] > HOLDER_LINE and _aspect_deviation(quad, picture_size) > MAX_ASPECT_DEVIATION:
        return True
    return bool(beyond[2] > CLEAR_LINE and corners[3] > ROUNDED_CORNER and corners[1] < OTHER_CORNER)


def _line_scores(card: FlatCard, side: int, picture_size: tuple[int, int]) -> tuple[float, float]:
    """Return the scores of the best line on a side and beyond it, as far as the picture shows them, 0 to 1."""
    length = card.side_length_mm(side)
    start, end = CORNER_CLEARANCE_MM, length - CORNER_CLEARANCE_MM
    bands = extract_bands(card, side, start_mm=start, end_mm=end, depth_mm=BEYOND_MM[0] + 1)
    strength = contrast_score(local_maxima(edge_contrast(bands)), CLEAR_CONTRAST, FULL_CONTRAST)
    votes = line_votes(strength, bands.along_mm, bands.row_mm, SLOPES).max(axis=0)
    height, width = picture_size
    shown = np.ones(len(bands.depth_mm), bool)
    for along in (start, end):
        x, y = card.picture_px(points_along_side(side, np.array(along), bands.depth_mm - 2 * bands.row_mm, card.size)).T
        shown &= (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
    votes, depth = votes * shown, bands.depth_mm
    on_side = np.abs(depth) < ON_SIDE_MM
    # A side along the border of the picture cannot be seen.
    near = votes[on_side].max() if shown[on_side].all() else 1.0
    return float(near), float(votes[(-depth > BEYOND_MM[0]) & (-depth < BEYOND_MM[1])].max(initial=0.0))


def _aspect_deviation(quad: np.ndarray, picture_size: tuple[int, int]) -> float:
    """Return the relative deviation of the outline's proportions from those of the nearest standard card."""
    aspect = quad_geometry(quad, picture_size).aspect
    upright = min(aspect, 1 / aspect)
    return min(abs(upright * size.height_mm / size.width_mm - 1) for size in (TRADING, JAPANESE_SMALL))
