"""Bare stock along the rim: the fraction of each pixel that has lost its print, by the colors of border and paper."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.wear.unrolled_rim import UnrolledRim

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Depths at which the border's color is sampled, up to a clearance from the frame.
BORDER_MM = (0.8, 2.0)
FRAME_CLEARANCE_MM = 0.25
# Length over which the border's color is smoothed: a printed border, and art that runs to the edge; size of a bin.
SMOOTHING_MM, ART_SMOOTHING_MM = 6.0, 1.0
BIN_MM = 0.5
# Depth in which the paper's color is sampled.
RIM_MM = 0.4
# Depth that the background's bleed reaches; columns are clean if little is bare in the depths after it.
BLEED_MM = 0.3
CLEAN_FROM_MM, CLEAN_TO_MM = 0.16, 0.4
MAX_CLEAN_FRACTION = 0.3
MIN_CLEAN_COLUMNS = 0.1
# Depths outside the card at which its surroundings are sampled, and the length over which they are averaged.
GROUND_MM = (-0.55, -0.15)
GROUND_WINDOW_MM = 2.0
# Depths in which noise is measured.
NOISE_MM = (1.0, 2.0)
# RGB distance between border and paper from which bare stock is measured, and the one for a border as pale as paper.
# The threshold was set on 45 simulated cards: raising it dropped a fifth of the edges and brought their rank
# correlation from .87 to .95 (docs/decisions/0011-measuring.md).
MIN_CONTRAST = 34.0
PALE_CONTRAST = 60.0
PALE_BRIGHTNESS = 180.0
# Pixels from which the paper's color is taken: RGB distance from the border, total area, chroma relative to
# brightness, brightness.
MIN_PAPER_DISTANCE = 26.0
MIN_SAMPLE_MM2 = 0.12
MAX_CHROMA = 0.32
MIN_BRIGHTNESS = 150.0
WHITE = np.array([236.0, 234.0, 228.0])
# Bare fraction from which a pixel belongs to a patch; with noise, this many times its deviation, which has a maximum.
MIN_BARE_FRACTION = 0.35
NOISE_FACTOR = 3.5
MAX_NOISE_FRACTION = 0.75
# Distance of a color from the line between border and paper, relative to their distance and in RGB levels.
MAX_OFF_AXIS = 0.45
MIN_OFF_AXIS_LEVELS = 24.0
# Depth within which a patch must begin; the edge of a corner is known less precisely.
EDGE_REACH_MM, CORNER_REACH_MM = 0.13, 0.6
MIN_PATCH_MM2 = 0.008
# The bare fraction of a patch's barest pixels is this percentile, at least the minimum below, and counts as 1.
FULL_PERCENTILE = 66
MIN_FULL_FRACTION = 0.55
MIN_PART_FRACTION = 0.12
# Gaps up to this length are closed.
CLOSING_MM = 0.25
# A patch must have this fraction of its area deeper than this many pixels.
DEEP_PX = 1.2
MIN_DEEP_FRACTION = 0.2


@dataclass(frozen=True)
class BareStock:
    """Parts of the rim that have lost their print.

    bare_fraction  (rows, columns) float32, 0 to 1 of each pixel of the unrolled rim; only patches that reach the edge
    readable       (4,) by side: border and paper differ enough to be distinguished
    paper          (3,) RGB of the stock in the picture
    contrast       (columns,) RGB distance between border and paper
    from_ground    (columns,) RGB distance between paper and what is seen outside the card
    """

    bare_fraction: np.ndarray
    readable: np.ndarray
    paper: np.ndarray
    contrast: np.ndarray
    from_ground: np.ndarray


def find_bare_stock(rim: UnrolledRim, widths_mm: np.ndarray, border: np.ndarray, missing: np.ndarray) -> BareStock:
    """Segment bare stock from print along an unrolled rim.

    widths_mm  (columns,) of the printed border, from `border_widths_along`
    border     (columns, 3) RGB, from `border_colors`
    missing    (rows, columns) bool, missing stock: the background is visible
    """
    difference = rim.rgb - border[None]
    exposure = _exposure(rim)
    paper, sampled = _paper_color(rim, difference, exposure)
    axis = paper - border
    contrast = np.linalg.norm(axis, axis=1)
    enough = contrast >= np.where(_is_pale(border, exposure), PALE_CONTRAST if sampled else np.inf, MIN_CONTRAST)
    readable = np.array([np.median(enough[rim.side == side]) > 0 for side in range(4)])
    bare = np.einsum("rck,ck->rc", difference, axis) / np.maximum(contrast, 1.0)[None] ** 2
    off_axis = np.linalg.norm(difference - bare[..., None] * axis[None], axis=2)
    bare[off_axis > np.maximum(MIN_OFF_AXIS_LEVELS, MAX_OFF_AXIS * contrast)[None]] = 0
    bare, noise = _denoise(rim, bare)
    _subtract_bleed(rim, bare)
    bare[missing] = 0
    readable &= np.array([NOISE_FACTOR * noise[rim.side == side].mean() <= MAX_NOISE_FRACTION for side in range(4)])
    minimum = np.maximum(MIN_BARE_FRACTION, NOISE_FACTOR * noise)[None]
    reach = np.where(np.isfinite(widths_mm), widths_mm - FRAME_CLEARANCE_MM / 2, 1.2)
    allowed = (rim.area_mm2 > 0) & (rim.depth_mm[:, None] <= reach[None])
    bare = _filter_patches(rim, np.where(allowed, bare, 0), np.where(allowed, bare, 0) >= minimum)
    bare[:, ~readable[rim.side]] = 0
    return BareStock(bare.astype(np.float32), readable, paper, contrast, _distance_from_ground(rim, paper))


def border_widths_along(rim: UnrolledRim, ends_mm: np.ndarray) -> np.ndarray:
    """(columns,) width of the printed border; NaN if there is none.

    ends_mm  (4, 2) at both ends of each side, clockwise; NaN for a side without a border
    """
    fraction = rim.along_mm / rim.length_mm
    return np.asarray(ends_mm[rim.side, 0] * (1 - fraction) + ends_mm[rim.side, 1] * fraction)


def border_colors(rim: UnrolledRim, widths_mm: np.ndarray) -> np.ndarray:
    """(columns, 3) RGB of the border next to each column of the rim, smoothed along it and interpolated over corners.

    widths_mm  (columns,) of the border; NaN if there is none
    """
    deepest = np.where(np.isfinite(widths_mm), widths_mm - FRAME_CLEARANCE_MM, 1.6)
    deepest = np.clip(deepest, 0.35, BORDER_MM[1])
    shallowest = np.minimum(BORDER_MM[0], deepest / 2)
    depth = rim.depth_mm[:, None]
    inside = (depth >= shallowest[None]) & (depth <= deepest[None])
    per_bin = max(1, round(BIN_MM / rim.pixel_mm))
    count = -(-rim.rgb.shape[1] // per_bin)
    bordered = bool(np.isfinite(widths_mm).all())
    # A border has the same color around its corners; art that runs to the edge has its own colors there.
    sampled = rim.corner < 0 if bordered else np.ones(rim.rgb.shape[1], bool)
    chosen = inside & sampled[None]
    rows = chosen.any(axis=1)
    medians = _bin_medians(rim.rgb[rows], chosen[rows], per_bin)
    filled = np.isfinite(medians[:, 0])
    middles, colors = (np.arange(count) * per_bin + per_bin / 2)[filled], medians[filled]
    window = max(1, round((SMOOTHING_MM if bordered else ART_SMOOTHING_MM) / BIN_MM)) | 1
    padded = np.pad(colors, ((window // 2, window // 2), (0, 0)), mode="wrap")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, window, axis=0), axis=2)
    columns = np.arange(rim.rgb.shape[1])
    channels = [np.interp(columns, middles, smooth[:, channel], period=len(columns)) for channel in range(3)]
    return np.column_stack(channels)


def _bin_medians(rgb: np.ndarray, chosen: np.ndarray, per_bin: int) -> np.ndarray:
    """(bins, 3) median color of the chosen pixels of each `per_bin` columns; infinite for a bin without any.

    rgb     (rows, columns, 3)
    chosen  (rows, columns) bool
    """
    rows, columns = chosen.shape
    count = -(-columns // per_bin)
    values = np.full((rows, count * per_bin, 3), np.inf, np.float32)
    values[:, :columns] = np.where(chosen[..., None], rgb, np.inf)
    # What was not chosen is sorted to the end.
    ordered = np.sort(values.reshape(rows, count, per_bin, 3).transpose(1, 3, 0, 2).reshape(count, 3, -1), axis=2)
    number = np.isfinite(ordered[:, 0]).sum(axis=1)
    middle = np.maximum(np.stack([(number - 1) // 2, number // 2]), 0)  # (2, bins)
    return np.asarray(ordered[np.arange(count), :, middle].mean(axis=0))


def _paper_color(rim: UnrolledRim, difference: np.ndarray, exposure: float) -> tuple[np.ndarray, bool]:
    """RGB of the stock, and True if it was sampled: pixels at the rim that differ from the border and look like paper.

    Without enough such pixels, white is assumed.
    """
    near = (rim.depth_mm > 1.2 * rim.pixel_mm) & (rim.depth_mm < RIM_MM)
    rgb, area_mm2 = rim.rgb[near], rim.area_mm2[near]
    brightest = rgb.max(axis=2)
    gray = brightest - rgb.min(axis=2) <= MAX_CHROMA * brightest
    distance = np.linalg.norm(difference[near], axis=2)
    is_bright = brightest >= MIN_BRIGHTNESS * exposure
    paper = (area_mm2 > 0) & gray & is_bright & (distance >= MIN_PAPER_DISTANCE)
    if area_mm2[paper].sum() >= MIN_SAMPLE_MM2:
        furthest = paper & (distance >= np.median(distance[paper]))
        return np.asarray(np.median(rgb[furthest], axis=0)), True
    return WHITE * exposure, False


def _distance_from_ground(rim: UnrolledRim, paper: np.ndarray) -> np.ndarray:
    """(columns,) RGB distance between paper and the nearest color outside the card, over 2 mm along the rim."""
    outside = rim.rgb[(rim.depth_mm > GROUND_MM[0]) & (rim.depth_mm < GROUND_MM[1])]
    distance = np.linalg.norm(outside - paper, axis=2).min(axis=0).astype(np.float32)
    size = round(GROUND_WINDOW_MM / rim.pixel_mm) | 1
    return np.asarray(cv2.blur(distance[None], (size, 1), borderType=cv2.BORDER_REFLECT)[0])


def _exposure(rim: UnrolledRim) -> float:
    """Brightness of white in this picture, 0.5 to 1, estimated from the brightest pixels of the rim."""
    return float(np.clip(np.percentile(rim.rgb[rim.depth_mm > 0].max(axis=1), 99) / 245, 0.5, 1.0))


def _is_pale(border: np.ndarray, exposure: float) -> np.ndarray:
    """(columns,) True if the border is itself as pale as paper, so that bare stock may not be visible on it."""
    brightest = border.max(axis=1)
    gray = brightest - border.min(axis=1) <= MAX_CHROMA * brightest
    return np.asarray(gray & (brightest >= PALE_BRIGHTNESS * exposure))


def _subtract_bleed(rim: UnrolledRim, bare: np.ndarray) -> None:
    """Subtract, in place, the effect of the background and its shadow on the outermost pixels.

    It is estimated from columns that are clean further in: wear is rarely that shallow over a long stretch.
    """
    rows = np.nonzero((rim.depth_mm > 0) & (rim.depth_mm < BLEED_MM))[0]
    further_in = (rim.depth_mm > CLEAN_FROM_MM) & (rim.depth_mm < CLEAN_TO_MM)
    clean = np.percentile(np.abs(bare[further_in]), 90, axis=0) < MAX_CLEAN_FRACTION
    for side in range(4):
        columns = (rim.side == side) & (rim.corner < 0)
        enough = (columns & clean).sum() >= MIN_CLEAN_COLUMNS * columns.sum()
        bleed = np.percentile(bare[rows][:, columns & clean if enough else columns], 50 if enough else 10, axis=1)
        bare[np.ix_(rows, rim.side == side)] -= bleed[:, None]


def _denoise(rim: UnrolledRim, bare: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth the bare fraction as much as its noise requires; also returns the remaining noise, (columns,) by side."""
    clean = (rim.depth_mm > NOISE_MM[0]) & (rim.depth_mm < NOISE_MM[1])
    smoothed, noise = bare, np.zeros(bare.shape[1])
    for size in (1, 3, 5):
        smoothed = bare if size == 1 else cv2.blur(bare, (size, size))
        for side in range(4):
            columns = rim.side == side
            values = smoothed[clean][:, columns & (rim.corner < 0)]
            noise[columns] = 1.4826 * np.median(np.abs(values - np.median(values)))
        if NOISE_FACTOR * noise.max() <= MIN_BARE_FRACTION * 1.3:
            break
    return smoothed, noise


