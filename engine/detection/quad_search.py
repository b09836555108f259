"""Search for the card's four sides: lines with a high edge probability that together have a card's aspect."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.detection.edge_network import DEPTHS, POSITIONS, depth_offsets_px, position_fractions, predict_edges
from engine.image.perspective import aspects_and_tilts
from engine.image.quads import longer_side, side_directions

KNOWN_ASPECTS = (63 / 88, 59 / 86)
# Largest difference in depth between a line's ends, in bins, and the number of slopes tried.
MAX_SLOPE, SLOPES = 16, 17
CANDIDATES = 4
# Non-maximum suppression: a line competes with those within three depths and two slopes of it.
SUPPRESSION_DEPTHS, SUPPRESSION_WINDOW = 3.0, (5, 7)
NEIGHBOR_WEIGHTS = np.array([[0.5, 1, 0.5]], np.float32)
# Floor of a position's edge probability, which limits the penalty of one hidden by a finger or by glare.
MIN_PROBABILITY = 0.02
# Neighboring positions are correlated: a side's sixteen count as this many independent ones.
EFFECTIVE_POSITIONS = 4.0
# Prior probability of an unusual size, and the relative standard deviation of a usual card's measured aspect.
UNUSUAL_SIZE_PRIOR, ASPECT_SIGMA = 0.12, 0.015


@dataclass(frozen=True)
class ScoredQuad:
    """Best quad of a search.

    quad              (4, 2) float64 pixels
    side_confidences  (4,) mean edge probability along each side, 0 .. 1
    card_probability  probability of exactly one card, 0 .. 1
    """

    quad: np.ndarray
    side_confidences: np.ndarray
    card_probability: float


def search_quad(rgb: np.ndarray, quad: np.ndarray, *, reach: float) -> ScoredQuad:
    """Find the four sides that together make the most probable card.

    rgb    (H, W, 3) uint8
    quad   (4, 2) clockwise pixels, accurate to within `reach`
    reach  search range on both sides of a line, as a fraction of the quad's longer side
    """
    reach_px = reach * longer_side(quad)
    probabilities, card_probability = predict_edges(rgb, quad, reach_px)
    lines, scores = _candidate_lines(probabilities)
    combinations = np.indices((CANDIDATES,) * 4).reshape(4, -1).T
    sides = np.arange(4)
    side_lines = _homogeneous_lines(quad, depth_offsets_px(reach_px), lines)[sides, combinations]
    intersections = np.cross(side_lines[:, [3, 0, 1, 2]], side_lines)
    corners = intersections[..., :2] / intersections[..., 2:]
    deviation = aspect_deviation(corners, rgb.shape[:2])
    usual = np.exp(-0.5 * (deviation / ASPECT_SIGMA) ** 2)
    log_prior = np.log(UNUSUAL_SIZE_PRIOR + (1 - UNUSUAL_SIZE_PRIOR) * usual)
    log_posterior = EFFECTIVE_POSITIONS * scores[sides, combinations].sum(axis=1) + log_prior
    best = int(np.nanargmax(log_posterior))
    return ScoredQuad(corners[best], np.exp(scores[sides, combinations[best]]), card_probability)


def _candidate_lines(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the best lines of each side after non-maximum suppression.

    probabilities  (4, POSITIONS, DEPTHS)
    returns        (4, CANDIDATES, 2) depth indices at the first and the last position, and (4, CANDIDATES) mean log
                   probabilities
    """
    slopes = np.linspace(-MAX_SLOPE, MAX_SLOPE, SLOPES)
    scores = _line_scores(probabilities, slopes)
    lines, best = np.empty((4, CANDIDATES, 2)), np.empty((4, CANDIDATES))
    for side, score in enumerate(scores):
        peaks = np.where(score >= cv2.dilate(score, np.ones(SUPPRESSION_WINDOW, np.uint8)), score, -np.inf).ravel()
        highest = np.argpartition(-peaks, CANDIDATES)[:CANDIDATES]
        best[side] = peaks[highest]
        for rank, (row, column) in enumerate(zip(*np.divmod(highest, DEPTHS), strict=True)):
            lines[side, rank] = _refine_line(probabilities[side], column + slopes[row] * np.array([-0.5, 0.5]))
    return lines, best


def _line_scores(probabilities: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Return the mean log probability along each line, (4, SLOPES, DEPTHS), by slope and depth of its midpoint."""
    # A line may run between two depths, so the neighboring bins count too.
    smoothed = cv2.filter2D(probabilities.reshape(-1, DEPTHS), -1, NEIGHBOR_WEIGHTS, borderType=cv2.BORDER_CONSTANT)
    votes = np.log(MIN_PROBABILITY + (1 - MIN_PROBABILITY) * np.minimum(smoothed, 1)).reshape(4, POSITIONS, DEPTHS)
    margin = MAX_SLOPE // 2
    votes = np.pad(votes, ((0, 0), (0, 0), (margin, margin)), constant_values=np.log(MIN_PROBABILITY))
    shifts = margin + np.rint(slopes[:, None] * np.linspace(-0.5, 0.5, POSITIONS)).astype(int)
    shifted = np.lib.stride_tricks.sliding_window_view(votes, DEPTHS, axis=2)
    return np.asarray(shifted[:, np.arange(POSITIONS), shifts].mean(axis=2))


def _refine_line(probabilities: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Refit a line's two end depths to the probabilities near it by weighted least squares."""
    position = np.linspace(0, 1, POSITIONS)
    depth = np.arange(DEPTHS)
    line_depth = (ends[0] + (ends[1] - ends[0]) * position)[:, None]
    nearby = probabilities * (np.abs(depth - line_depth) < SUPPRESSION_DEPTHS)
    weight = nearby.sum(axis=1)
    mean_depth = (nearby @ depth) / np.maximum(weight, 1e-6)
    basis = np.column_stack([1 - position, position])
    ridge = 0.02 * np.eye(2)
    return np.asarray(
        np.linalg.solve(basis.T @ (basis * weight[:, None]) + ridge, basis.T @ (mean_depth * weight) + ridge @ ends)
    )


def _homogeneous_lines(quad: np.ndarray, depths_px: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return the coefficients of each line a x + b y + c = 0 in the picture, (4, CANDIDATES, 3)."""
    _, normals = side_directions(quad)
    first, last = position_fractions(POSITIONS)[[0, -1]]
    sides = quad[[1, 2, 3, 0]] - quad
    offsets_px = depths_px[0] + lines * (depths_px[1] - depths_px[0])
    start = (quad + sides * first)[:, None] + normals[:, None] * offsets_px[..., :1]
    end = (quad + sides * last)[:, None] + normals[:, None] * offsets_px[..., 1:]
    ones = np.ones((*start.shape[:-1], 1))
    return np.cross(np.concatenate([start, ones], axis=-1), np.concatenate([end, ones], axis=-1))


def aspect_deviation(corners: np.ndarray, picture_size: tuple[int, int]) -> np.ndarray:
    """Return each quad's relative deviation from the nearest known aspect, (N,)."""
    aspects, _ = aspects_and_tilts(corners, picture_size)
    portrait_aspects = np.minimum(aspects, 1 / aspects)
    return np.asarray(np.abs(portrait_aspects[:, None] / np.array(KNOWN_ASPECTS) - 1).min(axis=1))
