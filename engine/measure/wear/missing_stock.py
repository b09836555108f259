"""Where the rim is no longer there: the ground shows within the card's outline, as at a frayed corner."""

from __future__ import annotations

import cv2
import numpy as np

from engine.measure.wear.rounding import Rounding, by_majority, like_ground
from engine.measure.wear.unrolled_rim import Rim

LEAST_CONTRAST = 14.0
LIKE_PAPER = 45.0
PAPER = np.array([236.0, 234.0, 228.0])


def ground_within(rim: Rim, roundings: list[Rounding], border: np.ndarray) -> np.ndarray:
    """(rows, columns) bool of the unrolled rim: pixels that look like the ground and hang together with it.

    A ground as white as paper is not looked for: bare stock would pass for it.

    border  (columns, 3) RGB, as `stock.border_colours` gives it
    """
    columns = np.arange(rim.rgb.shape[1])
    nearest = np.abs(columns[None] - np.array(rim.middles)[:, None]).argmin(axis=0)
    within = np.zeros(rim.rgb.shape[:2], bool)
    for corner, rounding in enumerate(roundings):
        part = nearest == corner
        ground = rounding.ground
        apart = np.linalg.norm(np.median(border[part], axis=0) - ground)
        if rounding.radius_mm is None or apart < LEAST_CONTRAST or np.linalg.norm(PAPER - ground) < LIKE_PAPER:
            continue
        like = like_ground(rim.rgb[:, part], ground, border[part][None], rounding.spread)
        within[:, part] = by_majority(like, 1 / rim.step_mm)
    whole = within | (rim.depth_mm < 0)[:, None]
    _, labels = cv2.connectedComponents(whole.astype(np.uint8), connectivity=4)
    return np.asarray(within & (labels == labels[0, 0]) & (rim.depth_mm > 0)[:, None])