def _filter_patches(rim: UnrolledRim, bare: np.ndarray, is_bare: np.ndarray) -> np.ndarray:
    """Keep patches that reach the edge and are not specks; a patch's barest pixels count in full.

    Print clings to bare stock in fibers, so that a bare patch measures less than 1: if the 66th percentile of its bare
    fractions is 0.6, 0.6 counts as 1. Lower fractions are pixels that the patch covers in part, and are included.
    """
    size = max(3, round(CLOSING_MM / rim.pixel_mm)) | 1
    joined = cv2.morphologyEx(is_bare.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    joined = cv2.dilate(joined, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    reach = np.where(rim.corner >= 0, CORNER_REACH_MM, max(EDGE_REACH_MM, 2.1 * rim.pixel_mm))
    outer = (rim.depth_mm > 0)[:, None] & (rim.depth_mm[:, None] < reach[None])
    touching = np.zeros(count, bool)
    touching[np.unique(labels[outer][is_bare[outer]])] = True
    amount = np.where(bare > MIN_PART_FRACTION, bare, 0) * rim.area_mm2
    areas = np.bincount(labels.ravel(), amount.ravel(), minlength=count)
    deeper = rim.depth_mm > DEEP_PX * rim.pixel_mm
    deep = np.bincount(labels[deeper].ravel(), amount[deeper].ravel(), minlength=count)
    valid = touching & (areas >= MIN_PATCH_MM2) & (deep >= MIN_DEEP_FRACTION * areas)
    valid[0] = False
    inside = valid[labels] & (bare > MIN_PART_FRACTION)
    full = np.ones(count)
    order = np.argsort(labels[inside], kind="stable")
    values, patches = bare[inside][order], labels[inside][order]
    starts = np.searchsorted(patches, np.arange(count + 1))
    for patch in np.nonzero(valid)[0]:
        values_of_patch = values[starts[patch] : starts[patch + 1]]
        full[patch] = np.clip(np.percentile(values_of_patch, FULL_PERCENTILE), MIN_FULL_FRACTION, 1.0)
    return np.where(inside, np.clip(bare / full[labels], 0, 1), 0)
