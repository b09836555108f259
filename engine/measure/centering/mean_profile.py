"""One clean profile across a line that was found: all bands laid on it; what one band alone is too noisy to show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.profiles import Bands

INSIDE_MM = 0.4
LIKE_SHARE = 0.3
LEAST_STEP = 2.0
FAINT_STEP = 1.2
OVER_CALM = 2.0
BESIDE_MM = 0.15
WIDEST_OUTLINE_MM = 0.5
THINNEST_OUTLINE_MM = 0.14
BETTER = 0.30
LEAST_OFF, OFF_SHARE = 1.2, 0.01  # RGB levels, and share of the whole step
OUTLINE_LEVELS = 5.0
LEAST_SHARE = 0.05
HALO = 0.3
BLURS_MM = (0.05, 0.08, 0.12, 0.18, 0.27)


@dataclass(frozen=True)
class Profile:
    """Colours across a line, outside negative.

    offset_mm  (n,) distance from the line
    lab        (n, 3) median colour of all bands there
    """

    offset_mm: np.ndarray
    lab: np.ndarray

    def between(self, low_mm: float, high_mm: float) -> Profile:
        """The part between two distances."""
        kept = (self.offset_mm >= low_mm) & (self.offset_mm <= high_mm)
        return Profile(self.offset_mm[kept], self.lab[kept])


def aligned(bands: Bands, line_mm: np.ndarray, outside_mm: float) -> Profile:
    """The profile across a line, in steps of half a row.

    line_mm     (bands,) depth of the line
    outside_mm  how far out to look
    """
    step = bands.row_mm / 2
    offsets = np.arange(-math.ceil(outside_mm / step), math.ceil(INSIDE_MM / step) + 1) * step
    place = (line_mm[:, None] + offsets[None, :] - bands.depth_mm[0]) / bands.row_mm
    row = np.clip(np.floor(place).astype(int), 0, bands.lab.shape[1] - 2)
    share = np.clip(place - row, 0, 1)[..., None]
    index = np.arange(len(line_mm))[:, None]
    colours = bands.lab[index, row] * (1 - share) + bands.lab[index, row + 1] * share
    return Profile(offsets, np.median(colours, axis=0))


def like_line_outside(profile: Profile, change: np.ndarray) -> float | None:
    """Where, outside of a line, the colour already changes as it does across the frame's other sides; None: nowhere.

    change  (3,) Lab: across the other sides, inwards
    """
    size = float(np.linalg.norm(change))
    reach = max(1, round(BESIDE_MM / (profile.offset_mm[1] - profile.offset_mm[0])))
    if len(profile.offset_mm) <= 2 * reach or size < LEAST_STEP:
        return None
    sums = np.pad(np.cumsum(profile.lab, axis=0), ((1, 0), (0, 0)))
    means = (sums[reach:] - sums[:-reach]) / reach
    likeness = (means[reach:] - means[:-reach]) @ change / size
    places = profile.offset_mm[reach : reach + len(likeness)] - (profile.offset_mm[1] - profile.offset_mm[0]) / 2
    inner = likeness[1:-1]
    tops = (inner >= likeness[:-2]) & (inner > likeness[2:]) & (inner >= max(LIKE_SHARE * size, LEAST_STEP))
    found = places[1:-1][tops & (places[1:-1] < -BESIDE_MM)]
    return float(found[0]) if len(found) else None


def step_near(profile: Profile, at_mm: float, within_mm: float) -> float | None:
    """Where the clearest change of colour near a distance lies; None where none stands out from what is further out."""
    step = profile.offset_mm[1] - profile.offset_mm[0]
    reach = max(1, round(BESIDE_MM / step))
    if len(profile.offset_mm) <= 2 * reach:
        return None
    sums = np.pad(np.cumsum(profile.lab, axis=0), ((1, 0), (0, 0)))
    means = (sums[reach:] - sums[:-reach]) / reach
    change = np.linalg.norm(means[reach:] - means[:-reach], axis=1)
    places = profile.offset_mm[reach : reach + len(change)] - step / 2
    near = np.abs(places - at_mm) <= within_mm
    outside = places < at_mm - within_mm
    if not near.any():
        return None
    calm = float(np.median(change[outside])) if outside.any() else 0.0
    clearest = int(np.where(near, change, -1.0).argmax())
    top = change[max(0, clearest - 1) : clearest + 2].max() == change[clearest]
    if not top or change[clearest] < max(FAINT_STEP, OVER_CALM * calm):
        return None
    return float(places[clearest])


def outline_begins(profile: Profile) -> float:
    """Where a thin outline along a line begins that blur has melted into one edge with it; 0 where there is none.

    One blurred step against two a tenth to half a millimetre apart: two are believed where they leave less than 0.3
    of what one leaves unexplained, and one leaves more than 0.01 of the whole step on average.
    """
    near = _as_rgb(profile.between(-WIDEST_OUTLINE_MM - 0.2, INSIDE_MM))
    one = min(_unexplained(near, blur, (at,))[0] for blur in BLURS_MM for at in np.arange(-0.12, 0.13, 0.03))
    outer_places = np.arange(-WIDEST_OUTLINE_MM, -THINNEST_OUTLINE_MM + 0.04, 0.03)
    pairs = [
        (outer, inner) for outer in outer_places for inner in (-0.05, 0.0, 0.05) if inner - outer >= THINNEST_OUTLINE_MM
    ]
    found = [(*_unexplained(near, blur, pair), pair[0]) for blur in BLURS_MM[:4] for pair in pairs]
    two, heights, begins = min(found, key=lambda fit: fit[0])
    first, second = heights
    step, whole = float(np.linalg.norm(first)), float(np.linalg.norm(first + second))
    against = float(first @ second) < 0 and step < HALO * float(np.linalg.norm(second))
    off = float(np.sqrt(one / len(near.offset_mm)))
    if off < max(LEAST_OFF, OFF_SHARE * whole) or two > BETTER * one:
        return 0.0
    if step < max(OUTLINE_LEVELS, LEAST_SHARE * whole) or against:
        return 0.0
    return float(begins)


def _as_rgb(profile: Profile) -> Profile:
    """The profile in RGB levels, where blur mixes colours in proportion, as it does not in Lab."""
    rgb = cv2.cvtColor(profile.lab[None].astype(np.float32), cv2.COLOR_Lab2RGB)[0]
    return Profile(profile.offset_mm, rgb.astype(np.float64) * 255)


def _unexplained(profile: Profile, blur_mm: float, places: tuple[float, ...]) -> tuple[float, np.ndarray]:
    """Sum of squares that blurred steps at those places leave, and the steps' heights, (places, 3)."""
    steps = [_blurred_step((profile.offset_mm - at) / blur_mm) for at in places]
    design = np.column_stack([np.ones(len(profile.offset_mm)), *steps])
    heights = np.linalg.solve(design.T @ design + 1e-6 * np.eye(design.shape[1]), design.T @ profile.lab)
    left = profile.lab - design @ heights
    return float((left * left).sum()), heights[1:]


def _blurred_step(x: np.ndarray) -> np.ndarray:
    """A step blurred by a bell, near enough: the logistic curve of the same spread."""
    return np.asarray(1 / (1 + np.exp(-np.clip(1.702 * x, -30, 30))))
