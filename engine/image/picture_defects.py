"""Defects of a picture that hide wear: noise, pixels made by enlarging, a spot of light, a finger on a corner.

Limits are set on 200 pictures of real cards and on the same pictures with the defect added.
"""

from __future__ import annotations

import cv2
import numpy as np

NOISE_BLOCK_PX, NOISE_PERCENTILE = 16, 10
# Periods, in pixels, that an enlargement is searched at: below, nothing is lost; above, the card has no details left.
MIN_PERIOD_PX, MAX_PERIOD_PX = 2.0, 24.0
# Fraction of the teeth of the comb that must have an edge: a drawing with few edges has no period.
MIN_FILLED_TEETH = 0.25
SATURATED_LEVEL = 250
# A spot of light is an ellipse, filled to this degree and not too long, and covers pi / 4 of the rectangle around
# it; a text box covers all of it. Areas as fractions of the card.
MIN_SPOT_FILL, MAX_SPOT_LENGTH, MAX_SPOT_EXTENT, MIN_SPOT_AREA, MAX_SPOT_AREA = 0.9, 2.2, 0.88, 0.006, 0.4
# Skin in YCrCb. A corner is a square with this side as a fraction of the card's width.
SKIN_LOW, SKIN_HIGH = (50, 137, 85), (255, 180, 127)
CORNER_SIDE = 0.11


def noise_levels(gray: np.ndarray) -> float:
    """Return the standard deviation of the noise, in levels, of a (H, W) uint8 picture, measured where it is smooth."""
    values = gray.astype(np.float32)
    # The diagonal difference removes slopes and straight edges, and keeps the standard deviation of the noise.
    difference = (values[:-1, :-1] - values[1:, :-1] - values[:-1, 1:] + values[1:, 1:]) / 2
    rows, columns = (length // NOISE_BLOCK_PX for length in difference.shape)
    if rows == 0 or columns == 0:
        return 0.0
    whole = difference[: rows * NOISE_BLOCK_PX, : columns * NOISE_BLOCK_PX]
    blocks = whole.reshape(rows, NOISE_BLOCK_PX, columns, NOISE_BLOCK_PX)
    return float(np.percentile(blocks.std(axis=(1, 3)), NOISE_PERCENTILE))


def pixel_grid(gray: np.ndarray) -> float:
    """Return how much the edges of a (H, W) uint8 picture are on a grid, 0 .. 1.

    A picture whose pixels were repeated has all edges at multiples of a period. The lower of the two directions counts.
    """
    return min(_comb(gray), _comb(cv2.transpose(gray)))


def _comb(gray: np.ndarray) -> float:
    edges = cv2.absdiff(gray[:, 1:], gray[:, :-1]).mean(axis=0, dtype=np.float64)
    total = float(edges.sum())
    if total == 0 or len(edges) < 2 * MAX_PERIOD_PX:
        return 0.0
    spectrum = np.abs(np.fft.rfft(edges)) / total
    frequencies = np.arange(len(spectrum)) / len(edges)
    spectrum[(frequencies < 1 / MAX_PERIOD_PX) | (frequencies > 1 / MIN_PERIOD_PX)] = 0
    best = int(spectrum.argmax())
    period = 1 / frequencies[best]
    effective_edges = total**2 / float((edges**2).sum())
    is_comb = effective_edges > MIN_FILLED_TEETH * len(edges) / period
    return float(spectrum[best]) if is_comb else 0.0


def spot_of_light(card: np.ndarray) -> float:
    """Return the fraction of a (H, W, 3) uint8 card that saturated round spots cover."""
    saturated = (cv2.min(cv2.min(card[..., 0], card[..., 1]), card[..., 2]) >= SATURATED_LEVEL).astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(saturated)
    areas = boxes[:, cv2.CC_STAT_AREA] / saturated.size
    covered = 0.0
    for number in range(1, len(boxes)):
        if MIN_SPOT_AREA <= areas[number] <= MAX_SPOT_AREA:
            left, top, width, height = boxes[number, :4]
            part = labels[top : top + height, left : left + width] == number
            covered += float(areas[number]) if _is_filled_ellipse(part) else 0.0
    return covered


def _is_filled_ellipse(part: np.ndarray) -> bool:
    moments = cv2.moments(part.astype(np.uint8), binaryImage=True)
    area = moments["m00"]
    covariance = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]) / area
    short, long = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 1e-6))
    # The half axes of an ellipse are twice its standard deviations.
    is_filled = area > MIN_SPOT_FILL * 4 * np.pi * short * long and long < MAX_SPOT_LENGTH * short
    width, height = cv2.minAreaRect(cv2.findNonZero(part.astype(np.uint8)))[1]
    return bool(is_filled and area < MAX_SPOT_EXTENT * (width + 1) * (height + 1))


def corner_skin(card: np.ndarray) -> tuple[float, float]:
    """Return the fractions of the most and second most skin-colored corner of a (H, W, 3) uint8 card."""
    side = max(1, round(CORNER_SIDE * card.shape[1]))
    corners = [
        card[rows, columns]
        for rows in (slice(side), slice(-side, None))
        for columns in (slice(side), slice(-side, None))
    ]
    skin = [
        cv2.inRange(cv2.cvtColor(corner, cv2.COLOR_RGB2YCrCb), SKIN_LOW, SKIN_HIGH).mean() / 255 for corner in corners
    ]
    second, most = sorted(skin)[-2:]
    return float(most), float(second)
