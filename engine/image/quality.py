"""Picture quality: measurements, a verdict for grading, and remedies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np

from engine.image.detection import Detection
from engine.image.perspective import quad_geometry
from engine.image.picture_defects import corner_skin, noise_levels, pixel_grid, spot_of_light
from engine.image.quads import side_lengths
from engine.image.rectify import card_size, px_per_mm, rectify_card, upright_quad

QualityVerdict = Literal["good", "usable", "refuse"]
MAX_PX_PER_MM = 8.0
IMPORT_SIDE_PX = 512
GLARE_LEVEL = 250
REBLUR_PX = 9
STAIRCASE_LEVELS = 2
# Mean gradient, in levels, below which a picture has no detail whose sharpness could be measured.
NOISE_FLOOR_LEVELS = 0.05


@dataclass(frozen=True)
class Quality:
    """Quality of a picture or of the card in it.

    sharpness   0 .. 1: fraction of the gradient that blurring would remove
    glare       0 .. 1: fraction of saturated pixels; 0 for a scan, whose white is paper
    exposure    0 .. 1: median lightness
    tilt_deg    angle between the card and the picture plane; None without a detection
    px_per_mm   resolution on the card; None without a detection
    reasons     one sentence per defect with its remedy; empty if the verdict is good
    hides_wear  True if wear may be hidden in a way that is rare in pictures of cards: no range was checked on them
    """

    verdict: QualityVerdict
    sharpness: float
    glare: float
    exposure: float
    tilt_deg: float | None
    px_per_mm: float | None
    reasons: list[str] = field(default_factory=list)
    hides_wear: bool = False


@dataclass(frozen=True)
class _Threshold:
    """Limits of a measurement below which (above which, if `is_maximum`) a picture is only usable, or refused.

    hides_wear  as in `Quality`
    """

    usable: float
    refuse: float
    reason: str
    is_maximum: bool = False
    hides_wear: bool = False

    def verdict(self, value: float) -> QualityVerdict:
        sign = -1 if self.is_maximum else 1
        if sign * value < sign * self.refuse:
            return "refuse"
        return "usable" if sign * value < sign * self.usable else "good"


# 4 px/mm shows a nick of 0.5 mm as two pixels; below 0.8 a whole card is smaller than 70 pixels.
RESOLUTION = _Threshold(
    4.0, 0.8, "the picture is too small to show fine wear; scan at 300 dpi or photograph from closer"
)
SHARPNESS = _Threshold(
    0.50, 0.22, "the picture is too blurred to show scratches and edge wear; focus and hold the camera still"
)
GLARE = _Threshold(0.04, 0.30, "glare hides {:.0%} of the card; move the light or turn the card", is_maximum=True)
TILT = _Threshold(
    22.0, 60.0, "the card is tilted by {:.0f} degrees; photograph it from straight above", is_maximum=True
)
DETECTION_CONFIDENCE = _Threshold(
    0.5,
    0.0,
    "not sure where the card ends; check the red outline and, if it is wrong, use a plain background",
)
# Measured at the 95th percentile: even a black-bordered card has something bright on it.
DARKNESS = _Threshold(0.35, 0.12, "the picture is too dark; use more light")
OVEREXPOSURE = _Threshold(0.90, 0.98, "the picture is overexposed; use less light", is_maximum=True)

# Real pictures of cards have at most 6 levels, those with noise of 45 levels at least 20.
NOISE = _Threshold(
    10.0,
    60.0,
    "the picture is noisy, which hides scratches; use more light or scan it",
    is_maximum=True,
    hides_wear=True,
)
# Real pictures have at most 0.15, also with strong JPEG compression; those with pixels repeated 4 times, 0.49.
PIXEL_GRID = _Threshold(
    0.2,
    1.1,
    "a small picture was enlarged, so that fine wear does not show; give the original, or a larger one",
    is_maximum=True,
    hides_wear=True,
)
# Round white prints cover up to 1.3 % of a card.
SPOT_OF_LIGHT = _Threshold(
    0.02,
    0.4,
    "a spot of light hides {:.0%} of the card; move the light or turn the card",
    is_maximum=True,
    hides_wear=True,
)
COVERED_CORNER = "something covers a corner, a finger perhaps; show all four corners"
MIN_SKIN, MAX_SKIN_ELSEWHERE = 0.65, 0.25


def picture_quality(rgb: np.ndarray) -> Quality:
    """Measure a whole (H, W, 3) uint8 picture at import, without card detection, in a few milliseconds."""
    scale = min(1.0, IMPORT_SIDE_PX / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    return _quality_of(small, glare_counts=True, card_checks=[])


def rectify_for_quality(rgb: np.ndarray, detection: Detection) -> np.ndarray:
    """Rectify the detected card, higher than wide and without a margin, to at most 8 px/mm."""
    quad = upright_quad(detection.quad, rgb.shape[:2])
    return rectify_card(rgb, quad, card_size(quad, picture_size=rgb.shape[:2]), max_px_per_mm=MAX_PX_PER_MM)


def card_quality(rgb: np.ndarray, detection: Detection, card: np.ndarray | None = None) -> Quality:
    """Measure the detected card in a (H, W, 3) uint8 picture; its surroundings do not count.

    card  the result of `rectify_for_quality`, if there is one already
    """
    size = card_size(detection.quad, picture_size=rgb.shape[:2])
    resolution = px_per_mm(detection.quad, size)
    tilt = 0.0 if detection.kind == "scan" else quad_geometry(detection.quad, rgb.shape[:2]).tilt_deg
    card = rectify_for_quality(rgb, detection) if card is None else card
    card_checks = [
        (RESOLUTION, resolution),
        (TILT, tilt),
        (NOISE, noise_levels(cv2.cvtColor(card, cv2.COLOR_RGB2GRAY))),
        (PIXEL_GRID, pixel_grid(cv2.cvtColor(_part_with(rgb, detection.quad), cv2.COLOR_RGB2GRAY))),
        (SPOT_OF_LIGHT, spot_of_light(card)),
    ]
    if not detection.whole_picture:
        card_checks.append((DETECTION_CONFIDENCE, detection.confidence))
    quality = _quality_of(card, glare_counts=detection.kind != "scan", card_checks=card_checks)
    reasons, verdict, hides_wear = list(quality.reasons), quality.verdict, quality.hides_wear
    most, second = corner_skin(card)
    if most > MIN_SKIN and second < MAX_SKIN_ELSEWHERE:
        reasons.append(COVERED_CORNER)
        verdict, hides_wear = _worse(verdict, "usable"), True
    outside = _fraction_outside(rgb, detection.quad)
    if outside > 0.005:
        reasons.append(f"the card runs {outside:.1%} out of the picture; step back until its four corners are in it")
        verdict = "refuse" if outside > 0.03 else _worse(verdict, "usable")
    return replace(
        quality, verdict=verdict, tilt_deg=tilt, px_per_mm=resolution, reasons=reasons, hides_wear=hides_wear
    )


def with_doubtful_outline(quality: Quality) -> Quality:
    """The quality of a card whose outline may be that of its holder: wear at the card's edges may be out of sight."""
    reasons = [reason for reason in quality.reasons if reason != DETECTION_CONFIDENCE.reason]
    return replace(
        quality,
        verdict=_worse(quality.verdict, "usable"),
        reasons=[*reasons, DETECTION_CONFIDENCE.reason],
        hides_wear=True,
    )


