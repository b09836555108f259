"""Homography between card coordinates (mm) and picture coordinates (pixels).

Card coordinates start at the printed top left corner, x to the right and y down.
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.image.rectify import CardSize


def corners_mm(size: CardSize) -> np.ndarray:
    """Return a card's corners, (4, 2) mm, clockwise from the top left."""
    width, height = size.width_mm, size.height_mm
    return np.array([(0, 0), (width, 0), (width, height), (0, height)])


def millimeters_to_picture(quad: np.ndarray, size: CardSize) -> np.ndarray:
    """Return the (3, 3) homography from mm on a card to pixels of the picture in which `quad` is the card."""
    return np.asarray(cv2.getPerspectiveTransform(corners_mm(size).astype(np.float32), quad.astype(np.float32)))


def apply_homography(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (..., 2) points by a (3, 3) homography."""
    points = np.asarray(points, np.float64)
    return np.asarray(cv2.perspectiveTransform(points.reshape(1, -1, 2), homography).reshape(points.shape))
