"""Augmentation of training cards: small geometric and brightness changes that never look like wear."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MAX_SHIFT = 0.02
MAX_ANGLE_DEG = 2.0
MAX_SCALE_CHANGE = 0.02
MAX_LOG_GAMMA = 0.15


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of one side, applied alike to its canvas, region crops and measurements."""

    mirrored: bool  # left to right
    angle_deg: float
    scale: float
    shift: tuple[float, float]  # (x, y) as fractions of the canvas
    gamma: float


def draw_augmentation(random: np.random.Generator) -> Augmentation:
    """Draw a mirroring (p = .5), a rotation up to 2 degrees, scale and shift up to 2 %, and a gamma within 15 %."""
    mirrored = random.random() < 0.5
    angle_deg = random.uniform(-MAX_ANGLE_DEG, MAX_ANGLE_DEG)
    scale = 1 + random.uniform(-MAX_SCALE_CHANGE, MAX_SCALE_CHANGE)
    x, y = random.uniform(-MAX_SHIFT, MAX_SHIFT, size=2)
    return Augmentation(
        mirrored, angle_deg, scale, (x, y), float(np.exp(random.uniform(-MAX_LOG_GAMMA, MAX_LOG_GAMMA)))
    )


def augment_canvas(canvas: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """Augment a canvas, (H, W, 3) uint8; acts on RGB, before the channels are derived."""
    height, width = canvas.shape[:2]
    center = ((width - 1) / 2, (height - 1) / 2)
    affine = cv2.getRotationMatrix2D(center, augmentation.angle_deg, augmentation.scale)
    affine[:, 2] += np.array(augmentation.shift) * (width, height)
    source = canvas[:, ::-1] if augmentation.mirrored else canvas
    return apply_gamma(cv2.warpAffine(source, affine, (width, height), flags=cv2.INTER_LINEAR), augmentation)


def apply_gamma(rgb: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """Apply the augmentation's gamma alone to (..., 3) uint8; black stays black."""
    curve = np.linspace(0, 1, 256) ** augmentation.gamma
    return cv2.LUT(rgb, np.rint(curve * 255).astype(np.uint8))
