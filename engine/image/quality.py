"""How good a picture is: a verdict and the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

WORKING_SIDE_PX = 256


@dataclass(frozen=True)
class Quality:
    """A verdict, its numbers (None: not measured) and, as phrases, what suffers."""

    verdict: Literal["good", "usable", "refuse"]
    sharpness: float | None  # variance of the Laplacian of the luma, longer side at 256 px
    glare: float | None  # share of burnt-out pixels, 0 to 1
    exposure: float | None  # mean luma, 0 to 1
    tilt_deg: float | None
    px_per_mm: float | None
    reasons: list[str]


def picture_quality(rgb: np.ndarray) -> Quality:
    """Judge a picture before its card is found.

    rgb   (H, W, 3) uint8
    """
    scale = WORKING_SIDE_PX / max(rgb.shape[:2])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    luma = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(luma, cv2.CV_32F).var())
    exposure = float(luma.mean()) / 255
    glare = float((luma >= 250).mean())
    reasons = []
    if sharpness < 20:
        reasons.append("blurred")
    if not 0.1 <= exposure <= 0.9:
        reasons.append("too dark" if exposure < 0.1 else "too bright")
    return Quality("usable" if reasons else "good", sharpness, glare, exposure, None, None, reasons)
