"""The card's quad in a picture to an upright rectangle, and what its size in millimetres is.

Coordinates are those of pixel centres: the first pixel's centre is (0, 0), a picture W wide spans -0.5 .. W - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

MOST_SUPERSAMPLING = 8


@dataclass(frozen=True)
class CardSize:
    """A card's size in millimetres, and the name of that size."""

    width_mm: float
    height_mm: float
    name: str


TRADING = CardSize(63.0, 88.0, "trading card")
SPORTS = CardSize(63.5, 88.9, "sports card")
JAPANESE_SMALL = CardSize(59.0, 86.0, "Japanese small")


def card_size(quad: np.ndarray, game: str = "") -> CardSize:
    """The size of the card in a quad, (4, 2) pixels clockwise from the printed top left."""
    del quad
    return SPORTS if "sport" in game.lower() else TRADING


def side_lengths(quad: np.ndarray) -> np.ndarray:
    """Lengths in pixels of the top, right, bottom and left side of a (4, 2) quad; returns (4,) float64."""
    return np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)


def px_per_mm(quad: np.ndarray, size: CardSize) -> float:
    """How many pixels of the picture show one millimetre of the card, as the mean over its area."""
    x, y = quad[:, 0], quad[:, 1]
    area_px = 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    return float(np.sqrt(area_px / (size.width_mm * size.height_mm)))


def rectify(rgb: np.ndarray, quad: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """Warp the card to an upright rectangle.

    rgb      (H, W, 3) uint8
    quad     (4, 2) pixels (x, y), clockwise from the printed top left
    size     (height, width) in pixels
    returns  (height, width, 3) uint8; where the quad leaves the picture, the picture's edge is repeated

    The warp goes to a whole multiple of the size, fine enough that no pixel of the picture is skipped, and that is
    averaged down by area: antialiased everywhere, whatever the perspective.
    """
    height, width = size
    top, right, bottom, left = side_lengths(quad)
    finest = max(top / width, bottom / width, left / height, right / height)
    times = min(max(ceil(finest), 1), MOST_SUPERSAMPLING)
    fine_height, fine_width = height * times, width * times
    corners = np.array([(0, 0), (fine_width, 0), (fine_width, fine_height), (0, fine_height)], np.float64) - 0.5
    onto = cv2.getPerspectiveTransform(quad.astype(np.float32), corners.astype(np.float32))
    smooth = cv2.INTER_LINEAR if times > 1 else cv2.INTER_CUBIC
    fine = cv2.warpPerspective(rgb, onto, (fine_width, fine_height), flags=smooth, borderMode=cv2.BORDER_REPLICATE)
    return fine if times == 1 else cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)


def canvas_window(quad: np.ndarray, size: int) -> tuple[slice, slice]:
    """Rows and columns of a square canvas, `size` pixels wide, that the card of a quad fills: centred, aspect kept."""
    top, right, bottom, left = side_lengths(quad)
    aspect = (top + bottom) / (left + right)
    height = round(size * min(1.0, 1 / aspect))
    width = round(size * min(1.0, aspect))
    y, x = (size - height) // 2, (size - width) // 2
    return slice(y, y + height), slice(x, x + width)


def card_canvas(rgb: np.ndarray, quad: np.ndarray, *, size: int) -> np.ndarray:
    """The upright card centred in a black square, its aspect kept: the picture the model's channels derive from.

    returns  (size, size, 3) uint8
    """
    rows, columns = canvas_window(quad, size)
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[rows, columns] = rectify(rgb, quad, size=(rows.stop - rows.start, columns.stop - columns.start))
    return canvas
