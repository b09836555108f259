"""What a control is shown in place of the card alone: how much of a score comes from elsewhere is measured so."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from engine.detection.find_card import bounds
from engine.detection.read_and_find import read_and_find
from engine.image.read import BadPicture
from engine.image.rectify import card_canvas

# The finder's quad is off by 1 % of the card's height at times: this much beyond each side is blanked with it.
BEYOND = 0.03
# A slab's label lies above its card, as far above as the slab is larger than the card: within .36 heights of a usual
# card, .66 of a small tobacco card. So all is taken that the picture shows up to here: heights above the card's top,
# and widths beyond its sides.
LABEL_FROM, LABEL_TO, LABEL_BEYOND = 0.04, 0.75, 0.9
NO_LABEL = "shows no slab, so it has no label for the control to look at; leave it out, or train with seen=background"


def without_card(path: Path, *, size: int) -> np.ndarray:
    """The whole picture, (size, size, 3) uint8, its card blacked out; a slab's label is still there.

    Where the card lay, and how tilted, can still be told from the hole. Raises BadPicture.
    """
    rgb, found = read_and_find(path)
    blanked = rgb.copy()
    hole = _on_the_card(found.quad, (-BEYOND, 1 + BEYOND), (-BEYOND, 1 + BEYOND))
    cv2.fillConvexPoly(blanked, (hole * 16).round().astype(np.int32), (0, 0, 0), cv2.LINE_8, 4)
    return card_canvas(blanked, bounds(rgb.shape[:2]), size=size)


def label_alone(path: Path, *, size: int) -> np.ndarray:
    """What stands above a slab's card, its label, (size, size, 3) uint8. Raises BadPicture where there is no slab."""
    rgb, found = read_and_find(path)
    if found.kind != "slab":
        raise BadPicture(f"{path.name}: {NO_LABEL}")
    (left, top), (right, _) = _extent(found.quad, bounds(rgb.shape[:2]))
    across = max(left, -LABEL_BEYOND), min(right, 1 + LABEL_BEYOND)
    label = _on_the_card(found.quad, across, (min(max(top, -LABEL_TO), -2 * LABEL_FROM), -LABEL_FROM))
    return card_canvas(rgb, label, size=size)


def whole_picture(path: Path, *, size: int) -> np.ndarray:
    """All of a picture in which a card is found, its label too, (size, size, 3) uint8. Raises BadPicture.

    A model that learns from it may read the grade instead of the card.
    """
    rgb, _ = read_and_find(path)
    return card_canvas(rgb, bounds(rgb.shape[:2]), size=size)


def _extent(quad: np.ndarray, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the most that a picture's corners reach, in widths and heights of the card from its top left."""
    card = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    onto = cv2.getPerspectiveTransform(quad.astype(np.float32), card)
    reached = cv2.perspectiveTransform(picture[None].astype(np.float64), onto)[0]
    return reached.min(axis=0), reached.max(axis=0)


def _on_the_card(quad: np.ndarray, across: tuple[float, float], down: tuple[float, float]) -> np.ndarray:
    """A rectangle in widths and heights of the card from its top left, as (4, 2) pixels of the picture."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    onto = cv2.getPerspectiveTransform(corners, quad.astype(np.float32))
    (left, right), (top, bottom) = across, down
    asked = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float64)
    return cv2.perspectiveTransform(asked, onto)[0]


CANVASES = {"background": without_card, "label": label_alone, "picture": whole_picture}
