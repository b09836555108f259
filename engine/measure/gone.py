"""Where the rim is no longer there: the ground shows within the card's outline, at frayed corners and missing pieces."""

from __future__ import annotations

import cv2
import numpy as np

from engine.measure.rim import Rim
from engine.measure.rounding import Rounding, by_majority, like_ground

CARD_MM = (0.8, 1.6)
LEAST_CONTRAST = 14.0


def ground_within(rim: Rim, roundings: list[Rounding]) -> np.ndarray:
    """(rows, columns) bool of the unrolled rim: pixels that look like the ground and hang together with it.

    Only around the corners, where the ground is known; a column belongs to the nearest one.
    """
    columns = np.arange(rim.rgb.shape[1])
    nearest = np.abs(columns[None] - np.array(rim.middles)[:, None]).argmin(axis=0)
    within = np.zeros(rim.rgb.shape[:2], bool)
    for corner, rounding in enumerate(roundings):
        part = nearest == corner
        card = np.median(rim.rgb[(rim.depth_mm > CARD_MM[0]) & (rim.depth_mm < CARD_MM[1])][:, part], axis=(0, 1))
        if rounding.radius_mm is None or np.linalg.norm(card - rounding.ground) < LEAST_CONTRAST:
            continue
        like = like_ground(rim.rgb[:, part], rounding.ground, card, rounding.spread)
        within[:, part] = by_majority(like, 1 / rim.step_mm)
    whole = within | (rim.depth_mm < 0)[:, None]
    _, labels = cv2.connectedComponents(whole.astype(np.uint8), connectivity=4)
    return np.asarray(within & (labels == labels[0, 0]) & (rim.depth_mm > 0)[:, None])
