"""Where the card is in a picture: its quad, what kind of picture it is, and how sure that is.

One small network sees roughly where (`outline`), a second sees where along each side the card ends (`ends`, `choose`),
and the picture's own edges say exactly where (`sides`).
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from engine.detection.mask_to_quad import quad_of_cover
from engine.detection.quad_search import KNOWN_ASPECTS, choose_sides, misfit
from engine.detection.segmentation import KINDS, SIDE, STATUSES, Outline, outline
from engine.detection.subpixel_edges import measure_sides
from engine.image.detection import Found, Kind, NoCard, NothingLikeACard
from engine.image.quads import clockwise, crossings, directions, longer_side, side_lengths

SEEN_SIDE = 2 * SIDE
# Card height in pixels at which its sides are chosen, and how far to look, as shares of the height: twice, finer.
CHOOSING_CARD, REACHES = 220, (0.2, 0.08)
# Refused where both networks together are less sure of one whole card: so were 96 % of 160 pictures without one, and
# none of 160 simulated and 98 real ones with.
LEAST_SURE_OF_ONE = 0.35
# Card height in pixels, how far the measured edge may lie and how near it is expected, as shares of the height.
MEASURED_CARD, MEASURED_REACH, MEASURED_SURE = 1300, 0.010, 0.004
# The narrowest cards are half as wide as high; tilted by 45 degrees they look a third as wide. Less is no card.
NARROWEST = 0.25
TOP_IS_KNOWN = 0.6
# A side this near the picture's border, as a share of the card's height, lies on it.
ON_THE_BORDER = 0.006
# A picture of a card's proportions within the first, filled within the second by something that is not surely a card,
# was cropped to its card: what was found is a printed frame. Not surely: less sure than the third, or of proportions
# that no card has by more than the fourth. So were all of 16 frames found in 100 cropped simulated cards; of 94 scans
# with a margin those whose card was found right were not.
CROPPED_TOLERANCE, FILLS_WITHIN, SURELY_A_CARD, MISSHAPEN = 0.006, 0.08, 0.56, 0.006
REFUSALS = {
    "none": "no card found; lay the card flat on a plain ground and keep its four corners in the picture",
    "many": "more than one card; photograph each card by itself",
    "cut": "the card runs out of the picture; step back until its four corners are in it",
}


def find_card(rgb: np.ndarray) -> Found:
    """Find the one card in an upright (H, W, 3) uint8 picture; raises NoCard where there is not one whole card."""
    halvings = _halvings(rgb)
    seen = outline(_shown(halvings, SEEN_SIDE)[0], rgb.shape[:2])
    rough = quad_of_cover(seen.cover) if seen.status[0] > LEAST_SURE_OF_ONE else None
    if rough is None:
        raise _refusal(seen)
    rough = clockwise(seen.to_picture(rough))
    share = longer_side(rough) / max(rgb.shape[:2])
    picture, scale = _shown(halvings, CHOOSING_CARD / share)
    quad = _scaled(rough, scale)
    for reach in REACHES:
        chosen = choose_sides(picture, quad, reach=reach)
        quad = chosen.quad
    sure_of_one = float(seen.status[0] * chosen.is_card)
    if sure_of_one < LEAST_SURE_OF_ONE:
        raise _refusal(seen)
    if side_lengths(quad).min() < NARROWEST * longer_side(quad):
        raise _refusal(seen)
    confidence = sure_of_one * float(chosen.clarity.mean())
    quad, on_border = _onto_border(_scaled(quad, 1 / scale), rgb, confidence)
    picture, scale = _shown(halvings, MEASURED_CARD / share)
    measured = measure_sides(picture, _scaled(quad, scale), reach=MEASURED_REACH, sure=MEASURED_SURE, held=on_border)
    quad = _scaled(measured.quad, 1 / scale)
    quad, upright_known = _from_printed_top_left(quad, seen)
    return Found(
        cast(Kind, KINDS[int(seen.kind.argmax())]),
        quad,
        confidence,
        whole_picture=bool(on_border.all()),
        upright_known=upright_known,
        bow_px=float(np.abs(measured.bow_px).max() / scale),
        note="" if upright_known else "which way is up could not be told from the print",
    )


def _refusal(seen: Outline) -> NoCard:
    chances = dict(zip(STATUSES, seen.status, strict=True))
    status = max(REFUSALS, key=lambda status: chances[status])
    in_a_slab = KINDS[int(seen.kind.argmax())] == "slab"
    kind = NothingLikeACard if status == "none" and not in_a_slab else NoCard
    return kind(REFUSALS[status])


def bounds(size: tuple[int, int]) -> np.ndarray:
    """The quad of a whole picture of that height and width: (4, 2) float64."""
    height, width = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - 0.5


def _halvings(rgb: np.ndarray) -> list[np.ndarray]:
    """The picture, its half, its quarter and so on, each the mean of 2 x 2 pixels of the one before."""
    pictures = [rgb]
    while max(pictures[-1].shape[:2]) >= 2 * SEEN_SIDE:
        height, width = (n // 2 for n in pictures[-1].shape[:2])
        if min(height, width) < 1:
            break
        finer = pictures[-1][: height * 2, : width * 2]
        pictures.append(cv2.resize(finer, (width, height), interpolation=cv2.INTER_AREA))
    return pictures


def _shown(halvings: list[np.ndarray], long_side: float) -> tuple[np.ndarray, float]:
    """The smallest of the halvings whose longer side has that many pixels, or the whole picture; and its scale."""
    times = 0
    while times + 1 < len(halvings) and max(halvings[times + 1].shape[:2]) >= long_side:
        times += 1
    return halvings[times], 0.5**times


def _scaled(quad: np.ndarray, scale: float) -> np.ndarray:
    return (quad + 0.5) * scale - 0.5


def _onto_border(quad: np.ndarray, rgb: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Lay sides that run along the picture's border onto it; which ones, (4,) bool."""
    height, width = rgb.shape[:2]
    limits = bounds(rgb.shape[:2])
    if _cropped_to_a_card(quad, rgb, confidence):
        return clockwise(limits), np.ones(4, bool)
    near = ON_THE_BORDER * longer_side(quad)
    _, normals = directions(quad)
    on_border, lines = np.zeros(4, bool), []
    for side in range(4):
        ends = quad[[side, (side + 1) % 4]].copy()
        axis = int(np.argmax(np.abs(normals[side])))
        limit = (width, height)[axis] - 0.5 if normals[side, axis] > 0 else -0.5
        if (np.abs(ends[:, axis] - limit) < near).all():
            ends[:, axis] = limit
            on_border[side] = True
        lines.append((ends[0], (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])))
    moved = crossings(lines)
    return (quad, np.zeros(4, bool)) if moved is None else (moved, on_border)


