"""Cards drawn to the millimeter, with a given quad in place of detection: the true measurements are known."""

from __future__ import annotations

import cv2
import numpy as np

from engine.image.detection import Detection
from engine.inference.card_side import CardSide
from engine.measure.centering.line_correction import LineCorrection

PX_PER_MM = 12
SIZE_MM = (63.0, 88.0)
GROUND_MM = 4.0
GROUND, BORDER, WHITE = (60, 62, 66), (210, 180, 40), (246, 244, 240)


def card_quad() -> np.ndarray:
    """(4, 2) corners of the drawn card in its picture, clockwise from the top left."""
    low, (width, height) = GROUND_MM * PX_PER_MM, np.array(SIZE_MM) * PX_PER_MM
    return np.array([(low, low), (low + width, low), (low + width, low + height), (low, low + height)]) - 0.5


def picture_of_card(left: float, right: float, top: float, bottom: float, *, bare_corner_mm: float = 0.0) -> np.ndarray:
    """Draw a card with these borders in mm on a gray background, (1152, 852, 3) uint8.

    bare_corner_mm  legs of a triangle of white stock at the top left corner
    """
    random = np.random.default_rng(5)
    width, height = (round(side * PX_PER_MM) for side in SIZE_MM)
    card = np.empty((height, width, 3), np.uint8)
    card[:] = BORDER
    edges = [round(border * PX_PER_MM) for border in (left, right, top, bottom)]
    if min(edges) > 0:
        inner = card[edges[2] : height - edges[3], edges[0] : width - edges[1]]
        coarse = random.integers(20, 110, (12, 9, 3), dtype=np.uint8)
        inner[:] = cv2.resize(coarse, inner.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    if bare_corner_mm:
        rows, columns = np.indices(card.shape[:2])
        card[rows + columns < bare_corner_mm * PX_PER_MM] = WHITE
    around = round(GROUND_MM * PX_PER_MM)
    picture = np.empty((height + 2 * around, width + 2 * around, 3), np.uint8)
    picture[:] = GROUND
    picture[around:-around, around:-around] = card
    grain = random.normal(0, 1.5, picture.shape)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.6) + grain, 0, 255).astype(np.uint8)


def inset(left: float, right: float, top: float, bottom: float, *, size: tuple[float, float] = SIZE_MM) -> np.ndarray:
    """(4, 2, 2) mm: the four frame lines that these borders give, clockwise from the top."""
    corners = [(left, top), (size[0] - right, top), (size[0] - right, size[1] - bottom), (left, size[1] - bottom)]
    return np.array([(corners[side], corners[(side + 1) % 4]) for side in range(4)])


def side_of(
    rgb: np.ndarray, quad: np.ndarray | None = None, correction: LineCorrection | None = None, *, sha256: str = "c" * 64
) -> CardSide:
    """The side in a picture, detected at the drawn quad or at `quad`."""
    detection = Detection("scan", card_quad() if quad is None else quad, confidence=1.0, upright_known=True)
    return CardSide(sha256, rgb, detection, correction)
