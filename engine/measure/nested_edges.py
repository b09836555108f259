"""The card's edges among nested lines: the rim of a holder, the card and its printed frame.

A detected quad may be the rim of a slab's window around the card. Only at the card's own corners does the background
show through beyond a rounded corner: a holder's rim lies outside of it, and the corners of a frame are printed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from engine.image.quads import quad_from_lines
from engine.image.rectify import JAPANESE_SMALL, TRADING
from engine.measure.card_edges import CLEAR_CONTRAST, FULL_CONTRAST, contrast_score
from engine.measure.flat_card import MARGIN_MM, FlatCard, points_along_side
from engine.measure.profiles import edge_contrast, extract_bands, line_votes, local_maxima

# Depths that are searched for the card's edge, and how many lines of each side are considered.
MAX_DEPTH_MM = 5.0
MIN_DEPTH_MM = -1.2
CANDIDATES = 5
MIN_VOTE = 0.3
MIN_DISTANCE_MM = 0.35
SLOPES = np.linspace(-0.03, 0.03, 25)
CORNER_CLEARANCE_MM = 7.0
# Points of a corner, in mm from it along both of its sides: beyond the arc of a rounded corner, and inside of it.
NOTCH_MM = ((0.12, 0.12), (0.3, 0.3), (0.5, 0.5), (0.15, 0.6), (0.6, 0.15))
INSIDE_MM = ((1.4, 1.4), (1.7, 1.7), (2.0, 2.0), (1.3, 1.9), (1.9, 1.3))
OUTSIDE_MM = ((-0.35, 3.0), (-0.35, 5.0), (3.0, -0.35), (5.0, -0.35), (-0.3, -0.3))
RIM_MM = ((0.25, 3.2), (0.35, 5.0), (3.2, 0.25), (5.0, 0.35), (0.3, 4.2), (4.2, 0.3))
# Depth from the top and the bottom in which these points lie, for lines of the largest depth and slope.
CORNER_ROWS_MM = 12.0
# Color difference, in Lab, below which two points look alike.
NOISE_LAB = 5.0
# A card's proportions are known to this precision.
ASPECT_SIGMA = 0.012
VOTE_WEIGHT = 0.7
# Mean evidence of the four corners from which they are a card's, and the least of one of them. Other lines are taken
# only in place of a quad whose corners are not, if they improve this mean by the last figure.
MIN_ROUNDED = 0.5
MIN_CORNER = 0.0
MIN_IMPROVEMENT = 0.2


@dataclass(frozen=True)
class EdgeLine:
    """A straight line along one side.

    depth_mm  in the middle of the side
    slope     increase of depth per length along the side
    vote      mean contrast score along the line, 0 to 1
    """

    depth_mm: float
    slope: float
    vote: float = 0.0

    def depths(self, length_mm: float) -> np.ndarray:
        """(2,) depths at both ends of the side."""
        return self.depth_mm + self.slope * np.array([-0.5, 0.5]) * length_mm


def corner_evidence(card: FlatCard, lines: list[EdgeLine]) -> np.ndarray:
    """Evidence of each corner, (4,), clockwise from the top left: 1 for background beyond a rounded corner, else -1.

    lines  top, right, bottom, left
    """
    lab = _blurred_lab(card)
    return np.array([_evidence(card, lab, [lines[corner - 1]], [lines[corner]], corner)[0, 0] for corner in range(4)])


def _blurred_lab(card: FlatCard) -> np.ndarray:
    """(H, W, 3) uint8 Lab of the blurred raster along its top and its bottom, where the corners are; 0 between them."""
    sigma = max(0.1 * card.px_per_mm, 0.6)
    height = len(card.rgb)
    rows = math.ceil((card.margin_mm[1] + CORNER_ROWS_MM) * card.px_per_mm)
    support = math.ceil(5 * sigma)
    lab = np.zeros_like(card.rgb)
    for first, last in ((0, min(rows, height)), (max(height - rows, 0), height)):
        start = max(first - support, 0)
        blurred = cv2.GaussianBlur(card.rgb[start : last + support], (0, 0), sigma)
        lab[first:last] = cv2.cvtColor(blurred[first - start : last - start], cv2.COLOR_RGB2Lab)
    return lab


def _evidence(
    card: FlatCard, lab: np.ndarray, before: list[EdgeLine], after: list[EdgeLine], corner: int
) -> np.ndarray:
    """Evidence of a corner between each line of the side before it (rows) and each of the side after it (columns).

    The notch of a card's corner resembles the outside, and the rim inside does not.
    """
    lengths = card.side_length_mm(corner - 1 if corner else 3), card.side_length_mm(corner)
    depths_before = np.array([line.depths(lengths[0])[1] for line in before])[:, None, None]
    depths_after = np.array([line.depths(lengths[1])[0] for line in after])[None, :, None]

    def colors(points: tuple[tuple[float, float], ...]) -> np.ndarray:
        """(before, after, points, 3) Lab."""
        offsets = np.array(points)
        at_mm = points_along_side(corner, depths_before + offsets[:, 0], depths_after + offsets[:, 1], card.size)
        px = np.rint(card.raster_px(at_mm)).astype(int)
        columns = np.clip(px[:, 0], 0, lab.shape[1] - 1)
        rows = np.clip(px[:, 1], 0, lab.shape[0] - 1)
        values = lab[rows, columns].astype(np.float32) * np.array([100 / 255, 1, 1], np.float32)
        return values.reshape(len(before), len(after), len(points), 3)

    notch, inside, outside, rim = colors(NOTCH_MM), colors(INSIDE_MM), colors(OUTSIDE_MM), colors(RIM_MM)
    to_inside = np.median(_distances(notch, inside), axis=(2, 3))
    to_outside = np.median(_distances(notch, outside).min(axis=3), axis=2)
    is_notch = (to_inside - to_outside) / (to_inside + to_outside + NOISE_LAB)
    step = np.median(_distances(rim, outside).min(axis=3), axis=2)
    return np.asarray(np.minimum(is_notch, (step - NOISE_LAB) / (step + NOISE_LAB)), np.float64)


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(..., n, m) distances between (..., n, 3) and (..., m, 3) colors."""
    return np.asarray(np.linalg.norm(first[..., :, None, :] - second[..., None, :, :], axis=-1))


