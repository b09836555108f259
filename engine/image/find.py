"""Where the card is in a picture: its quad, what kind of picture it is, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from engine.image.read import BadPicture

Kind = Literal["photo", "scan", "slab"]
WORKING_SIDE = 512
LEAST_SHARE = 0.1


class NoCard(BadPicture):
    """No single whole card in the picture; the message says what to do and does not name the file."""


@dataclass(frozen=True)
class Found:
    """The card in a picture.

    quad           (4, 2) float64 pixels (x, y), clockwise from the printed top left; pixel centres are whole
                   numbers, so a picture W wide spans -0.5 .. W - 0.5
    confidence     0 .. 1
    whole_picture  the quad is the picture's own bounds
    upright_known  the first corner is known to be the printed top left, not only the upper left
    bow_px         how far the sides bend away from straight, at most, in pixels
    """

    kind: Kind
    quad: np.ndarray
    confidence: float
    whole_picture: bool = False
    upright_known: bool = False
    bow_px: float = 0.0
    note: str = ""


def find_card(rgb: np.ndarray) -> Found:
    """Find the card in an upright (H, W, 3) uint8 picture."""
    scale = min(1.0, WORKING_SIDE / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    quads = [quad for quad in _four_sided(small) if _aspect(quad) > 0.45]
    if not quads:
        return Found(
            "scan", bounds(rgb), 0.1, whole_picture=True, note="no card outline found; the whole picture taken"
        )
    largest = max(quads, key=lambda quad: float(cv2.contourArea(quad.astype(np.float32))))
    return Found("photo", (_from_top_left(largest) + 0.5) / scale - 0.5, 0.5)


def bounds(rgb: np.ndarray) -> np.ndarray:
    """The quad of a whole picture: (4, 2) float64."""
    height, width = rgb.shape[:2]
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - 0.5


def _four_sided(rgb: np.ndarray) -> list[np.ndarray]:
    edges = cv2.Canny(cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (5, 5), 0), 30, 90)
    contours, _ = cv2.findContours(cv2.dilate(edges, np.ones((3, 3), np.uint8)), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    area = rgb.shape[0] * rgb.shape[1]
    quads = []
    for contour in contours:
        hull = cv2.convexHull(contour)
        outline = cv2.approxPolyDP(hull, 0.02 * cv2.arcLength(hull, True), True)
        if len(outline) == 4 and cv2.contourArea(outline) > LEAST_SHARE * area:
            quads.append(outline.reshape(4, 2).astype(np.float64))
    return quads


def _aspect(quad: np.ndarray) -> float:
    sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    across, down = sides[0] + sides[2], sides[1] + sides[3]
    return float(min(across, down) / max(across, down))


def _from_top_left(quad: np.ndarray) -> np.ndarray:
    """The same corners clockwise on the screen, beginning with the one nearest the upper left."""
    around = quad - quad.mean(axis=0)
    clockwise = quad[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
    return np.roll(clockwise, -int(np.argmin(clockwise.sum(axis=1))), axis=0)
