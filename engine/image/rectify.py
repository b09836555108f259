"""Rectification of a card's quad to an upright rectangle, and the card's size in mm.

Coordinates are those of pixel centers: the first pixel's center is (0, 0), a picture W wide spans -0.5 .. W - 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from engine.image.perspective import quad_geometry
from engine.image.quads import side_lengths

# Size of a model's canvas in pixels: the side of a square, or (height, width).
CanvasSize = int | tuple[int, int]
MAX_SUPERSAMPLING = 8
MIN_PAIRING_RATIO = 2.7


@dataclass(frozen=True)
class CardSize:
    """Named card size in mm."""

    width_mm: float
    height_mm: float
    name: str


TRADING = CardSize(63.0, 88.0, "trading card")
SPORTS = CardSize(63.5, 88.9, "sports card")
JAPANESE_SMALL = CardSize(59.0, 86.0, "Japanese small")
# 63 : 88 and 59 : 86 differ by 4.3 %. Trading and sports cards differ by 0.2 % and are not told apart.
ASPECT_TOLERANCE = 0.021
TOLERANCE_FOR_TILT = 0.1
ASSUMED_HEIGHT_MM = 88.0
UNUSUAL_SIZE = f"unusual size, longer side of {ASSUMED_HEIGHT_MM:g} mm assumed"
# Largest difference, as a logarithm, between the aspects of a card and of the upright canvas that it fills. The
# detected aspect of a standard card is within it; 512 / 704 is 1.6 % wider than a card.
MAX_STRETCH = 0.08


def card_size(quad: np.ndarray, *, picture_size: tuple[int, int] | None = None) -> CardSize:
    """Return the size of the card in a quad: the known size that fits its aspect.

    quad          (4, 2) pixels, clockwise from the printed top left
    picture_size  (height, width) of the picture, to remove the perspective; None assumes no perspective

    A card wider than high is printed lengthwise and has the known size turned by 90 degrees. An aspect more than 2.1 %
    from every known one (5 % at 45 degrees of tilt) is unusual: the longer side is assumed to be 88 mm and the other
    follows from the aspect.
    """
    geometry = quad_geometry(quad, picture_size)
    size = _upright_size(min(geometry.aspect, 1 / geometry.aspect), geometry.tilt_deg)
    return size if geometry.aspect <= 1 else CardSize(size.height_mm, size.width_mm, size.name)


def _upright_size(aspect: float, tilt_deg: float) -> CardSize:
    deviation = {size: abs(aspect * size.height_mm / size.width_mm - 1) for size in (TRADING, JAPANESE_SMALL)}
    nearest = min(deviation, key=lambda size: deviation[size])
    if deviation[nearest] <= ASPECT_TOLERANCE + TOLERANCE_FOR_TILT * (1 - math.cos(math.radians(tilt_deg))):
        return nearest
    return CardSize(ASSUMED_HEIGHT_MM * aspect, ASSUMED_HEIGHT_MM, UNUSUAL_SIZE)


def upright_quad(quad: np.ndarray, picture_size: tuple[int, int] | None = None) -> np.ndarray:
    """Return the quad of the card turned upright: the left side of a card printed lengthwise becomes its top.

    The network and the comparison of two sides get every card higher than wide, as nearly all cards are.

    quad          (4, 2) pixels, clockwise from the printed top left
    picture_size  (height, width) of the picture, to remove the perspective
    """
    return np.roll(quad, 1, axis=0) if quad_geometry(quad, picture_size).aspect > 1 else quad


def px_per_mm(quad: np.ndarray, size: CardSize) -> float:
    """Return the pixels of the picture per mm of the card, averaged over its area."""
    x, y = quad[:, 0], quad[:, 1]
    area_px = 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    return float(np.sqrt(area_px / (size.width_mm * size.height_mm)))


def detected_px_per_mm(quad: np.ndarray) -> float:
    """Return the pixels per mm of a detected card."""
    return px_per_mm(quad, card_size(quad))


def finest_px_per_mm(quad: np.ndarray, size: CardSize) -> float:
    """Return the pixels per mm along the side with the highest resolution; at this density no detail is lost."""
    top, right, bottom, left = side_lengths(quad)
    width, height = size.width_mm, size.height_mm
    return float(max(top / width, bottom / width, left / height, right / height))


def rectify(rgb: np.ndarray, quad: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """Warp the card to an upright rectangle.

    rgb      (H, W, 3) uint8
    quad     (4, 2) pixels (x, y), clockwise from the printed top left
    size     (height, width) in pixels
    returns  (height, width, 3) uint8; outside the picture its border pixels are repeated

    The card is warped to an integer multiple of the size and averaged by area, so that every pixel of the picture
    contributes: within 45 dB of unlimited supersampling at any ratio. Enlarging uses cubic interpolation.
    """
    picture, corners = _crop_to_quad(rgb, quad)
    min_ratio, max_ratio = _min_max_ratio(corners, size)
    while min_ratio > MAX_SUPERSAMPLING:
        picture, corners = _halve(picture), (corners + 0.5) / 2 - 0.5
        min_ratio, max_ratio = min_ratio / 2, max_ratio / 2
    # Samples two pixels apart, each the mean of 2 x 2 pixels, cover every pixel once for a quarter of the warping.
    if min_ratio > MIN_PAIRING_RATIO:
        picture, corners = _average_pairs(picture), corners - 0.5
        max_ratio = max(max_ratio / 2 - 0.3, 1.5)
    supersampling = min(max(math.ceil(max_ratio), 2), MAX_SUPERSAMPLING)
    interpolation = cv2.INTER_CUBIC if max_ratio <= 1 else cv2.INTER_LINEAR
    supersampled = _warp(picture, corners, (size[0] * supersampling, size[1] * supersampling), interpolation)
    return cv2.resize(supersampled, size[::-1], interpolation=cv2.INTER_AREA)


def _warp(rgb: np.ndarray, quad: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    height, width = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - 0.5
    homography = cv2.getPerspectiveTransform(quad.astype(np.float32), corners.astype(np.float32))
    return cv2.warpPerspective(rgb, homography, (width, height), flags=interpolation, borderMode=cv2.BORDER_REPLICATE)


def _crop_to_quad(rgb: np.ndarray, quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of the picture that the warp can read, and the quad in its coordinates."""
    margin = 4
    low = np.clip(np.floor(quad.min(axis=0)).astype(int) - margin, 0, np.array(rgb.shape[1::-1]) - 1)
    high = np.maximum(np.ceil(quad.max(axis=0)).astype(int) + margin + 1, low + 1)
    return rgb[low[1] : high[1], low[0] : high[0]], quad - low


