"""A picture whose card is left alone while what lies around it is painted over: a slab's label, or anything else."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

# Where a slab's label lies: heights of the card above its top, and widths of it beyond its sides.
LABEL_FROM, LABEL_TO, LABEL_BEYOND = 0.06, 0.36, 0.12
# Laying a card flat reads two pixels beyond its sides.
READ_BEYOND_PX = 3.0
# Nothing is painted nearer to the card than a share of its height drawn from here.
LEAST_GAP = (0.015, 0.08)
SHIFT = 4  # fillConvexPoly takes sixteenths of a pixel


def label_painted(random: Generator, rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """The label's area above a card, (4, 2) pixels from its printed top left, in one colour of the picture's own."""
    painted = rgb.copy()
    near = max(LABEL_FROM, READ_BEYOND_PX / float(np.linalg.norm(quad[3] - quad[0])))
    _fill(painted, _label_area(quad, near, LABEL_TO, LABEL_BEYOND), _own_colour(random, rgb).tolist())
    return painted


def painted_around(random: Generator, rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """One to three areas around a card filled with a colour, noise, or another part of the picture.

    rgb      (H, W, 3) uint8, left as it is
    quad     (4, 2) pixels from the printed top left
    returns  (H, W, 3) uint8, the same picture on the card and a little around it
    """
    painted = rgb.copy()
    middle = quad.mean(axis=0)
    kept = middle + (quad - middle) * (1 + 2 * random.uniform(*LEAST_GAP))
    for _ in range(random.integers(1, 4)):
        area = np.zeros(rgb.shape[:2], np.uint8)
        where = _label_like(random, quad) if random.random() < 0.6 else _anywhere(random, quad)
        _fill(area, where, 1)
        _fill(area, kept, 0)
        painted[area > 0] = _filling(random, rgb)[area > 0]
    return painted


def _label_like(random: Generator, quad: np.ndarray) -> np.ndarray:
    near = random.uniform(0.01, 0.12)
    return _label_area(quad, near, near + random.uniform(0.08, 0.4), random.uniform(-0.2, 0.3))


def _label_area(quad: np.ndarray, near: float, far: float, beyond: float) -> np.ndarray:
    return _area(quad, np.array([(-beyond, -far), (1 + beyond, -far), (1 + beyond, -near), (-beyond, -near)]))


def _anywhere(random: Generator, quad: np.ndarray) -> np.ndarray:
    middle, half = random.uniform(-0.6, 1.6, 2), random.uniform(0.05, 0.6, 2)
    return _area(quad, middle + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]))


def _area(quad: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points in widths and heights of the card from its top left, in pixels."""
    return quad[0] + shares[:, :1] * (quad[1] - quad[0]) + shares[:, 1:] * (quad[3] - quad[0])


def _filling(random: Generator, rgb: np.ndarray) -> np.ndarray:
    lot = random.random()
    if lot < 0.25:
        return np.roll(rgb, tuple(random.integers(0, rgb.shape[:2])), axis=(0, 1))
    ink = _own_colour(random, rgb) if lot < 0.75 else random.integers(0, 256, 3)
    grain = random.normal(0, random.uniform(0, 12), rgb.shape)
    return np.clip(ink + grain, 0, 255).astype(np.uint8)


def _own_colour(random: Generator, rgb: np.ndarray) -> np.ndarray:
    return np.asarray(rgb[random.integers(rgb.shape[0]), random.integers(rgb.shape[1])])


def _fill(picture: np.ndarray, corners: np.ndarray, ink: int | list[int]) -> None:
    at = np.clip(corners * 2**SHIFT, -1e6, 1e6).round().astype(np.int32)
    cv2.fillConvexPoly(picture, at, ink, cv2.LINE_8, SHIFT)
