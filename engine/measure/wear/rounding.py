"""Rounding of the corners: the arc that best separates card and background."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from engine.measure.card_edges import CardEdge
from engine.measure.flat_card import MARGIN_MM, FlatCard
from engine.measure.profiles import Bands, edge_contrast, locate_peaks
from engine.measure.wear.unrolled_rim import UnrolledRim

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Size of the corner patch, and the depths in it at which border and background are sampled.
PATCH_MM = 7.0
BORDER_MM = (1.0, 2.0)
BACKGROUND_MM = (-1.2, -0.3)
# Radii that are tried.
MAX_RADIUS_MM = 9.0
RADIUS_STEP_MM = 0.05
# RGB distance between border and background below which no radius is measured.
MIN_CONTRAST = 14.0
# The nominal radius is 0 if any corner is sharper than this, else that of modern cards.
SQUARE_BELOW_MM = 1.2
MODERN_RADIUS_MM = 3.0
SMOOTHING_SIGMA_MM = 0.06
# Classification as background: level of white paper, highest fraction of paper in a mixture with the border, RGB
# distance from the background (at least, and in multiples of its spread), window of the majority vote.
PAPER_WHITE = 235.0
MAX_PAPER_FRACTION = 0.8
MIN_SPREAD = 6.0
SPREAD_FACTOR = 3.5
MAJORITY_WINDOW_MM = 0.3
# Refinement on the unrolled rim: search range, smallest effect of the radius on the depth of the edge, least number of
# columns, contrast in Lab, tolerance and fraction of columns that agree, largest change.
REFINE_RANGE_MM = 0.3
MIN_LEVER = 0.15
MIN_COLUMNS = 8
CLEAR_CONTRAST = 6.0
AGREEMENT_MM = 0.06
MIN_AGREEMENT = 0.6
MAX_CHANGE_MM = 0.6
# Margin in the picture from which the background next to the card is sampled.
MIN_VISIBLE_MARGIN_MM = 0.4


@dataclass(frozen=True)
class Rounding:
    """Shape of one corner.

    radius_mm   of the arc that best separates card and background; None if they look alike, or if no arc separates them
    misfit_mm2  area on the wrong side of this arc
    background  (3,) float32 RGB
    spread      median distance of background pixels from that color
    """

    radius_mm: float | None
    misfit_mm2: float
    background: np.ndarray
    spread: float


def measure_roundings(card: FlatCard, edges: list[CardEdge]) -> list[Rounding]:
    """Measure the four corners, clockwise from the top left."""
    return [_rounding(card, edges, corner) for corner in range(4)]


def nominal_radius(roundings: list[Rounding]) -> float:
    """Infer the radius that this type of card is cut to from its corners: 0 mm (square) or 3 mm (modern)."""
    radii = [rounding.radius_mm for rounding in roundings if rounding.radius_mm is not None]
    return 0.0 if radii and min(radii) < SQUARE_BELOW_MM else MODERN_RADIUS_MM


def _rounding(card: FlatCard, edges: list[CardEdge], corner: int) -> Rounding:
    strip = card.side_strip(corner, PATCH_MM)
    columns = strip.column(PATCH_MM)
    sigma = max(0.5, SMOOTHING_SIGMA_MM * card.px_per_mm)
    patch = cv2.GaussianBlur(np.ascontiguousarray(strip.rgb[:, :columns]), (0, 0), sigma).astype(np.float32)
    along = (np.arange(columns) + 0.5) / card.px_per_mm - strip.before_mm
    after, before = edges[corner], edges[corner - 1]
    # Depths below both edges that meet here; positions along the edge before the corner are counted backwards.
    down = strip.depth_mm[:, None] - after.depth_at(along)[None, :]
    across = along[None, :] - before.depth_at(before.length_mm - strip.depth_mm)[:, None]
    nearest = np.minimum(down, across)
    beyond = (nearest > BACKGROUND_MM[0]) & (nearest < BACKGROUND_MM[1]) & (np.maximum(down, across) > -MARGIN_MM)
    margin = min(card.visible_margin_mm[corner], card.visible_margin_mm[corner - 1])
    border = np.median(patch[(nearest > BORDER_MM[0]) & (nearest < BORDER_MM[1])], axis=0)
    inside = (down > 0) & (across > 0)
    # If the picture ends at the card, the background is visible only where the corner is cut off.
    visible = beyond if margin >= MIN_VISIBLE_MARGIN_MM else inside & (down + across < 0.5)
    background = np.median(patch[visible], axis=0)
    x, y = np.maximum(down, 0), np.maximum(across, 0)
    critical = np.where(inside, x + y + np.sqrt(2 * x * y), 0)[inside]
    spread = float(np.median(np.linalg.norm(patch[visible] - background, axis=1)))
    if np.linalg.norm(border - background) < MIN_CONTRAST:
        return Rounding(None if margin >= MIN_VISIBLE_MARGIN_MM else 0.0, 0.0, background, spread)
    mask = background_mask(patch, background, border, spread)
    is_background = majority_filter(mask, card.px_per_mm)[inside]
    order = np.argsort(critical)
    critical, is_background = critical[order], is_background[order]
    radii = np.arange(0.0, MAX_RADIUS_MM, RADIUS_STEP_MM)
    split = np.searchsorted(critical, radii)
    background_before = np.concatenate([[0], np.cumsum(is_background)])
    # A pixel is beyond the arc if the radius exceeds its critical one: card beyond and background within are errors.
    wrong = (split - background_before[split]) + (background_before[-1] - background_before[split])
    best = int(wrong.argmin())
    if best == len(radii) - 1:  # a still larger arc would be better: what was taken for the background is not
        return Rounding(None, float(wrong[best]) / card.px_per_mm**2, background, spread)
    return Rounding(float(radii[best]), float(wrong[best]) / card.px_per_mm**2, background, spread)


def background_mask(patch: np.ndarray, background: np.ndarray, border: np.ndarray, spread: float) -> np.ndarray:
    """Classify colors: True for background, False for the border or a mixture of border and white paper.

    Bare paper may be as white as a scanner's lid, but the lid is uniform and the paper is not: a color close to the
    background's counts as background.

    patch   (..., 3) RGB
    border  (3,) RGB, or of a shape that broadcasts with the patch
    """
    axis = np.float32(PAPER_WHITE) - border
    squared = np.maximum((axis * axis).sum(axis=-1), 1.0)
    fraction = np.clip(((patch - border) * axis).sum(axis=-1) / squared, 0, MAX_PAPER_FRACTION)
    from_card = np.linalg.norm(patch - border - fraction[..., None] * axis, axis=-1)
    from_background = np.linalg.norm(patch - background, axis=-1)
    return np.asarray((from_background <= max(MIN_SPREAD, SPREAD_FACTOR * spread)) | (from_background < from_card))


def majority_filter(labels: np.ndarray, px_per_mm: float) -> np.ndarray:
    """Replace each label by the majority in a window around it."""
    size = max(3, round(MAJORITY_WINDOW_MM * px_per_mm)) | 1
    return np.asarray(cv2.blur(labels.astype(np.float32), (size, size)) > 0.5)


def refine_radii(rim: UnrolledRim, roundings: list[Rounding]) -> list[Rounding]:
    """Adjust the radii slightly to the edge that is visible along the arcs of the unrolled rim.

    An arc whose radius is too small by d is outside of the true one by d (sin t + cos t - 1) at an angle t.
    """
    lab = cv2.cvtColor((rim.rgb / 255).astype(np.float32), cv2.COLOR_RGB2Lab)
    bands = Bands(np.ascontiguousarray(lab.transpose(1, 0, 2)), np.arange(lab.shape[1]) * rim.pixel_mm, rim.depth_mm)
    contrast = edge_contrast(bands)
    depth, strength = locate_peaks(bands, contrast, np.zeros(lab.shape[1]), REFINE_RANGE_MM)
    return [_refine_radius(rim, rounding, depth, strength, corner) for corner, rounding in enumerate(roundings)]


def _refine_radius(
    rim: UnrolledRim, rounding: Rounding, depth: np.ndarray, strength: np.ndarray, corner: int
) -> Rounding:
    radius = rounding.radius_mm
    if not radius:
        return rounding
    columns = np.arange(len(depth))
    angle = (columns - rim.corner_middles[corner]) * rim.pixel_mm / radius + np.pi / 4
    lever = np.sin(angle) + np.cos(angle) - 1
    on_arc = (angle > 0) & (angle < np.pi / 2)
    chosen = on_arc & (lever > MIN_LEVER) & np.isfinite(depth) & (strength > CLEAR_CONTRAST)
    if chosen.sum() < MIN_COLUMNS:
        return rounding
    changes = depth[chosen] / lever[chosen]
    change = float(np.median(changes))
    agreement = float((np.abs(changes - change) * lever[chosen] < AGREEMENT_MM).mean())
    if agreement < MIN_AGREEMENT or abs(change) > MAX_CHANGE_MM:
        return rounding
    return replace(rounding, radius_mm=max(radius + change, 0.0))
