"""Which four lines are the card's sides: those where the card likely ends, and that together have a card's shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.image.ends import DEPTHS, POSITIONS, depths, likely_ends, positions
from engine.image.perspective import views_of
from engine.image.quads import directions, longer_side

KNOWN_ASPECTS = (63 / 88, 59 / 86)
# How far to look to either side, as a share of the quad's longer side.
REACH = 0.16
# A line's ends lie at most this many depths apart: the outline may be turned, but not by much.
MOST_SLOPE, SLOPES = 16, 17
CANDIDATES = 4
APART_DEPTHS = 3.0
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


def choose_sides(rgb: np.ndarray, quad: np.ndarray) -> Chosen:
    """The four sides that together make the likeliest card.

    rgb   (H, W, 3) uint8
    quad  (4, 2) clockwise pixels, right to within REACH
    """
    reach_px = REACH * longer_side(quad)
    chances, is_card = likely_ends(rgb, quad, reach_px)
    lines, scores = _candidates(chances)
    picks = np.indices((CANDIDATES,) * 4).reshape(4, -1).T
    sides = np.arange(4)
    through = _rays(quad, depths(reach_px), lines)[sides, picks]
    meeting = np.cross(through[:, [3, 0, 1, 2]], through)
    corners = meeting[..., :2] / meeting[..., 2:]
    misfit = _misfit(corners, rgb.shape[:2])
    usual = np.exp(-0.5 * (misfit / SHAPE_TOLERANCE) ** 2)
    worth = EFFECTIVE_POSITIONS * scores[sides, picks].sum(axis=1) + np.log(UNUSUAL + (1 - UNUSUAL) * usual)
    best = int(np.nanargmax(worth))
    return Chosen(corners[best], np.exp(scores[sides, picks[best]]), is_card)


def _candidates(chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest lines of each side.

    chances  (4, POSITIONS, DEPTHS)
    returns  (4, CANDIDATES, 2) depth indices at the first and the last position, and (4, CANDIDATES) their mean
             logarithmic chances; where a side has fewer, the last are -inf
    """
    slopes = np.linspace(-MOST_SLOPE, MOST_SLOPE, SLOPES)
    shifts = np.rint(slopes[:, None] * np.linspace(-0.5, 0.5, POSITIONS)).astype(int)
    index = np.arange(DEPTHS) + shifts[:, :, None]
    outside = (index < 0) | (index >= DEPTHS)
    index = np.clip(index, 0, DEPTHS - 1) + np.arange(POSITIONS)[:, None] * DEPTHS
    # A line may run between two depths; the neighbours' chances count with it.
    wide = chances + 0.5 * np.pad(chances, ((0, 0), (0, 0), (1, 1)))[..., :-2]
    wide += 0.5 * np.pad(chances, ((0, 0), (0, 0), (1, 1)))[..., 2:]
    votes = np.log(LEAST_CHANCE + (1 - LEAST_CHANCE) * np.minimum(wide, 1)).reshape(4, -1)[:, index]
    scores = np.where(outside, np.log(LEAST_CHANCE), votes).mean(axis=2)
    lines = np.zeros((4, CANDIDATES, 2))
    best = np.full((4, CANDIDATES), -np.inf)
    for side, score in enumerate(scores):
        for rank in range(CANDIDATES):
            row, column = divmod(int(np.argmax(score)), DEPTHS)
            best[side, rank] = score[row, column]
            ends = column + slopes[row] * np.array([-0.5, 0.5])
            lines[side, rank] = _refined(chances[side], ends)
            away = np.maximum(
                np.abs(np.arange(DEPTHS) - slopes[:, None] / 2 - ends[0]),
                np.abs(np.arange(DEPTHS) + slopes[:, None] / 2 - ends[1]),
            )
            score[away < APART_DEPTHS] = -np.inf
    return lines, best


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


def _misfit(corners: np.ndarray, picture_size: tuple[int, int]) -> np.ndarray:
    """How far each quad's proportions are from the nearest known ones, as a share."""
    aspects, _ = views_of(corners, picture_size)
    upright = np.minimum(aspects, 1 / aspects)
    return np.asarray(np.abs(upright[:, None] / np.array(KNOWN_ASPECTS) - 1).min(axis=1))
