"""Missing stock along the rim: the background is visible inside the card's outline, as at a frayed corner."""

from __future__ import annotations

import cv2
import numpy as np

from engine.measure.wear.rounding import Rounding, background_mask, majority_filter
from engine.measure.wear.unrolled_rim import UnrolledRim

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# RGB distance of the background from the border, and from paper, below which it is not searched for.
MIN_CONTRAST = 14.0
MIN_PAPER_DISTANCE = 45.0
PAPER = np.array([236.0, 234.0, 228.0])


def find_missing_stock(rim: UnrolledRim, roundings: list[Rounding], border: np.ndarray) -> np.ndarray:
    """(rows, columns) bool of the unrolled rim: pixels that look like the background and are connected to it.

    A background as white as paper is not searched for, since bare stock would be mistaken for it.

    border  (columns, 3) RGB, from `bare_stock.border_colors`
    """
    columns = np.arange(rim.rgb.shape[1])
    nearest = np.abs(columns[None] - np.array(rim.corner_middles)[:, None]).argmin(axis=0)
    missing = np.zeros(rim.rgb.shape[:2], bool)
    for corner, rounding in enumerate(roundings):
        part = nearest == corner
        background = rounding.background
        contrast = np.linalg.norm(np.median(border[part], axis=0) - background)
        if (
            rounding.radius_mm is None
            or contrast < MIN_CONTRAST
            or np.linalg.norm(PAPER - background) < MIN_PAPER_DISTANCE
        ):
            continue
        mask = background_mask(rim.rgb[:, part], background, border[part][None], rounding.spread)
        missing[:, part] = majority_filter(mask, 1 / rim.pixel_mm)
    with_outside = missing | (rim.depth_mm < 0)[:, None]
    _, labels = cv2.connectedComponents(with_outside.astype(np.uint8), connectivity=4)
    return np.asarray(missing & (labels == labels[0, 0]) & (rim.depth_mm > 0)[:, None])
