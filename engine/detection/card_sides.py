"""Comparison of the two sides of a card: the same side twice, and the back where the front belongs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

# Mean colors, in cells, of the backs of Pokemon (international, Japanese, Japanese until 2001) and Magic cards, built
# by `tools/back_designs.py`.
DESIGNS = Path(__file__).with_name("back_designs.npy")
THUMBNAIL_SIZE = (32, 24)  # height, width
CELLS = (8, 11)  # width, height
# Correlation of the cells with the nearest design. Of 590 real fronts of Pokemon cards the highest is 0.69, of their
# 293 backs 90 % are above the limit.
MIN_BACK_CORRELATION = 0.8
# Correlation of two pictures of one side. Of 290 real pairs of a front and a back the highest is 0.62.
MIN_SAME_CORRELATION = 0.97


def card_thumbnail(card: np.ndarray) -> np.ndarray:
    """Average a rectified card, (H, W, 3) uint8, to (32, 24, 3), on which two sides are compared."""
    return cv2.resize(card, THUMBNAIL_SIZE[::-1], interpolation=cv2.INTER_AREA)


def show_same_side(first: np.ndarray, second: np.ndarray) -> bool:
    """Return True if two thumbnails show the same side of a card, in the same direction, upside down or mirrored."""
    reference = _normalized(first)
    turned = (second, second[::-1, ::-1], second[:, ::-1], second[::-1])
    return max(float(reference @ _normalized(view)) for view in turned) > MIN_SAME_CORRELATION


def is_known_back(thumbnail: np.ndarray) -> bool:
    """Return True if a thumbnail shows the back of a card, of a design that is known."""
    cells = [design_cells(np.ascontiguousarray(turned)) for turned in (thumbnail, thumbnail[::-1, ::-1])]
    return float((np.stack(cells) @ _designs().T).max()) > MIN_BACK_CORRELATION


def design_cells(thumbnail: np.ndarray) -> np.ndarray:
    """Average a thumbnail to 8 x 11 cells and normalize each color, which removes exposure and white balance."""
    return _normalized(cv2.resize(thumbnail, CELLS, interpolation=cv2.INTER_AREA))


def _normalized(rgb: np.ndarray) -> np.ndarray:
    """Flatten, with zero mean of each color and unit length; all zero for a picture of one color."""
    centered = rgb.astype(np.float64) - rgb.mean(axis=(0, 1))
    return np.asarray((centered / max(float(np.linalg.norm(centered)), 1e-9)).ravel())


@cache
def _designs() -> np.ndarray:
    """The known designs, (N, 264) float64, each of unit length."""
    designs = np.load(DESIGNS, allow_pickle=False).astype(np.float64)
    return np.asarray(designs / np.linalg.norm(designs, axis=1, keepdims=True))
