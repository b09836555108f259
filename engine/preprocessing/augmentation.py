"""Small honest changes to the card's picture while training: what a camera does, never what wear does."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SHIFT = 0.02
ANGLE_DEG = 2.0
SCALE = 0.02
GAMMA = 0.15


@dataclass(frozen=True)
class Change:
    """How one side is seen differently: the same change for its canvas, its regions and what was measured on it."""

    mirrored: bool  # left to right
    angle_deg: float
    scale: float
    shift: tuple[float, float]  # as shares of the canvas
    gamma: float


def draw_change(random: np.random.Generator) -> Change:
    """Mirrored half of the time, turned up to 2 degrees, scaled and shifted up to 2 %, lit by a gamma within 15 %."""
    mirrored = random.random() < 0.5
    angle_deg = random.uniform(-ANGLE_DEG, ANGLE_DEG)
    scale = 1 + random.uniform(-SCALE, SCALE)
    x, y = random.uniform(-SHIFT, SHIFT, size=2)
    return Change(mirrored, angle_deg, scale, (x, y), float(np.exp(random.uniform(-GAMMA, GAMMA))))


def changed(canvas: np.ndarray, change: Change) -> np.ndarray:
    """A canvas, (S, S, 3) uint8, seen differently; acts on RGB, before the channels are derived."""
    size = canvas.shape[0]
    centre = (size - 1) / 2
    onto = cv2.getRotationMatrix2D((centre, centre), change.angle_deg, change.scale)
    onto[:, 2] += np.array(change.shift) * size
    seen = canvas[:, ::-1] if change.mirrored else canvas
    return relit(cv2.warpAffine(seen, onto, (size, size), flags=cv2.INTER_LINEAR), change)


def relit(rgb: np.ndarray, change: Change) -> np.ndarray:
    """(..., 3) uint8 under the change's light alone, which leaves black black."""
    light = np.linspace(0, 1, 256) ** change.gamma
    return cv2.LUT(rgb, np.rint(light * 255).astype(np.uint8))