def _quality_of(rgb: np.ndarray, *, glare_counts: bool, card_checks: list[tuple[_Threshold, float]]) -> Quality:
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    lower_quartile, median, brightest = (float(v) / 255 for v in np.percentile(gray, (25, 50, 95)))
    sharpness = _sharpness(gray)
    saturated = float((cv2.min(cv2.min(rgb[..., 0], rgb[..., 1]), rgb[..., 2]) >= GLARE_LEVEL).mean())
    glare = saturated if glare_counts else 0.0
    checks = [(SHARPNESS, sharpness), (GLARE, glare), (DARKNESS, brightest), *card_checks]
    if glare_counts:
        checks.append((OVEREXPOSURE, lower_quartile))
    verdict: QualityVerdict = "good"
    reasons: dict[_Threshold, str] = {}
    for threshold, value in checks:
        threshold_verdict = threshold.verdict(value)
        if threshold_verdict != "good":
            verdict = _worse(verdict, threshold_verdict)
            reasons[threshold] = threshold.reason.format(value)
    hides_wear = any(threshold.hides_wear for threshold in reasons)
    # One sentence a defect: a spot is a part of the glare, and a picture that is too small already is asked for again.
    for first, second in ((GLARE, SPOT_OF_LIGHT), (RESOLUTION, PIXEL_GRID)):
        if first in reasons:
            reasons.pop(second, None)
    return Quality(verdict, sharpness, glare, median, None, None, list(reasons.values()), hides_wear)


def _worse(first: QualityVerdict, second: QualityVerdict) -> QualityVerdict:
    order: tuple[QualityVerdict, ...] = ("good", "usable", "refuse")
    return max(first, second, key=order.index)


def _sharpness(gray: np.ndarray) -> float:
    """Return the fraction of the gradient that an extra blur removes, 0 .. 1: high if sharp, low if already blurred.

    The lower of the two directions counts. Method: Crete et al., "The blur effect", 2007.
    """
    removed_fractions = []
    for picture in (gray, cv2.transpose(gray)):
        blurred = cv2.blur(picture, (REBLUR_PX, 1), borderType=cv2.BORDER_REPLICATE)
        gradient = cv2.absdiff(picture[:, 1:], picture[:, :-1])
        blurred_gradient = cv2.absdiff(blurred[:, 1:], blurred[:, :-1])
        # A smooth slope in 8-bit levels is a staircase and would look sharp: steps of one or two levels do not count.
        _, steps = cv2.threshold(gradient, STAIRCASE_LEVELS, 255, cv2.THRESH_TOZERO)
        total = float(cv2.sumElems(steps)[0])
        removed = float(cv2.sumElems(cv2.subtract(steps, blurred_gradient))[0])
        removed_fractions.append(removed / (total + NOISE_FLOOR_LEVELS * picture.size))
    return min(removed_fractions)


def _part_with(rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """The part of the picture with the card, whose pixels are still those of the picture."""
    low = np.maximum(np.floor(quad.min(axis=0)).astype(int), 0)
    high = np.ceil(quad.max(axis=0)).astype(int) + 1
    return rgb[low[1] : high[1], low[0] : high[0]]


def _fraction_outside(rgb: np.ndarray, quad: np.ndarray) -> float:
    """Return how far the outermost corner is outside the picture, as a fraction of the card's longer side."""
    height, width = rgb.shape[:2]
    overhang_px = max(-(quad + 0.5).min(), (quad[:, 0] + 0.5 - width).max(), (quad[:, 1] + 0.5 - height).max(), 0.0)
    return float(overhang_px / side_lengths(quad).max())