def _min_max_ratio(quad: np.ndarray, size: tuple[int, int]) -> tuple[float, float]:
    """Return the lowest and the highest number of picture pixels per output pixel among the four sides."""
    height, width = size
    top, right, bottom, left = side_lengths(quad)
    ratios = (top / width, bottom / width, left / height, right / height)
    return float(min(ratios)), float(max(ratios))


def _halve(rgb: np.ndarray) -> np.ndarray:
    height, width = max(rgb.shape[0] // 2, 1), max(rgb.shape[1] // 2, 1)
    return cv2.resize(rgb[: height * 2, : width * 2], (width, height), interpolation=cv2.INTER_AREA)


def _average_pairs(rgb: np.ndarray) -> np.ndarray:
    """Average each 2 x 2 block of pixels at stride 1; one row and one column fewer.

    Two blends of shifted arrays take a third of the time of OpenCV's 2 x 2 box filter.
    """
    rows = cv2.addWeighted(rgb[:-1], 0.5, rgb[1:], 0.5, 0)
    return cv2.addWeighted(rows[:, :-1], 0.5, rows[:, 1:], 0.5, 0)


def canvas_shape(size: CanvasSize) -> tuple[int, int]:
    """Return (height, width) in pixels."""
    return (size, size) if isinstance(size, int) else size


def canvas_window(quad: np.ndarray, picture: tuple[int, int], size: CanvasSize) -> tuple[slice, slice]:
    """Return the rows and columns of the card on its canvas: as large as fits, centered, aspect preserved.

    A card of nearly the shape of an upright canvas fills it, so that its edges are the canvas's.

    picture  (height, width) of the picture that contains the quad
    """
    aspect = quad_geometry(quad, picture).aspect
    canvas_height, canvas_width = canvas_shape(size)
    if canvas_height > canvas_width and abs(np.log(aspect * canvas_height / canvas_width)) <= MAX_STRETCH:
        return slice(0, canvas_height), slice(0, canvas_width)
    height = max(1, round(min(canvas_height, canvas_width * (1 / aspect))))
    width = max(1, round(min(canvas_width, canvas_height * aspect)))
    y, x = (canvas_height - height) // 2, (canvas_width - width) // 2
    return slice(y, y + height), slice(x, x + width)


def card_canvas(rgb: np.ndarray, quad: np.ndarray, *, size: CanvasSize) -> np.ndarray:
    """Rectify the card onto a black canvas, in its `canvas_window`: the source of the model's channels.

    quad     (4, 2) pixels, clockwise from the printed top left
    returns  (height, width, 3) uint8
    """
    rows, columns = canvas_window(quad, rgb.shape[:2], size)
    canvas = np.zeros((*canvas_shape(size), 3), np.uint8)
    canvas[rows, columns] = rectify(rgb, quad, size=(rows.stop - rows.start, columns.stop - columns.start))
    return canvas


def rectify_card(rgb: np.ndarray, quad: np.ndarray, size: CardSize, *, max_px_per_mm: float = 20.0) -> np.ndarray:
    """Rectify the card at the picture's own resolution, at most `max_px_per_mm`, for display and measurement.

    returns  (height, width, 3) uint8, with equal px/mm along both axes
    """
    density = min(finest_px_per_mm(quad, size), max_px_per_mm)
    return rectify(rgb, quad, size=(max(1, round(size.height_mm * density)), max(1, round(size.width_mm * density))))
