"""Augmentation of a card's surroundings: painting over a slab's label or other areas, leaving the card unchanged."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

# Position of a slab's label: range above the card's top in card heights, margin beyond its sides in card widths.
LABEL_NEAR, LABEL_FAR, LABEL_BEYOND = 0.06, 0.36, 0.12
# Rectification reads two pixels beyond the card's sides.
RECTIFY_MARGIN_PX = 3.0
# Range of the gap around the card that stays unpainted, as fractions of the card's size.
MIN_GAP_RANGE = (0.015, 0.08)
SUBPIXEL_BITS = 4  # fillConvexPoly takes sixteenths of a pixel


def paint_over_label(random: Generator, rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Fill the label area above a card, quad (4, 2) pixels from the printed top left, with one color of the picture."""
    painted = rgb.copy()
    near = max(LABEL_NEAR, RECTIFY_MARGIN_PX / float(np.linalg.norm(quad[3] - quad[0])))
    _fill_quad(painted, _label_area(quad, near, LABEL_FAR, LABEL_BEYOND), _picture_color(random, rgb).tolist())
    return painted


def paint_surroundings(random: Generator, rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Fill one to three areas around a card with a color, noise, or another part of the picture.

    rgb      (H, W, 3) uint8, not modified
    quad     (4, 2) pixels from the printed top left
    returns  (H, W, 3) uint8, unchanged on the card and within a small gap around it
    """
    painted = rgb.copy()
    middle = quad.mean(axis=0)
    protected = middle + (quad - middle) * (1 + 2 * random.uniform(*MIN_GAP_RANGE))
    for _ in range(random.integers(1, 4)):
        mask = np.zeros(rgb.shape[:2], np.uint8)
        area = _random_label_area(random, quad) if random.random() < 0.6 else _random_area(random, quad)
        _fill_quad(mask, area, 1)
        _fill_quad(mask, protected, 0)
        painted[mask > 0] = _random_fill(random, rgb)[mask > 0]
    return painted


def _random_label_area(random: Generator, quad: np.ndarray) -> np.ndarray:
    near = random.uniform(0.01, 0.12)
    return _label_area(quad, near, near + random.uniform(0.08, 0.4), random.uniform(-0.2, 0.3))


def _label_area(quad: np.ndarray, near: float, far: float, beyond: float) -> np.ndarray:
    return _card_to_picture(
        quad, np.array([(-beyond, -far), (1 + beyond, -far), (1 + beyond, -near), (-beyond, -near)])
    )


def _random_area(random: Generator, quad: np.ndarray) -> np.ndarray:
    middle, half = random.uniform(-0.6, 1.6, 2), random.uniform(0.05, 0.6, 2)
    return _card_to_picture(quad, middle + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]))


def _card_to_picture(quad: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Convert points in card widths and heights from the top left to pixels, (N, 2)."""
    return quad[0] + points[:, :1] * (quad[1] - quad[0]) + points[:, 1:] * (quad[3] - quad[0])


def _random_fill(random: Generator, rgb: np.ndarray) -> np.ndarray:
    choice = random.random()
    if choice < 0.25:
        return np.roll(rgb, tuple(random.integers(0, rgb.shape[:2])), axis=(0, 1))
    ink = _picture_color(random, rgb) if choice < 0.75 else random.integers(0, 256, 3)
    grain = random.normal(0, random.uniform(0, 12), rgb.shape)
    return np.clip(ink + grain, 0, 255).astype(np.uint8)


def _picture_color(random: Generator, rgb: np.ndarray) -> np.ndarray:
    return np.asarray(rgb[random.integers(rgb.shape[0]), random.integers(rgb.shape[1])])


def _fill_quad(picture: np.ndarray, corners: np.ndarray, ink: int | list[int]) -> None:
    points = np.clip(corners * 2**SUBPIXEL_BITS, -1e6, 1e6).round().astype(np.int32)
    cv2.fillConvexPoly(picture, points, ink, cv2.LINE_8, SUBPIXEL_BITS)
