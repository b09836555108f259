"""Millimetres on a card and pixels of the picture it lies in: one perspective between the two.

Millimetres are measured from the card's printed top left corner, x to the right and y down.
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.image.rectify import CardSize


def corners_mm(size: CardSize) -> np.ndarray:
    """(4, 2) mm: a card's corners, clockwise from the top left."""
    width, height = size.width_mm, size.height_mm
    return np.array([(0, 0), (width, 0), (width, height), (0, height)])


def millimetres_to_picture(quad: np.ndarray, size: CardSize) -> np.ndarray:
    """(3, 3) perspective from millimetres on a card to pixels of the picture in which `quad` are its corners."""
    return np.asarray(cv2.getPerspectiveTransform(corners_mm(size).astype(np.float32), quad.astype(np.float32)))


def mapped(by: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(..., 2) points through a (3, 3) perspective."""
    points = np.asarray(points, np.float64)
    return np.asarray(cv2.perspectiveTransform(points.reshape(1, -1, 2), by).reshape(points.shape))
