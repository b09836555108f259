"""The corners' roundings: where the card ends and the ground begins, and the radius that fits it best."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from engine.measure.card_edges import Edge
from engine.measure.flat_card import MARGIN_MM, Flat
from engine.measure.profiles import Bands, contrasts, located
from engine.measure.wear.unrolled_rim import Rim

REACH_MM = 7.0
BORDER_MM = (1.0, 2.0)
GROUND_MM = (-1.2, -0.3)
LARGEST_MM = 9.0
STEP_MM = 0.05
LEAST_CONTRAST = 14.0
SQUARE_BELOW_MM = 1.2
MODERN_NORM_MM = 3.0
SOFTEN_MM = 0.06
PAPER_WHITE = 235.0
MOST_WHITENED = 0.8
LEAST_SPREAD = 6.0
SPREADS = 3.5
MAJORITY_MM = 0.3
SHARPEN_MM = 0.3
LEAST_LEVER = 0.15
LEAST_COLUMNS = 8
CLEAR_STEP = 6.0
AGREED_MM = 0.06
LEAST_AGREED = 0.6
MOST_CHANGE_MM = 0.6
LEAST_SEEN_MM = 0.4


@dataclass(frozen=True)
class Rounding:
    """One corner's shape.

    radius_mm   of the arc that parts card and ground best; None where they look alike
    misfit_mm2  area that this arc parts wrongly
    ground      (3,) float32 RGB of what lies beyond
    spread      how far its colours lie from that, the median
    """

    radius_mm: float | None
    misfit_mm2: float
    ground: np.ndarray
    spread: float


def find_roundings(flat: Flat, edges: list[Edge]) -> list[Rounding]:
    """The four corners clockwise from the top left."""
    return [_rounding(flat, edges, corner) for corner in range(4)]


def norm_of(roundings: list[Rounding]) -> float:
    """The radius this type of card is cut to: 0 for square corners, 3 mm for modern ones; told from its corners."""
    known = [rounding.radius_mm for rounding in roundings if rounding.radius_mm is not None]
    return 0.0 if known and min(known) < SQUARE_BELOW_MM else MODERN_NORM_MM


def _rounding(flat: Flat, edges: list[Edge], corner: int) -> Rounding:
    strip = flat.seen_from(corner, REACH_MM)
    columns = strip.column(REACH_MM)
    soft = max(0.5, SOFTEN_MM * flat.px_per_mm)
    patch = cv2.GaussianBlur(np.ascontiguousarray(strip.rgb[:, :columns]), (0, 0), soft).astype(np.float32)
    along = (np.arange(columns) + 0.5) / flat.px_per_mm - strip.before_mm
    after, before = edges[corner], edges[corner - 1]
    # Depths below both edges that meet here; the edge before runs up to this corner, its places counted backwards.
    down = strip.depth_mm[:, None] - after.depth_at(along)[None, :]
    across = along[None, :] - before.depth_at(before.length_mm - strip.depth_mm)[:, None]
    nearest = np.minimum(down, across)
    ground_place = (nearest > GROUND_MM[0]) & (nearest < GROUND_MM[1]) & (np.maximum(down, across) > -MARGIN_MM)
    seen = min(flat.seen_mm[corner], flat.seen_mm[corner - 1])
    border = np.median(patch[(nearest > BORDER_MM[0]) & (nearest < BORDER_MM[1])], axis=0)
    inside = (down > 0) & (across > 0)
    # Where the picture ends at the card, only what the corner itself leaves free shows the ground.
    shows = ground_place if seen >= LEAST_SEEN_MM else inside & (down + across < 0.5)
    ground = np.median(patch[shows], axis=0)
    x, y = np.maximum(down, 0), np.maximum(across, 0)
    critical = np.where(inside, x + y + np.sqrt(2 * x * y), 0)[inside]
    spread = float(np.median(np.linalg.norm(patch[shows] - ground, axis=1)))
    if np.linalg.norm(border - ground) < LEAST_CONTRAST:
        return Rounding(None if seen >= LEAST_SEEN_MM else 0.0, 0.0, ground, spread)
    is_ground = by_majority(like_ground(patch, ground, border, spread), flat.px_per_mm)[inside]
    order = np.argsort(critical)
    critical, is_ground = critical[order], is_ground[order]
    radii = np.arange(0.0, LARGEST_MM, STEP_MM)
    split = np.searchsorted(critical, radii)
    ground_before = np.concatenate([[0], np.cumsum(is_ground)])
    # A pixel lies beyond an arc once the radius exceeds its critical one: card beyond and ground within are wrong.
    wrong = (split - ground_before[split]) + (ground_before[-1] - ground_before[split])
    best = int(wrong.argmin())
    return Rounding(float(radii[best]), float(wrong[best]) / flat.px_per_mm**2, ground, spread)


def like_ground(patch: np.ndarray, ground: np.ndarray, border: np.ndarray, spread: float) -> np.ndarray:
    """Whether each colour is the ground's rather than the border's, or a mixture of border and white paper.

    Bare paper may be as white as a scanner's lid, but the lid is even and the paper is not: close counts as ground.

    patch   (..., 3) RGB
    border  (3,) RGB, or of a shape that goes with the patch
    """
    way = np.float32(PAPER_WHITE) - border
    size = np.maximum((way * way).sum(axis=-1), 1.0)
    share = np.clip(((patch - border) * way).sum(axis=-1) / size, 0, MOST_WHITENED)
    from_card = np.linalg.norm(patch - border - share[..., None] * way, axis=-1)
    from_ground = np.linalg.norm(patch - ground, axis=-1)
    return np.asarray((from_ground <= max(LEAST_SPREAD, SPREADS * spread)) | (from_ground < from_card))


def by_majority(labels: np.ndarray, px_per_mm: float) -> np.ndarray:
    """Labels as most of their neighbours have them."""
    size = max(3, round(MAJORITY_MM * px_per_mm)) | 1
    return np.asarray(cv2.blur(labels.astype(np.float32), (size, size)) > 0.5)


def sharpened(rim: Rim, roundings: list[Rounding]) -> list[Rounding]:
    """The roundings with radii moved onto the edge that the unrolled rim shows along its arcs, by a little.

    An arc whose radius is too small by d lies outside of the true one by d (sin t + cos t - 1) at an angle t.
    """
    lab = cv2.cvtColor((rim.rgb / 255).astype(np.float32), cv2.COLOR_RGB2Lab)
    bands = Bands(np.ascontiguousarray(lab.transpose(1, 0, 2)), np.arange(lab.shape[1]) * rim.step_mm, rim.depth_mm)
    contrast = contrasts(bands)
    seen, strength = located(bands, contrast, np.zeros(lab.shape[1]), SHARPEN_MM)
    return [_sharpened(rim, rounding, seen, strength, corner) for corner, rounding in enumerate(roundings)]


def _sharpened(rim: Rim, rounding: Rounding, seen: np.ndarray, strength: np.ndarray, corner: int) -> Rounding:
    radius = rounding.radius_mm
    if not radius:
        return rounding
    columns = np.arange(len(seen))
    turn = (columns - rim.middles[corner]) * rim.step_mm / radius + np.pi / 4
    lever = np.sin(turn) + np.cos(turn) - 1
    chosen = (turn > 0) & (turn < np.pi / 2) & (lever > LEAST_LEVER) & np.isfinite(seen) & (strength > CLEAR_STEP)
    if chosen.sum() < LEAST_COLUMNS:
        return rounding
    changes = seen[chosen] / lever[chosen]
    change = float(np.median(changes))
    agreed = float((np.abs(changes - change) * lever[chosen] < AGREED_MM).mean())
    if agreed < LEAST_AGREED or abs(change) > MOST_CHANGE_MM:
        return rounding
    return replace(rounding, radius_mm=max(radius + change, 0.0))