def _cropped_to_a_card(quad: np.ndarray, rgb: np.ndarray, confidence: float) -> bool:
    """Whether a picture has a card's proportions and nearly all of it lies in a quad that is not surely a card's."""
    away = np.abs(clockwise(quad) - bounds(rgb.shape[:2])).max() / longer_side(quad)
    doubtful = confidence < SURELY_A_CARD or misfit(quad[None], rgb.shape[:2])[0] > MISSHAPEN
    return has_a_card_s_shape(rgb) and bool(away < FILLS_WITHIN and doubtful)


def has_a_card_s_shape(rgb: np.ndarray) -> bool:
    """Whether a whole (H, W, 3) picture has a known card's proportions, upright or lying."""
    aspect = min(rgb.shape[:2]) / max(rgb.shape[:2])
    return any(abs(aspect / known - 1) < CROPPED_TOLERANCE for known in KNOWN_ASPECTS)


def _from_printed_top_left(quad: np.ndarray, seen: Outline) -> tuple[np.ndarray, bool]:
    """Turn the corners' order so that the first side is the printed top; and whether that is known."""
    lengths = side_lengths(quad)
    _, normals = directions(quad)
    strength = float(np.linalg.norm(seen.upward))
    if strength > TOP_IS_KNOWN:
        return np.roll(quad, -int(np.argmax(normals @ seen.upward)), axis=0), True
    # A card stands higher than wide; of its two short sides the upper one, or the left one, is likelier the top.
    short = np.roll(lengths, 1) + np.roll(lengths, -1) - 2 * lengths
    likely = normals @ np.array([-0.1, -1.0]) + np.where(short > 0, 2, 0)
    return np.roll(quad, -int(np.argmax(likely)), axis=0), False
