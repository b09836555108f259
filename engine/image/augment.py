"""Small honest changes to the card's canvas while training: what a camera does, never what wear does."""

from __future__ import annotations

import cv2
import numpy as np

SHIFT = 0.02
ANGLE_DEG = 2.0
SCALE = 0.02
GAMMA = 0.15


def augment(canvas: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mirror, turn, scale, shift and light a canvas a little differently.

    canvas   (S, S, 3) uint8
    random   the only source of chance: the same generator state gives the same picture
    returns  (S, S, 3) uint8; mirrored left to right half of the time, turned up to 2 degrees, scaled up to 2 %,
             shifted up to 2 % of S, lit by a gamma within 15 % of 1, which leaves the black padding black.
             Acts on RGB, before the channels are derived.
    """
    size = canvas.shape[0]
    mirrored = random.random() < 0.5
    centre = (size - 1) / 2
    onto = cv2.getRotationMatrix2D(
        (centre, centre), random.uniform(-ANGLE_DEG, ANGLE_DEG), 1 + random.uniform(-SCALE, SCALE)
    )
    onto[:, 2] += random.uniform(-SHIFT, SHIFT, size=2) * size
    light = np.linspace(0, 1, 256) ** np.exp(random.uniform(-GAMMA, GAMMA))
    moved = cv2.warpAffine(canvas[:, ::-1] if mirrored else canvas, onto, (size, size), flags=cv2.INTER_LINEAR)
    return cv2.LUT(moved, np.rint(light * 255).astype(np.uint8))
