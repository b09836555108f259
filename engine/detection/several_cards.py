"""A second card in a picture in which one card was found: front and back side by side, or two cards.

Two upright cards next to each other have together the shape of one lying card, two lying cards above each other that of
an upright one. The networks often take them for it, or see only one of the two. So the card is searched again where a
card of the same size would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from engine.image.detection import Detection, NoCard
from engine.image.quads import side_lengths

Finder = Callable[[np.ndarray], Detection]
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels
# The narrowest cards are half as wide as high; what is narrower is two cards in a row.
MAX_DOUBLE_RATIO = 0.47
# Between two cards a line of background crosses the middle of what was found, from side to side: this fraction of it is
# within so many levels of its mean color. One is sampled a pixel, up to a limit.
GUTTER_SPAN, MAX_GUTTER_LINES, GUTTER_POSITIONS = (0.42, 0.58), 160, 32
MIN_GUTTER_FRACTION, MAX_GUTTER_LEVELS = 0.9, 20
# The halves reach beyond the quad by this fraction of its longer side, so that the outlines of the cards are visible.
MARGIN = 0.08
# Free space beside a card, as fractions of its width and height, in which another one is searched.
MIN_FREE = 0.9
# Relative tolerances of the sizes of two cards in one picture, and of a card's aspect.
SIZE_TOLERANCE, ASPECT_TOLERANCE, MIN_CONFIDENCE = 0.13, 0.13, 0.25
MIN_FREE_CONFIDENCE = 0.4
CARD_ASPECT = 63 / 88


def shows_two_cards(rgb: np.ndarray, detection: Detection | None, find: Finder) -> bool:
    """Return True if there is a second card in an (H, W, 3) uint8 picture.

    detection  the card that was found, or None if none was
    find       the detector, which raises NoCard
    """
    height, width = rgb.shape[:2]
    if detection is None:
        return _are_two_cards(rgb, _halves((0, 0, width, height)), find)
    quad = detection.quad
    low, high = quad.min(axis=0) + 0.5, quad.max(axis=0) + 0.5
    lengths = side_lengths(quad)
    is_double = lengths.min() < MAX_DOUBLE_RATIO * lengths.max()
    # Of two cards beside or above each other the networks see no printed top. A slab holds one card.
    may_be_two = not detection.upright_known and detection.kind != "slab"
    if is_double or (may_be_two and _has_gutter(rgb, quad)):
        margin = MARGIN * float((high - low).max())
        box = (low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin)
        if _are_two_cards(rgb, _halves(box), find):
            return True
    for part in _free_parts(low, high, (width, height)):
        found = _find_in(rgb, part, find)
        if found is not None and found.confidence >= MIN_FREE_CONFIDENCE and _is_same_size(found, detection):
            return True
    return False


def _has_gutter(rgb: np.ndarray, quad: np.ndarray) -> bool:
    """Return True if a line of one color crosses the middle of the quad, parallel to its shorter sides."""
    lengths = side_lengths(quad)
    # The first side becomes a shorter one.
    first, second, third, fourth = np.roll(quad, -int(lengths[0] > lengths[1]), axis=0)
    lines = min(MAX_GUTTER_LINES, int((GUTTER_SPAN[1] - GUTTER_SPAN[0]) * lengths.max()) + 1)
    along = np.linspace(*GUTTER_SPAN, lines)[:, None, None]
    across = np.linspace(0.01, 0.99, GUTTER_POSITIONS)[None, :, None]
    starts, ends = first + (fourth - first) * along, second + (third - second) * along
    points = np.rint(starts + (ends - starts) * across).astype(np.intp)
    columns, rows = np.clip(points, 0, np.array(rgb.shape[1::-1]) - 1).transpose(2, 0, 1)
    colors = rgb[rows, columns].astype(np.float32)
    deviations = np.abs(colors - colors.mean(axis=1, keepdims=True)).max(axis=2)
    return bool(((deviations < MAX_GUTTER_LEVELS).mean(axis=1) >= MIN_GUTTER_FRACTION).any())


def _halves(box: Box) -> tuple[Box, Box]:
    """Split a box across its longer side."""
    left, top, right, bottom = box
    if right - left > bottom - top:
        middle = (left + right) / 2
        return (left, top, middle, bottom), (middle, top, right, bottom)
    middle = (top + bottom) / 2
    return (left, top, right, middle), (left, middle, right, bottom)


def _free_parts(low: np.ndarray, high: np.ndarray, size: tuple[int, int]) -> Iterator[Box]:
    """Yield the parts of the picture beside, above and below a card in which another one has room."""
    (left, top), (right, bottom) = low, high
    width, height = size
    needed = MIN_FREE * (high - low)
    for part in ((0, 0, left, height), (right, 0, width, height), (0, 0, width, top), (0, bottom, width, height)):
        if part[2] - part[0] >= needed[0] and part[3] - part[1] >= needed[1]:
            yield part


def _are_two_cards(rgb: np.ndarray, parts: tuple[Box, Box], find: Finder) -> bool:
    """Return True if both parts show a card, and the two cards have one size."""
    first = _find_in(rgb, parts[0], find)
    if first is None or first.confidence < MIN_CONFIDENCE or not _has_card_aspect(first):
        return False
    second = _find_in(rgb, parts[1], find)
    return second is not None and second.confidence >= MIN_CONFIDENCE and _is_same_size(second, first)


def _find_in(rgb: np.ndarray, part: Box, find: Finder) -> Detection | None:
    left, top, right, bottom = (max(0, round(edge)) for edge in part)
    crop = rgb[top:bottom, left:right]
    if min(crop.shape[:2]) < 2:
        return None
    try:
        return find(np.ascontiguousarray(crop))
    except NoCard:
        return None


def _is_same_size(found: Detection, other: Detection) -> bool:
    difference = np.abs(np.log(_width_and_height(found) / _width_and_height(other)))
    return _has_card_aspect(found) and bool(difference.max() < SIZE_TOLERANCE)


def _width_and_height(detection: Detection) -> np.ndarray:
    """Return the mean lengths of the two shorter and of the two longer sides."""
    return np.sort(side_lengths(detection.quad)).reshape(2, 2).mean(axis=1)


def _has_card_aspect(detection: Detection) -> bool:
    width, height = _width_and_height(detection)
    return abs(width / height / CARD_ASPECT - 1) < ASPECT_TOLERANCE
