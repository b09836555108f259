"""Inputs of control models (background, label, whole picture), to measure shortcut learning."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from engine.detection.find_card import picture_bounds
from engine.detection.read_and_find import read_and_find
from engine.image.read import BadPicture
from engine.image.rectify import CanvasSize, card_canvas

# Margin blanked around the card, in widths and heights: the detected quad is off by up to 1 % of the card's height.
BLANK_MARGIN = 0.03
# Bounds of the slab label: card heights above the card's top, and card widths beyond its sides. The label reaches up to
# .36 card heights above a standard card, .66 above a small tobacco card.
LABEL_BOTTOM, LABEL_TOP, LABEL_SIDE = 0.04, 0.75, 0.9
NO_LABEL = "shows no slab, so it has no label; leave it out, or train with input_region=background"


def without_card(path: Path, *, size: CanvasSize) -> np.ndarray:
    """Whole picture, (height, width, 3) uint8, with the card blacked out; a slab's label stays visible.

    The black area still shows the position and tilt of the card. Raises BadPicture.
    """
    rgb, detection = read_and_find(path)
    blanked = rgb.copy()
    blank_range = (-BLANK_MARGIN, 1 + BLANK_MARGIN)
    quad = _card_rectangle(detection.quad, blank_range, blank_range)
    cv2.fillConvexPoly(blanked, (quad * 16).round().astype(np.int32), (0, 0, 0), cv2.LINE_8, 4)
    return card_canvas(blanked, picture_bounds(rgb.shape[:2]), size=size)


def slab_label(path: Path, *, size: CanvasSize) -> np.ndarray:
    """Label of a slab, (height, width, 3) uint8: the area above the card. Raises BadPicture if there is no slab."""
    rgb, detection = read_and_find(path)
    if detection.kind != "slab":
        raise BadPicture(f"{path.name}: {NO_LABEL}")
    (left, top), (right, _) = _picture_extent(detection.quad, picture_bounds(rgb.shape[:2]))
    x_range = max(left, -LABEL_SIDE), min(right, 1 + LABEL_SIDE)
    y_range = min(max(top, -LABEL_TOP), -2 * LABEL_BOTTOM), -LABEL_BOTTOM
    label = _card_rectangle(detection.quad, x_range, y_range)
    return card_canvas(rgb, label, size=size)


def whole_picture(path: Path, *, size: CanvasSize) -> np.ndarray:
    """Whole picture, including a slab's label, (height, width, 3) uint8. Raises BadPicture if no card is found.

    A model trained on it can read the grade from the label instead of the card.
    """
    rgb, _ = read_and_find(path)
    return card_canvas(rgb, picture_bounds(rgb.shape[:2]), size=size)


def _picture_extent(quad: np.ndarray, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and maximum (x, y) of the picture's corners, in card widths and heights from the card's top left."""
    card = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    homography = cv2.getPerspectiveTransform(quad.astype(np.float32), card)
    corners = cv2.perspectiveTransform(picture[None].astype(np.float64), homography)[0]
    return corners.min(axis=0), corners.max(axis=0)


def _card_rectangle(quad: np.ndarray, x_range: tuple[float, float], y_range: tuple[float, float]) -> np.ndarray:
    """Corners, (4, 2) pixels of the picture, of a rectangle in card widths and heights from the card's top left."""
    card = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    homography = cv2.getPerspectiveTransform(card, quad.astype(np.float32))
    (left, right), (top, bottom) = x_range, y_range
    rectangle = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float64)
    return cv2.perspectiveTransform(rectangle, homography)[0]


CANVASES = {"background": without_card, "label": slab_label, "picture": whole_picture}