def candidate_lines(card: FlatCard, side: int) -> list[EdgeLine]:
    """The straight lines along a side that may be the card's edge, the detected side first."""
    length = card.side_length_mm(side)
    bands = extract_bands(
        card, side, start_mm=CORNER_CLEARANCE_MM, end_mm=length - CORNER_CLEARANCE_MM, depth_mm=MAX_DEPTH_MM + MARGIN_MM
    )
    contrast = edge_contrast(bands)
    strength = contrast_score(local_maxima(contrast), CLEAR_CONTRAST, FULL_CONTRAST)
    reach = min(-MIN_DEPTH_MM, max(float(card.visible_margin_mm[side]) - 0.2, 0.0))
    votes = line_votes(strength, bands.along_mm, bands.row_mm, SLOPES)
    votes[:, (bands.depth_mm < -reach) | (bands.depth_mm > MAX_DEPTH_MM)] = 0
    best = votes.max(axis=0)
    lines = [EdgeLine(0.0, 0.0, float(best[np.abs(bands.depth_mm) < MIN_DISTANCE_MM].max(initial=0.0)))]
    for row in np.argsort(-best):
        if best[row] < MIN_VOTE or len(lines) > CANDIDATES:
            break
        depth = float(bands.depth_mm[row])
        if all(abs(depth - line.depth_mm) >= MIN_DISTANCE_MM for line in lines[1:]):
            lines.append(EdgeLine(depth, float(SLOPES[votes[:, row].argmax()]), float(best[row])))
    return lines


def find_nested_card(card: FlatCard) -> list[EdgeLine] | None:
    """The lines of the card inside the detected quad: top, right, bottom, left; None if the quad is the best choice.

    The score of four lines is the evidence of their corners, their contrast and how well they keep the proportions.
    """
    detected = float(corner_evidence(card, [EdgeLine(0.0, 0.0)] * 4).mean())
    if detected >= MIN_ROUNDED:
        return None
    sides = [candidate_lines(card, side) for side in range(4)]
    lab = _blurred_lab(card)
    evidence = [_evidence(card, lab, sides[corner - 1], sides[corner], corner) for corner in range(4)]
    best, best_score = None, _score(card, sides, evidence, (0, 0, 0, 0))
    for chosen in product(*(range(len(lines)) for lines in sides)):
        corners = _corner_scores(evidence, chosen)
        if corners.mean() < max(MIN_ROUNDED, detected + MIN_IMPROVEMENT) or corners.min() < MIN_CORNER:
            continue
        score = _score(card, sides, evidence, chosen)
        if score > best_score:
            best, best_score = chosen, score
    return None if best is None else [lines[index] for lines, index in zip(sides, best, strict=True)]


def quad_of_lines(card: FlatCard, lines: list[EdgeLine]) -> np.ndarray:
    """(4, 2) intersections of four lines in pixels of the picture, clockwise from the top left."""
    points_and_directions = []
    for side, line in enumerate(lines):
        length = card.side_length_mm(side)
        start, end = card.picture_px(points_along_side(side, np.array([0.0, length]), line.depths(length), card.size))
        points_and_directions.append((start, (end - start) / np.linalg.norm(end - start)))
    quad = quad_from_lines(points_and_directions)
    assert quad is not None  # the lines are within a few degrees of the card's sides
    return quad


def _corner_scores(evidence: list[np.ndarray], chosen: tuple[int, ...]) -> np.ndarray:
    return np.array([evidence[corner][chosen[corner - 1], chosen[corner]] for corner in range(4)])


def _score(card: FlatCard, sides: list[list[EdgeLine]], evidence: list[np.ndarray], chosen: tuple[int, ...]) -> float:
    lines = [side[index] for side, index in zip(sides, chosen, strict=True)]
    top, right, bottom, left = (line.depth_mm for line in lines)
    width, height = card.size.width_mm, card.size.height_mm
    # Compared in pixels of the picture: the millimeters are those of the quad, which may not be the card's.
    quad = card.quad
    across = (
        float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2 * (1 - (left + right) / width)
    )
    down = (
        float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2 * (1 - (top + bottom) / height)
    )
    aspect = min(across / down, down / across)
    deviation = min(abs(np.log(aspect * size.height_mm / size.width_mm)) for size in (TRADING, JAPANESE_SMALL))
    corners = _corner_scores(evidence, chosen)
    votes = sum(line.vote for line in lines)
    return float(corners.sum() + VOTE_WEIGHT * votes - 0.5 * min((deviation / ASPECT_SIGMA) ** 2, 9.0))
