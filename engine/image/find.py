"""Where the card is in a picture: its quad, what kind of picture it is, and how sure that is.

A small network says roughly where (`outline`), the picture's own edges say exactly where (`sides`).
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from engine.image.found import Found, Kind, NoCard, NothingLikeACard
from engine.image.outline import KINDS, SIDE, STATUSES, Outline, outline
from engine.image.sides import choose_sides, clockwise, directions, longer_side, measure_sides, quad_of_cover

KNOWN_ASPECTS = (63 / 88, 59 / 86)
SEEN_SIDE = 2 * SIDE
# Shares of the card's height: how far the network's outline may be off, how far it mostly is, and how much too small
# it may be. A printed frame deceives it inwards, but for a slab, where what lies outside is the case.
REACH = 0.08
SURE = 0.02
SLACK = 0.06
CHOOSING_CARD = 220
# Refused below this probability of one whole card; a good real photo lay between it and a half.
LEAST_SURE_OF_ONE = 0.35
# Card height in pixels, how far to look and how near the side is expected, as shares of the height: twice, finer.
MEASURING = ((400, 0.015, 0.008), (1300, 0.006, 0.003))
TOP_IS_KNOWN = 0.6
# Pixels of the network's input between the card and the picture's border below which they are taken to touch.
AT_THE_BORDER = 2.5
# A picture that is all card and has a card's proportions within this was cropped to it.
CROPPED_TOLERANCE = 0.006
REFUSALS = {
    "none": "no card found; lay the card flat on a plain ground and keep its four corners in the picture",
    "many": "more than one card; photograph each card by itself",
    "cut": "the card runs out of the picture; step back until its four corners are in it",
}


def find_card(rgb: np.ndarray) -> Found:
    """Find the one card in an upright (H, W, 3) uint8 picture; raises NoCard where there is not one whole card."""
    halvings = _halvings(rgb)
    seen = outline(_shown(halvings, SEEN_SIDE)[0], rgb.shape[:2])
    chances = dict(zip(STATUSES, seen.status, strict=True))
    if chances["one"] < LEAST_SURE_OF_ONE:
        raise _refusal(max(REFUSALS, key=lambda status: chances[status]), seen)
    rough = quad_of_cover(seen.cover)
    if rough is None:
        raise _refusal("none", seen)
    rough = clockwise(seen.to_picture(rough))
    share = longer_side(rough) / max(rgb.shape[:2])
    picture, scale = _shown(halvings, CHOOSING_CARD / share)
    near_bounds = _touching(rough, seen, rgb)
    if near_bounds.all() and _has_a_card_s_shape(rgb):
        quad, on_border = bounds(rgb), near_bounds
    else:
        chosen, on_border = choose_sides(
            picture,
            _scaled(rough, scale),
            reach=REACH,
            sure=SURE,
            slack=SLACK * (1 - seen.kind[2]),
            aspects=KNOWN_ASPECTS,
            at_bounds=near_bounds,
        )
        quad = _scaled(chosen, 1 / scale)
    for card_px, reach, sure in MEASURING:
        picture, scale = _shown(halvings, card_px / share)
        measured = measure_sides(picture, _scaled(quad, scale), reach=reach, sure=sure, held=on_border)
        quad = _scaled(measured.quad, 1 / scale)
    quad, upright_known = _from_printed_top_left(quad, seen)
    return Found(
        cast(Kind, KINDS[int(seen.kind.argmax())]),
        quad,
        float(seen.status[0] * np.clip(measured.support.mean() / 0.7, 0, 1)),
        whole_picture=bool(on_border.all()),
        upright_known=upright_known,
        bow_px=float(np.abs(measured.bow_px).max() / scale),
        note="" if upright_known else "which way is up could not be told from the print",
    )


def _refusal(status: str, seen: Outline) -> NoCard:
    in_a_slab = KINDS[int(seen.kind.argmax())] == "slab"
    kind = NothingLikeACard if status == "none" and not in_a_slab else NoCard
    return kind(REFUSALS[status])


def bounds(rgb: np.ndarray) -> np.ndarray:
    """The quad of a whole picture: (4, 2) float64."""
    height, width = rgb.shape[:2]
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


def _has_a_card_s_shape(rgb: np.ndarray) -> bool:
    aspect = min(rgb.shape[:2]) / max(rgb.shape[:2])
    return any(abs(aspect / known - 1) < CROPPED_TOLERANCE for known in KNOWN_ASPECTS)


def _touching(rough: np.ndarray, seen: Outline, rgb: np.ndarray) -> np.ndarray:
    """Which sides of the card may be the picture's own border, (4,) bool: the network sees card nearly up to it."""
    height, width = rgb.shape[:2]
    onward = np.roll(rough, -1, axis=0)
    _, normals = directions(rough)
    touching = np.zeros(4, bool)
    for side in range(4):
        axis = int(np.argmax(np.abs(normals[side])))
        limit = (width, height)[axis] - 0.5 if normals[side, axis] > 0 else -0.5
        ends = np.array([rough[side, axis], onward[side, axis]])
        touching[side] = (np.abs(ends - limit) < AT_THE_BORDER / seen.scale).all()
    return touching


def _from_printed_top_left(quad: np.ndarray, seen: Outline) -> tuple[np.ndarray, bool]:
    """Turn the corners' order so that the first side is the printed top; and whether that is known."""
    lengths = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    _, normals = directions(quad)
    strength = float(np.linalg.norm(seen.upward))
    if strength > TOP_IS_KNOWN:
        return np.roll(quad, -int(np.argmax(normals @ seen.upward)), axis=0), True
    # A card stands higher than wide; of its two short sides the upper one, or the left one, is likelier the top.
    short = np.roll(lengths, 1) + np.roll(lengths, -1) - 2 * lengths
    likely = normals @ np.array([-0.1, -1.0]) + np.where(short > 0, 2, 0)
    return np.roll(quad, -int(np.argmax(likely)), axis=0), False
