"""Card detection: the quad of the card in a picture, the kind of picture and a confidence.

Three stages: a segmentation network finds the rough quad (`segmentation`, `mask_to_quad`), a second network the edge
along each side (`edge_network`, `quad_search`), and line fits measure the sides to sub-pixel accuracy
(`subpixel_edges`).
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from engine.detection.mask_to_quad import mask_to_quad
from engine.detection.quad_search import KNOWN_ASPECTS, aspect_deviation, search_quad
from engine.detection.segmentation import INPUT_SIDE, STATUSES, Segmentation, segment
from engine.detection.subpixel_edges import refine_quad
from engine.image.detection import Detection, NoCard, NoCardLike, SeveralCards
from engine.image.perspective import quad_geometry
from engine.image.quads import clockwise, longer_side, quad_from_lines, side_directions, side_lengths
from engine.image.rectify import TRADING

SEGMENTATION_SIDE_PX = 2 * INPUT_SIDE
# Card height in pixels for the quad search, and the search range of its two passes, as fractions of the height.
SEARCH_CARD_PX, SEARCH_REACHES = 220, (0.2, 0.08)
# Product of both networks' probabilities of one whole card. Below it were 96 % of 160 pictures without one, and none of
# 160 simulated and 98 real pictures with one.
MIN_CARD_PROBABILITY = 0.35
# Card height in pixels for the sub-pixel stage, its search range and the standard deviation of the quad's error, as
# fractions of the height.
REFINE_CARD_PX, REFINE_REACH, REFINE_SIGMA = 1300, 0.010, 0.004
# The narrowest cards are half as wide as high; tilted by 45 degrees they look a third as wide.
MIN_SIDE_RATIO = 0.25
MIN_UPWARD_LENGTH = 0.6
# A card that lies in the picture with a weaker direction than this is printed lengthwise: 95 % of 40 drawn cards
# printed lengthwise have a weaker one, and 26 % of 315 real portrait cards that lie on a side.
MIN_PORTRAIT_LENGTH = 0.2
UP_UNKNOWN = "could not tell which way is up; if the card is upside down, turn the picture"
TAKEN_AS_LENGTHWISE = "taken as printed lengthwise, as it lies in the picture; if it is not, turn the picture"
# A side closer to the picture's border than this fraction of the card's height is moved onto it.
BORDER_TOLERANCE = 0.006
# A picture cropped to its card has a card's aspect (within the first tolerance), and the quad found in it, a printed
# frame, fills it (within the second) but is doubtful: its confidence is below the third or its aspect deviates from
# every card's by more than the fourth. This holds for all of the 16 frames found in 100 cropped simulated cards, and
# for none of the correctly detected cards in 94 scans with a margin.
CROPPED_ASPECT_TOLERANCE, FILLED_TOLERANCE, CERTAIN_CONFIDENCE, MAX_ASPECT_DEVIATION = 0.006, 0.08, 0.56, 0.006
# A picture cropped to its card, or slightly inside its edges, has about the aspect of an upright trading card; two
# cards next to each other have that of a lying one. The segmentation sees one card there, no slab, and covers a part
# of it; with a dark margin the outline found is the picture's, within the last tolerance. Of the eight refused ones of
# 592 pictures of real graded pairs these limits accept four, of 270 pieces of photos without a whole card one. The
# margin alone accepted 143 of those.
TRADING_ASPECT = TRADING.width_mm / TRADING.height_mm
CROP_ASPECT_TOLERANCE, CROP_MIN_PROBABILITY, CROP_MIN_MASK = 0.055, 0.45, 0.15
CROP_MARGIN, CROP_MARGIN_COLOR, CROP_TOLERANCE = 0.25, (20, 20, 20), 0.05
CROPPED_NOTE = "the picture is cropped to the card, so all of it is taken for the card"
REFUSAL_MESSAGES = {
    "none": "no card found; lay the card flat on a plain background and keep its four corners in the picture",
    "many": "more than one card; photograph each card by itself",
    "cut": "the card runs out of the picture; step back until its four corners are in it",
}


def find_card(rgb: np.ndarray) -> Detection:
    """Find the one card in an upright (H, W, 3) uint8 picture; raises NoCard unless there is exactly one whole card."""
    pyramid = _pyramid(rgb)
    segmentation = segment(_pyramid_level(pyramid, SEGMENTATION_SIDE_PX)[0], rgb.shape[:2])
    mask_quad = mask_to_quad(segmentation.mask) if segmentation.status[0] > MIN_CARD_PROBABILITY else None
    if mask_quad is None:
        raise _refusal(segmentation)
    rough_quad = clockwise(segmentation.to_picture(mask_quad))
    height_fraction = longer_side(rough_quad) / max(rgb.shape[:2])
    picture, scale = _pyramid_level(pyramid, SEARCH_CARD_PX / height_fraction)
    quad = _scale_quad(rough_quad, scale)
    for reach in SEARCH_REACHES:
        scored = search_quad(picture, quad, reach=reach)
        quad = scored.quad
    card_probability = float(segmentation.status[0] * scored.card_probability)
    if card_probability < MIN_CARD_PROBABILITY:
        raise _refusal(segmentation)
    if side_lengths(quad).min() < MIN_SIDE_RATIO * longer_side(quad):
        raise _refusal(segmentation)
    confidence = card_probability * float(scored.side_confidences.mean())
    quad, on_border = _snap_to_border(_scale_quad(quad, 1 / scale), rgb, confidence)
    picture, scale = _pyramid_level(pyramid, REFINE_CARD_PX / height_fraction)
    refined = refine_quad(
        picture, _scale_quad(quad, scale), reach=REFINE_REACH, sigma=REFINE_SIGMA, fixed_sides=on_border
    )
    quad = _scale_quad(refined.quad, 1 / scale)
    quad, upright_known = _order_from_printed_top(quad, segmentation.upward, rgb.shape[:2])
    is_lengthwise = quad_geometry(quad, rgb.shape[:2]).aspect > 1
    guess = TAKEN_AS_LENGTHWISE if is_lengthwise else UP_UNKNOWN
    return Detection(
        segmentation.picture_kind,
        quad,
        confidence,
        whole_picture=bool(on_border.all()),
        upright_known=upright_known,
        bow_px=float(np.abs(refined.bow_px).max() / scale),
        note="" if upright_known else guess,
    )


def find_cropped_card(rgb: np.ndarray) -> Detection | None:
    """Find a card that fills its picture, cropped at its edges or slightly inside them; None if that is not a card.

    The detector was trained on cards with a visible background. If it suspects one card in the picture, the picture
    gets a dark margin; the quad found then must be the picture's bounds, within a tolerance.
    """
    height, width = rgb.shape[:2]
    if abs(width / height / TRADING_ASPECT - 1) > CROP_ASPECT_TOLERANCE:
        return None
    segmentation = segment(_pyramid_level(_pyramid(rgb), SEGMENTATION_SIDE_PX)[0], (height, width))
    is_slab = segmentation.picture_kind == "slab"
    if is_slab or segmentation.status[0] < CROP_MIN_PROBABILITY or segmentation.mask.mean() < CROP_MIN_MASK:
        return None
    margin = round(CROP_MARGIN * max(height, width))
    framed = cv2.copyMakeBorder(rgb, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=CROP_MARGIN_COLOR)
    try:
        detection = find_card(framed)
    except NoCard:
        return None
    # In the order of the quad found, whose first corner is the printed top left.
    rolled = np.stack([np.roll(picture_bounds((height, width)), turn, axis=0) for turn in range(4)])
    gaps_px = np.abs(rolled - (detection.quad - margin)).max(axis=(1, 2))
    if gaps_px.min() > CROP_TOLERANCE * max(height, width) or detection.kind == "slab":
        return None
    bounds = rolled[int(gaps_px.argmin())]
    return replace(detection, kind="scan", quad=bounds, whole_picture=True, note=CROPPED_NOTE)


def _refusal(segmentation: Segmentation) -> NoCard:
    probabilities = dict(zip(STATUSES, segmentation.status, strict=True))
    status = max(REFUSAL_MESSAGES, key=lambda status: probabilities[status])
    if status == "many":
        return SeveralCards(REFUSAL_MESSAGES[status])
    is_slab = segmentation.picture_kind == "slab"
    exception = NoCardLike if status == "none" and not is_slab else NoCard
    return exception(REFUSAL_MESSAGES[status])


def picture_bounds(size: tuple[int, int]) -> np.ndarray:
    """Return the quad of a whole picture of a (height, width): (4, 2) float64."""
    height, width = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - 0.5


def _pyramid(rgb: np.ndarray) -> list[np.ndarray]:
    """Build an image pyramid: each level averages 2 x 2 pixels of the one before."""
    levels = [rgb]
    while max(levels[-1].shape[:2]) >= 2 * SEGMENTATION_SIDE_PX:
        height, width = (n // 2 for n in levels[-1].shape[:2])
        if min(height, width) < 1:
            break
        finer = levels[-1][: height * 2, : width * 2]
        levels.append(cv2.resize(finer, (width, height), interpolation=cv2.INTER_AREA))
    return levels


def _pyramid_level(pyramid: list[np.ndarray], longer_side_px: float) -> tuple[np.ndarray, float]:
    """Return the smallest level whose longer side has at least that length, or the full picture; and its scale."""
    level = 0
    while level + 1 < len(pyramid) and max(pyramid[level + 1].shape[:2]) >= longer_side_px:
        level += 1
    return pyramid[level], 0.5**level


def _scale_quad(quad: np.ndarray, scale: float) -> np.ndarray:
    return (quad + 0.5) * scale - 0.5


def _snap_to_border(quad: np.ndarray, rgb: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Move sides that run along the picture's border onto it; returns the quad and the moved sides, (4,) bool."""
    height, width = rgb.shape[:2]
    if _is_cropped_card(quad, rgb, confidence):
        return clockwise(picture_bounds(rgb.shape[:2])), np.ones(4, bool)
    tolerance_px = BORDER_TOLERANCE * longer_side(quad)
    _, normals = side_directions(quad)
    on_border, lines = np.zeros(4, bool), []
    for side in range(4):
        ends = quad[[side, (side + 1) % 4]].copy()
        axis = int(np.argmax(np.abs(normals[side])))
        limit = (width, height)[axis] - 0.5 if normals[side, axis] > 0 else -0.5
        if (np.abs(ends[:, axis] - limit) < tolerance_px).all():
            ends[:, axis] = limit
            on_border[side] = True
        lines.append((ends[0], (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])))
    snapped = quad_from_lines(lines)
    return (quad, np.zeros(4, bool)) if snapped is None else (snapped, on_border)


