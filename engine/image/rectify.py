"""The card's quad in a picture to an upright rectangle, and what its size in millimetres is.

Coordinates are those of pixel centres: the first pixel's centre is (0, 0), a picture W wide spans -0.5 .. W - 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from engine.image.perspective import view_of
from engine.image.quads import side_lengths

MOST_SUPERSAMPLING = 8
PAIRS_FROM = 2.7


@dataclass(frozen=True)
class CardSize:
    """A card's size in millimetres, and the name of that size."""

    width_mm: float
    height_mm: float
    name: str


TRADING = CardSize(63.0, 88.0, "trading card")
SPORTS = CardSize(63.5, 88.9, "sports card")
JAPANESE_SMALL = CardSize(59.0, 86.0, "Japanese small")
# 63 : 88 and 59 : 86 are 4.3 % apart. Trading and sports cards differ by 0.2 % and are told apart by the game alone.
ASPECT_TOLERANCE = 0.021
TOLERANCE_FOR_TILT = 0.1
UNUSUAL_HEIGHT_MM = 88.0
SMALL_GAMES = ("yu-gi-oh", "yugioh", "vanguard")
SPORTS_GAMES = ("baseball", "basketball", "football", "hockey", "soccer", "sport")


def card_size(quad: np.ndarray, game: str = "", *, picture_size: tuple[int, int] | None = None) -> CardSize:
    """The size of the card in a quad: the game's where it is known, else the one that the measured aspect fits.

    quad          (4, 2) pixels, clockwise from the printed top left
    game          as people write it, or empty
    picture_size  (height, width) of the picture, to undo the perspective; None takes the card as seen straight on

    An aspect more than 2.1 % from every known one (5 % at 45 degrees of tilt) is unusual: its width is taken from
    the aspect, its height is assumed to be 88 mm, and its name says so.
    """
    named = game.lower()
    if any(word in named for word in SMALL_GAMES):
        return JAPANESE_SMALL
    if any(word in named for word in SPORTS_GAMES):
        return SPORTS
    view = view_of(quad, picture_size)
    upright = min(view.aspect, 1 / view.aspect)
    misfit = {size: abs(upright * size.height_mm / size.width_mm - 1) for size in (TRADING, JAPANESE_SMALL)}
    nearest = min(misfit, key=lambda size: misfit[size])
    if misfit[nearest] <= ASPECT_TOLERANCE + TOLERANCE_FOR_TILT * (1 - math.cos(math.radians(view.tilt_deg))):
        return nearest
    name = f"unusual size, {upright:.3f} wide to high, {UNUSUAL_HEIGHT_MM:g} mm high assumed"
    return CardSize(UNUSUAL_HEIGHT_MM * upright, UNUSUAL_HEIGHT_MM, name)


def px_per_mm(quad: np.ndarray, size: CardSize) -> float:
    """How many pixels of the picture show one millimetre of the card, as the mean over its area."""
    x, y = quad[:, 0], quad[:, 1]
    area_px = 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    return float(np.sqrt(area_px / (size.width_mm * size.height_mm)))


def finest_px_per_mm(quad: np.ndarray, size: CardSize) -> float:
    """The same along the side that shows most: at this density nothing of the picture is lost."""
    top, right, bottom, left = side_lengths(quad)
    width, height = size.width_mm, size.height_mm
    return float(max(top / width, bottom / width, left / height, right / height))


