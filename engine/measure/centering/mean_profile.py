"""Mean color profile across a detected line, averaged over all bands to suppress noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.profiles import Bands

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Distance inside of the line that a profile covers.
INSIDE_MM = 0.4
# A step outside of the line that resembles the frame's: at least this fraction of it, and this much in Lab.
SIMILAR_FRACTION = 0.3
MIN_SIMILAR_STEP = 2.0
# A faint step at an expected distance: its size in Lab, and relative to the median change further out.
MIN_FAINT_STEP = 1.2
MIN_STEP_TO_NOISE = 2.0
# Length of the two averages whose difference is a step.
AVERAGE_MM = 0.15
# A thin outline along the line: width, and the residual of a two-step model relative to a one-step model.
MAX_OUTLINE_MM = 0.5
MIN_OUTLINE_MM = 0.14
MAX_RESIDUAL_RATIO = 0.30
# RMS residual of the one-step model from which an outline is looked for: RGB levels, and a fraction of the whole step.
MIN_RESIDUAL, MIN_RESIDUAL_FRACTION = 1.2, 0.01
# First step of an outline: RGB levels, and a fraction of the whole step; opposite to the second it is a halo
# if smaller than HALO_FRACTION of it.
MIN_OUTLINE_STEP = 5.0
MIN_OUTLINE_FRACTION = 0.05
HALO_FRACTION = 0.3
BLURS_MM = (0.05, 0.08, 0.12, 0.18, 0.27)


@dataclass(frozen=True)
class MeanProfile:
    """Colors across a line.

    offset_mm  (n,) distance from the line, negative outside
    lab        (n, 3) median color of all bands at that distance
    """

    offset_mm: np.ndarray
    lab: np.ndarray

    def between(self, low_mm: float, high_mm: float) -> MeanProfile:
        """The part between two distances."""
        inside = (self.offset_mm >= low_mm) & (self.offset_mm <= high_mm)
        return MeanProfile(self.offset_mm[inside], self.lab[inside])


def mean_profile(bands: Bands, line_mm: np.ndarray, outside_mm: float) -> MeanProfile:
    """Align all bands on a line and take the median at each distance, in steps of half a row.

    line_mm     (bands,) depth of the line
    outside_mm  distance outside of the line that the profile covers
    """
    step = bands.row_mm / 2
    offsets = np.arange(-math.ceil(outside_mm / step), math.ceil(INSIDE_MM / step) + 1) * step
    position = (line_mm[:, None] + offsets[None, :] - bands.depth_mm[0]) / bands.row_mm
    row = np.clip(np.floor(position).astype(int), 0, bands.lab.shape[1] - 2)
    fraction = np.clip(position - row, 0, 1)[..., None]
    index = np.arange(len(line_mm))[:, None]
    colors = bands.lab[index, row] * (1 - fraction) + bands.lab[index, row + 1] * fraction
    return MeanProfile(offsets, np.median(colors, axis=0))


def find_similar_step_outside(profile: MeanProfile, frame_step: np.ndarray) -> float | None:
    """Offset of the outermost step outside of a line that resembles the frame's color step; None if there is none.

    frame_step  (3,) Lab: color step inwards across the frame's sides
    """
    size = float(np.linalg.norm(frame_step))
    reach = max(1, round(AVERAGE_MM / (profile.offset_mm[1] - profile.offset_mm[0])))
    if len(profile.offset_mm) <= 2 * reach or size < MIN_SIMILAR_STEP:
        return None
    sums = np.pad(np.cumsum(profile.lab, axis=0), ((1, 0), (0, 0)))
    means = (sums[reach:] - sums[:-reach]) / reach
    likeness = (means[reach:] - means[:-reach]) @ frame_step / size
    offsets = profile.offset_mm[reach : reach + len(likeness)] - (profile.offset_mm[1] - profile.offset_mm[0]) / 2
    inner = likeness[1:-1]
    is_step = (
        (inner >= likeness[:-2]) & (inner > likeness[2:]) & (inner >= max(SIMILAR_FRACTION * size, MIN_SIMILAR_STEP))
    )
    steps = offsets[1:-1][is_step & (offsets[1:-1] < -AVERAGE_MM)]
    return float(steps[0]) if len(steps) else None


def find_step_near(profile: MeanProfile, at_mm: float, within_mm: float) -> float | None:
    """Offset of the largest color step near a distance; None if none exceeds the changes further out."""
    step = profile.offset_mm[1] - profile.offset_mm[0]
    reach = max(1, round(AVERAGE_MM / step))
    if len(profile.offset_mm) <= 2 * reach:
        return None
    sums = np.pad(np.cumsum(profile.lab, axis=0), ((1, 0), (0, 0)))
    means = (sums[reach:] - sums[:-reach]) / reach
    change = np.linalg.norm(means[reach:] - means[:-reach], axis=1)
    offsets = profile.offset_mm[reach : reach + len(change)] - step / 2
    near = np.abs(offsets - at_mm) <= within_mm
    outside = offsets < at_mm - within_mm
    if not near.any():
        return None
    noise = float(np.median(change[outside])) if outside.any() else 0.0
    largest = int(np.where(near, change, -1.0).argmax())
    is_peak = change[max(0, largest - 1) : largest + 2].max() == change[largest]
    if not is_peak or change[largest] < max(MIN_FAINT_STEP, MIN_STEP_TO_NOISE * noise):
        return None
    return float(offsets[largest])


def find_outline_start(profile: MeanProfile) -> float:
    """Offset of the start of a thin outline that blur has merged with a line into one edge; 0 if there is none.

    Compares a model of one blurred step with one of two, a tenth to half a millimeter apart. Two steps are accepted if
    they leave less than 0.3 of the squared residual of one, and one leaves an RMS of more than 0.01 of the whole step.
    """
    near = _as_rgb(profile.between(-MAX_OUTLINE_MM - 0.2, INSIDE_MM))
    one_step = min(_fit_steps(near, blur, np.arange(-0.12, 0.13, 0.03)[:, None])[0].min() for blur in BLURS_MM)
    outer_offsets = np.arange(-MAX_OUTLINE_MM, -MIN_OUTLINE_MM + 0.04, 0.03)
    pairs = [
        (outer, inner) for outer in outer_offsets for inner in (-0.05, 0.0, 0.05) if inner - outer >= MIN_OUTLINE_MM
    ]
    fits = [_fit_steps(near, blur, np.array(pairs)) for blur in BLURS_MM[:4]]
    residuals = np.array([of_blur for of_blur, _ in fits])
    blur, pair = np.unravel_index(residuals.argmin(), residuals.shape)
    two_steps, start = residuals[blur, pair], pairs[pair][0]
    first, second = fits[blur][1][pair]
    step, whole = float(np.linalg.norm(first)), float(np.linalg.norm(first + second))
    is_halo = float(first @ second) < 0 and step < HALO_FRACTION * float(np.linalg.norm(second))
    residual = float(np.sqrt(one_step / len(near.offset_mm)))
    if residual < max(MIN_RESIDUAL, MIN_RESIDUAL_FRACTION * whole) or two_steps > MAX_RESIDUAL_RATIO * one_step:
        return 0.0
    if step < max(MIN_OUTLINE_STEP, MIN_OUTLINE_FRACTION * whole) or is_halo:
        return 0.0
    return float(start)


def _as_rgb(profile: MeanProfile) -> MeanProfile:
    """The profile in RGB levels, in which blur mixes colors linearly, unlike in Lab."""
    rgb = cv2.cvtColor(profile.lab[None].astype(np.float32), cv2.COLOR_Lab2RGB)[0]
    return MeanProfile(profile.offset_mm, rgb.astype(np.float64) * 255)


def _fit_steps(profile: MeanProfile, blur_mm: float, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit blurred steps at each choice of offsets, (n, k): (n,) residual sums of squares, (n, k, 3) steps' heights."""
    steps = _blurred_step((profile.offset_mm[None, :, None] - offsets[:, None, :]) / blur_mm)
    design = np.concatenate([np.ones((*steps.shape[:2], 1)), steps], axis=2)
    transposed = design.transpose(0, 2, 1)
    heights = np.linalg.solve(transposed @ design + 1e-6 * np.eye(design.shape[2]), transposed @ profile.lab)
    residual = profile.lab - design @ heights
    return (residual * residual).sum(axis=(1, 2)), heights[:, 1:]


def _blurred_step(x: np.ndarray) -> np.ndarray:
    """Step blurred by a Gaussian, approximated by the logistic curve."""
    return np.asarray(1 / (1 + np.exp(-np.clip(1.702 * x, -30, 30))))