def _is_cropped_card(quad: np.ndarray, rgb: np.ndarray, confidence: float) -> bool:
    """Return True if the picture has a card's aspect and is nearly filled by a quad that is doubtful as a card."""
    gap = np.abs(clockwise(quad) - picture_bounds(rgb.shape[:2])).max() / longer_side(quad)
    doubtful = confidence < CERTAIN_CONFIDENCE or aspect_deviation(quad[None], rgb.shape[:2])[0] > MAX_ASPECT_DEVIATION
    return has_card_aspect(rgb) and bool(gap < FILLED_TOLERANCE and doubtful)


def has_card_aspect(rgb: np.ndarray) -> bool:
    """Return True if the whole (H, W, 3) picture has the aspect of a known card size, in portrait or landscape."""
    aspect = min(rgb.shape[:2]) / max(rgb.shape[:2])
    return any(abs(aspect / card_aspect - 1) < CROPPED_ASPECT_TOLERANCE for card_aspect in KNOWN_ASPECTS)


def _order_from_printed_top(quad: np.ndarray, upward: np.ndarray, picture: tuple[int, int]) -> tuple[np.ndarray, bool]:
    """Rotate the order of the corners so that the first side is the printed top; returns also if that is certain.

    upward   (2,) direction (x, y) of the print's top; its length is its confidence
    picture  (height, width)
    """
    lengths = side_lengths(quad)
    _, normals = side_directions(quad)
    upward_length = float(np.linalg.norm(upward))
    if upward_length > MIN_UPWARD_LENGTH:
        return np.roll(quad, -int(np.argmax(normals @ upward)), axis=0), True
    as_pictured = np.roll(quad, int(-np.argmin(normals[:, 1])), axis=0)
    if upward_length < MIN_PORTRAIT_LENGTH and quad_geometry(as_pictured, picture).aspect > 1:
        return as_pictured, False
    # Most cards are higher than wide; of the two short sides the upper one, or the left one, is the likelier top.
    shortness = np.roll(lengths, 1) + np.roll(lengths, -1) - 2 * lengths
    score = normals @ np.array([-0.1, -1.0]) + np.where(shortness > 0, 2, 0)
    return np.roll(quad, -int(np.argmax(score)), axis=0), False