def rectify(rgb: np.ndarray, quad: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """Warp the card to an upright rectangle.

    rgb      (H, W, 3) uint8
    quad     (4, 2) pixels (x, y), clockwise from the printed top left
    size     (height, width) in pixels
    returns  (height, width, 3) uint8; where the quad leaves the picture, the picture's edge is repeated

    The warp goes to a whole multiple of the size and that is averaged by area, so that no pixel of the picture is
    skipped: within 45 dB of supersampling without end, whatever the ratio. Enlarging interpolates with cubics.
    """
    picture, corners = _surroundings(rgb, quad)
    least, most = _shrinking(corners, size)
    while least > MOST_SUPERSAMPLING:
        picture, corners = _halved(picture), (corners + 0.5) / 2 - 0.5
        least, most = least / 2, most / 2
    # Samples two pixels apart, each the mean of 2 x 2 pixels, see every pixel once for a quarter of the warping.
    if least > PAIRS_FROM:
        picture, corners = _means_of_pairs(picture), corners - 0.5
        most = max(most / 2 - 0.3, 1.5)
    times = min(max(math.ceil(most), 2), MOST_SUPERSAMPLING)
    smooth = cv2.INTER_CUBIC if most <= 1 else cv2.INTER_LINEAR
    fine = _warp(picture, corners, (size[0] * times, size[1] * times), smooth)
    return cv2.resize(fine, size[::-1], interpolation=cv2.INTER_AREA)


def _warp(rgb: np.ndarray, quad: np.ndarray, size: tuple[int, int], smooth: int) -> np.ndarray:
    height, width = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - 0.5
    onto = cv2.getPerspectiveTransform(quad.astype(np.float32), corners.astype(np.float32))
    return cv2.warpPerspective(rgb, onto, (width, height), flags=smooth, borderMode=cv2.BORDER_REPLICATE)


def _surroundings(rgb: np.ndarray, quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the picture that the warp can touch, and the quad in it."""
    margin = 4
    low = np.clip(np.floor(quad.min(axis=0)).astype(int) - margin, 0, np.array(rgb.shape[1::-1]) - 1)
    high = np.maximum(np.ceil(quad.max(axis=0)).astype(int) + margin + 1, low + 1)
    return rgb[low[1] : high[1], low[0] : high[0]], quad - low


def _shrinking(quad: np.ndarray, size: tuple[int, int]) -> tuple[float, float]:
    """Pixels of the picture per pixel of the result: where it is fewest, and where it is most."""
    height, width = size
    top, right, bottom, left = side_lengths(quad)
    ratios = (top / width, bottom / width, left / height, right / height)
    return float(min(ratios)), float(max(ratios))


def _halved(rgb: np.ndarray) -> np.ndarray:
    height, width = max(rgb.shape[0] // 2, 1), max(rgb.shape[1] // 2, 1)
    return cv2.resize(rgb[: height * 2, : width * 2], (width, height), interpolation=cv2.INTER_AREA)


def _means_of_pairs(rgb: np.ndarray) -> np.ndarray:
    """The mean of each pixel with its neighbours right and below; one row and one column fewer.

    Two blends of shifted views: a third of the time that OpenCV's box filter takes for 2 x 2.
    """
    rows = cv2.addWeighted(rgb[:-1], 0.5, rgb[1:], 0.5, 0)
    return cv2.addWeighted(rows[:, :-1], 0.5, rows[:, 1:], 0.5, 0)


def canvas_window(quad: np.ndarray, picture: tuple[int, int], size: int) -> tuple[slice, slice]:
    """Rows and columns that the card of a quad fills on its square canvas: centred, its aspect kept.

    picture  (height, width) of the picture the quad lies in
    size     side of the canvas in pixels
    """
    aspect = view_of(quad, picture).aspect
    height = max(1, round(size * min(1.0, 1 / aspect)))
    width = max(1, round(size * min(1.0, aspect)))
    y, x = (size - height) // 2, (size - width) // 2
    return slice(y, y + height), slice(x, x + width)


def card_canvas(rgb: np.ndarray, quad: np.ndarray, *, size: int) -> np.ndarray:
    """The upright card centred in a black square, its aspect kept: the picture the model's channels derive from.

    quad     (4, 2) pixels, clockwise from the printed top left
    returns  (size, size, 3) uint8
    """
    rows, columns = canvas_window(quad, rgb.shape[:2], size)
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[rows, columns] = rectify(rgb, quad, size=(rows.stop - rows.start, columns.stop - columns.start))
    return canvas


def whole_card(rgb: np.ndarray, quad: np.ndarray, size: CardSize, *, most_px_per_mm: float = 20.0) -> np.ndarray:
    """The upright card at the picture's own resolution, at most 20 px/mm: what a person and the measurements look at.

    returns  (height, width, 3) uint8, the same number of pixels for each millimetre both ways
    """
    density = min(finest_px_per_mm(quad, size), most_px_per_mm)
    return rectify(rgb, quad, size=(max(1, round(size.height_mm * density)), max(1, round(size.width_mm * density))))
