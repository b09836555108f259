"""Whether a picture is good enough to grade from: numbers, a verdict, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from engine.image.detection import Found
from engine.image.perspective import view_of
from engine.image.quads import side_lengths
from engine.image.rectify import card_size, px_per_mm, whole_card

Verdict = Literal["good", "usable", "refuse"]
MOST_PX_PER_MM = 8.0
IMPORT_SIDE = 512
GLARE_LEVEL = 250
REBLUR = 9
STAIRS = 2
# Mean change (in levels) below which a picture counts as showing nothing sharp.
QUIET = 0.05


@dataclass(frozen=True)
class Quality:
    """What a picture can carry.

    sharpness  0 .. 1: share of the change from pixel to pixel that blurring would remove
    glare      0 .. 1: share of pixels burnt out; 0 for a scan, whose white is paper
    exposure   0 .. 1: median lightness
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


@dataclass(frozen=True)
class _Limit:
    """A measured value below which (or above which, when `high`) a picture is only usable, or refused."""

    usable: float
    refuse: float
    reason: str
    high: bool = False

    def verdict(self, value: float) -> Verdict:
        sign = -1 if self.high else 1
        if sign * value < sign * self.refuse:
            return "refuse"
        return "usable" if sign * value < sign * self.usable else "good"


# 4 px/mm shows a nick of 0.5 mm as two pixels; below 0.8 a whole card is smaller than 70 pixels.
RESOLUTION = _Limit(4.0, 0.8, "{:.1f} px/mm hide fine edge and corner wear; scan at 300 dpi or photograph from nearer")
SHARPNESS = _Limit(
    0.50, 0.22, "the picture is blurred, so scratches and edge wear cannot be seen; focus and hold still"
)
GLARE = _Limit(0.04, 0.30, "glare hides {:.0%} of the card; move the light or turn the card", high=True)
TILT = _Limit(22.0, 60.0, "the card is tilted by {:.0f} degrees; photograph it from straight above", high=True)
OUTLINE = _Limit(
    0.5,
    0.0,
    "where the card ends is not sure; look at the outline that was found, and use a plain ground if it is wrong",
)
# The brightest twentieth: also a black-bordered card has something bright on it.
DARKNESS = _Limit(0.35, 0.12, "the picture is too dark; use more light")
BURNT = _Limit(0.90, 0.98, "the picture is overexposed; use less light", high=True)


def picture_quality(rgb: np.ndarray) -> Quality:
    """Quality of a whole (H, W, 3) uint8 picture at import, before any card is looked for: a few milliseconds."""
    scale = min(1.0, IMPORT_SIDE / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    return _judged(small, glare_counts=True, further=[])


def assess(rgb: np.ndarray, found: Found) -> Quality:
    """Quality of the card found in a (H, W, 3) uint8 picture: only the card itself is looked at."""
    size = card_size(found.quad, picture_size=rgb.shape[:2])
    resolution = px_per_mm(found.quad, size)
    tilt = 0.0 if found.kind == "scan" else view_of(found.quad, rgb.shape[:2]).tilt_deg
    card = whole_card(rgb, found.quad, size, most_px_per_mm=MOST_PX_PER_MM)
    further = [(RESOLUTION, resolution), (TILT, tilt)]
    if not found.whole_picture:
        further.append((OUTLINE, found.confidence))
    judged = _judged(card, glare_counts=found.kind != "scan", further=further)
    reasons, verdict = list(judged.reasons), judged.verdict
    outside = _share_outside(rgb, found.quad)
    if outside > 0.005:
        reasons.append(f"the card runs {outside:.1%} out of the picture; step back until its four corners are in it")
        verdict = "refuse" if outside > 0.03 else _worse(verdict, "usable")
    return Quality(verdict, judged.sharpness, judged.glare, judged.exposure, tilt, resolution, reasons)


def _judged(rgb: np.ndarray, *, glare_counts: bool, further: list[tuple[_Limit, float]]) -> Quality:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    quarter, median, brightest = (float(v) / 255 for v in np.percentile(grey, (25, 50, 95)))
    sharpness = _sharpness(grey)
    burnt = float((cv2.min(cv2.min(rgb[..., 0], rgb[..., 1]), rgb[..., 2]) >= GLARE_LEVEL).mean())
    glare = burnt if glare_counts else 0.0
    measured = [(SHARPNESS, sharpness), (GLARE, glare), (DARKNESS, brightest), *further]
    if glare_counts:
        measured.append((BURNT, quarter))
    verdict: Verdict = "good"
    reasons = []
    for limit, value in measured:
        own = limit.verdict(value)
        if own != "good":
            verdict = _worse(verdict, own)
            reasons.append(limit.reason.format(value))
    return Quality(verdict, sharpness, glare, median, None, None, reasons)


def _worse(one: Verdict, other: Verdict) -> Verdict:
    order: tuple[Verdict, ...] = ("good", "usable", "refuse")
    return max(one, other, key=order.index)


def _sharpness(grey: np.ndarray) -> float:
    """Blur once more and see how much of the pixel-to-pixel change goes: much from a sharp picture, little from a
    blurred one, whatever it shows. The method of Crete and others, "The blur effect", 2007; the worse direction counts.
    """
    shares = []
    for picture in (grey, cv2.transpose(grey)):
        blurred = cv2.blur(picture, (REBLUR, 1), borderType=cv2.BORDER_REPLICATE)
        change = cv2.absdiff(picture[:, 1:], picture[:, :-1])
        left = cv2.absdiff(blurred[:, 1:], blurred[:, :-1])
        # A smooth slope in whole levels is a staircase, and stairs look sharp: steps of a level or two do not count.
        _, counted = cv2.threshold(change, STAIRS, 255, cv2.THRESH_TOZERO)
        total = float(cv2.sumElems(counted)[0])
        removed = float(cv2.sumElems(cv2.subtract(counted, left))[0])
        shares.append(removed / (total + QUIET * picture.size))
    return min(shares)


def _share_outside(rgb: np.ndarray, quad: np.ndarray) -> float:
    """How far the quad's worst corner lies outside the picture, as a share of the card's longer side."""
    height, width = rgb.shape[:2]
    past = max(-(quad + 0.5).min(), (quad[:, 0] + 0.5 - width).max(), (quad[:, 1] + 0.5 - height).max(), 0.0)
    return float(past / side_lengths(quad).max())
