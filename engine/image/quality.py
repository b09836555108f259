"""Whether a picture is good enough to grade from: numbers, a verdict, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from engine.image.find import Found
from engine.image.rectify import card_canvas, card_size, px_per_mm

Verdict = Literal["good", "usable", "refuse"]
CARD_SIDE = 448
IMPORT_SIDE = 448
GLARE_LEVEL = 250


@dataclass(frozen=True)
class Quality:
    """What a picture can carry.

    sharpness  0 .. 1, share of the contrast that is left at the finest scale
    glare      0 .. 1, share of pixels burnt out
    exposure   0 .. 1, median lightness
    tilt_deg   angle between the card and the picture plane; None where no card was looked for
    px_per_mm  None where no card was looked for
    reasons    what suffers and what to do, one sentence each; empty when good
    """

    verdict: Verdict
    sharpness: float
    glare: float
    exposure: float
    tilt_deg: float | None
    px_per_mm: float | None
    reasons: list[str] = field(default_factory=list)


def picture_quality(rgb: np.ndarray) -> Quality:
    """Quality of a whole (H, W, 3) uint8 picture at import, before any card is looked for."""
    scale = min(1.0, IMPORT_SIDE / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return _judged(small, tilt_deg=None, resolution=None)


def assess(rgb: np.ndarray, found: Found) -> Quality:
    """Quality of the card found in a (H, W, 3) uint8 picture."""
    card = card_canvas(rgb, found.quad, size=CARD_SIDE)
    return _judged(card, tilt_deg=0.0, resolution=px_per_mm(found.quad, card_size(found.quad)))


def _judged(rgb: np.ndarray, *, tilt_deg: float | None, resolution: float | None) -> Quality:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    detail = float(cv2.Laplacian(grey, cv2.CV_16S).std())
    sharpness = detail / (detail + float(grey.std()) + 1e-6)
    glare = float((rgb.min(axis=2) >= GLARE_LEVEL).mean())
    exposure = float(np.median(grey)) / 255
    reasons = []
    if exposure < 0.1:
        reasons.append("the picture is dark; use more light")
    if exposure > 0.95:
        reasons.append("the picture is burnt out; use less light")
    return Quality("usable" if reasons else "good", sharpness, glare, exposure, tilt_deg, resolution, reasons)
