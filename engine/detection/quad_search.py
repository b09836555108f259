"""Which four lines are the card's sides: those where the card likely ends, and that together have a card's shape."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.detection.edge_network import DEPTHS, POSITIONS, depths, likely_ends, positions
from engine.image.perspective import views_of
from engine.image.quads import directions, longer_side

KNOWN_ASPECTS = (63 / 88, 59 / 86)
# A line's ends lie at most this many depths apart: the outline may be turned, but not by much.
MOST_SLOPE, SLOPES = 16, 17
CANDIDATES = 4
# Lines compete with those within three depths, and two slopes, of them.
APART_DEPTHS, APART = 3.0, (5, 7)
NEIGHBOURS = np.array([[0.5, 1, 0.5]], np.float32)
# A position hidden by a finger or by glare votes against every line; more than this it shall not count.
LEAST_CHANCE = 0.02
# Neighbouring positions see the same: a side's sixteen are worth this many that do not.
EFFECTIVE_POSITIONS = 4.0
# One card in eight is of an unusual size; the others have known proportions, measured to this share.
UNUSUAL, SHAPE_TOLERANCE = 0.12, 0.015


@dataclass(frozen=True)
class Chosen:
    """A quad chosen among the lines that a picture shows.

    quad     (4, 2) float64 pixels
    clarity  (4,) how surely the card ends on each side's line, 0 .. 1
    is_card  how surely there is one card at all, 0 .. 1
    """

    quad: np.ndarray
    clarity: np.ndarray
    is_card: float


def choose_sides(rgb: np.ndarray, quad: np.ndarray, *, reach: float) -> Chosen:
    """The four sides that together make the likeliest card.

    rgb    (H, W, 3) uint8
    quad   (4, 2) clockwise pixels, right to within `reach`
    reach  how far to look to either side, as a share of the quad's longer side
    """
    reach_px = reach * longer_side(quad)
    chances, is_card = likely_ends(rgb, quad, reach_px)
    lines, scores = _candidates(chances)
    picks = np.indices((CANDIDATES,) * 4).reshape(4, -1).T
    sides = np.arange(4)
    through = _rays(quad, depths(reach_px), lines)[sides, picks]
    meeting = np.cross(through[:, [3, 0, 1, 2]], through)
    corners = meeting[..., :2] / meeting[..., 2:]
    misshapen = misfit(corners, rgb.shape[:2])
    usual = np.exp(-0.5 * (misshapen / SHAPE_TOLERANCE) ** 2)
    worth = EFFECTIVE_POSITIONS * scores[sides, picks].sum(axis=1) + np.log(UNUSUAL + (1 - UNUSUAL) * usual)
    best = int(np.nanargmax(worth))
    return Chosen(corners[best], np.exp(scores[sides, picks[best]]), is_card)


def _candidates(chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest lines of each side: those that no line near them beats.

    chances  (4, POSITIONS, DEPTHS)
    returns  (4, CANDIDATES, 2) depth indices at the first and the last position, and (4, CANDIDATES) their mean
             logarithmic chances
    """
    slopes = np.linspace(-MOST_SLOPE, MOST_SLOPE, SLOPES)
    scores = _scores(chances, slopes)
    lines, best = np.empty((4, CANDIDATES, 2)), np.empty((4, CANDIDATES))
    for side, score in enumerate(scores):
        peaks = np.where(score >= cv2.dilate(score, np.ones(APART, np.uint8)), score, -np.inf).ravel()
        highest = np.argpartition(-peaks, CANDIDATES)[:CANDIDATES]
        best[side] = peaks[highest]
        for rank, (row, column) in enumerate(zip(*np.divmod(highest, DEPTHS), strict=True)):
            lines[side, rank] = _refined(chances[side], column + slopes[row] * np.array([-0.5, 0.5]))
    return lines, best


def _scores(chances: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """The mean logarithmic chance along each line, (4, SLOPES, DEPTHS): the depth is that of its middle."""
    # A line may run between two depths; the neighbours' chances count with it.
    wide = cv2.filter2D(chances.reshape(-1, DEPTHS), -1, NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
    votes = np.log(LEAST_CHANCE + (1 - LEAST_CHANCE) * np.minimum(wide, 1)).reshape(4, POSITIONS, DEPTHS)
    margin = MOST_SLOPE // 2
    votes = np.pad(votes, ((0, 0), (0, 0), (margin, margin)), constant_values=np.log(LEAST_CHANCE))
    shifts = margin + np.rint(slopes[:, None] * np.linspace(-0.5, 0.5, POSITIONS)).astype(int)
    shifted = np.lib.stride_tricks.sliding_window_view(votes, DEPTHS, axis=2)
    return np.asarray(shifted[:, np.arange(POSITIONS), shifts].mean(axis=2))


def _refined(chances: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """A line's two ends moved to where the chances around it are: least squares, each position weighed by them."""
    share = np.linspace(0, 1, POSITIONS)
    at = np.arange(DEPTHS)
    near = chances * (np.abs(at - (ends[0] + (ends[1] - ends[0]) * share)[:, None]) < APART_DEPTHS)
    weight = near.sum(axis=1)
    middle = (near @ at) / np.maximum(weight, 1e-6)
    basis = np.column_stack([1 - share, share])
    pull = 0.02 * np.eye(2)
    return np.asarray(
        np.linalg.solve(basis.T @ (basis * weight[:, None]) + pull, basis.T @ (middle * weight) + pull @ ends)
    )


def _rays(quad: np.ndarray, depths_px: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Each line as a x + b y + c = 0 in the picture: (4, CANDIDATES, 3)."""
    _, normals = directions(quad)
    first, last = positions(POSITIONS)[[0, -1]]
    onward = quad[[1, 2, 3, 0]] - quad
    px = depths_px[0] + lines * (depths_px[1] - depths_px[0])
    p = (quad + onward * first)[:, None] + normals[:, None] * px[..., :1]
    q = (quad + onward * last)[:, None] + normals[:, None] * px[..., 1:]
    ones = np.ones((*p.shape[:-1], 1))
    return np.cross(np.concatenate([p, ones], axis=-1), np.concatenate([q, ones], axis=-1))


def misfit(corners: np.ndarray, picture_size: tuple[int, int]) -> np.ndarray:
    """How far each quad's proportions are from the nearest known ones, as a share."""
    aspects, _ = views_of(corners, picture_size)
    upright = np.minimum(aspects, 1 / aspects)
    return np.asarray(np.abs(upright[:, None] / np.array(KNOWN_ASPECTS) - 1).min(axis=1))
