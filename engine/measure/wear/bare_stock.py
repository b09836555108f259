"""Bare stock along the rim: how much of each place has lost its print, told by the colours of border and paper."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.wear.unrolled_rim import Rim

BORDER_MM = (0.8, 2.0)
CLEAR_OF_FRAME_MM = 0.25
SMOOTH_MM, ART_MM = 6.0, 1.0
BIN_MM = 0.5
RIM_MM = 0.4
BLEED_MM = 0.3
CLEAN_FROM_MM, CLEAN_TO_MM = 0.16, 0.4
CLEAN_COVER = 0.3
LEAST_CLEAN = 0.1
CLEAN_MM = (1.0, 2.0)
LEAST_CONTRAST = 34.0
PALE_CONTRAST = 60.0
PALE_BRIGHTNESS = 180.0
DEVIATES = 26.0
LEAST_SAMPLE_MM2 = 0.12
MOST_CHROMA = 0.32
LEAST_BRIGHTNESS = 150.0
WHITE = np.array([236.0, 234.0, 228.0])
LEAST_COVER = 0.35
NOISE_TIMES = 3.5
MOST_NOISE_COVER = 0.75
OFF_AXIS = 0.45
LEAST_OFF_AXIS = 24.0
# How near the edge a patch must begin; a corner's own edge is known less well.
REACHES_EDGE_MM, REACHES_CORNER_MM = 0.13, 0.6
SMALLEST_MM2 = 0.008
BAREST = 66
LEAST_PART = 0.12
JOINED_MM = 0.25
DEEPER_PX = 1.2
LEAST_DEEP = 0.2
LEAST_FULL = 0.55


@dataclass(frozen=True)
class Stock:
    """Where the rim has lost its print.

    cover     (rows, columns) float32, 0 .. 1 of each pixel of the unrolled rim; only what reaches the edge
    readable  (4,) by side: whether border and paper differ enough to be told apart
    paper     (3,) RGB of the stock, as the picture shows it
    """

    cover: np.ndarray
    readable: np.ndarray
    paper: np.ndarray


def bare_stock(rim: Rim, widths_mm: np.ndarray, border: np.ndarray, ground: np.ndarray) -> Stock:
    """Tell bare stock from print along an unrolled rim.

    widths_mm  (columns,) of the printed border, as `border_widths_along` gives it
    border     (columns, 3) RGB, as `border_colours` gives it
    ground     (rows, columns) bool, where the card is gone and the ground shows
    """
    apart = rim.rgb - border[None]
    paper, seen = _paper(rim, apart)
    way = paper - border
    contrast = np.linalg.norm(way, axis=1)
    enough = contrast >= np.where(_pale(rim, border), PALE_CONTRAST if seen else np.inf, LEAST_CONTRAST)
    readable = np.array([np.median(enough[rim.side == side]) > 0 for side in range(4)])
    cover = np.einsum("rck,ck->rc", apart, way) / np.maximum(contrast, 1.0)[None] ** 2
    off_axis = np.linalg.norm(apart - cover[..., None] * way[None], axis=2)
    cover[off_axis > np.maximum(LEAST_OFF_AXIS, OFF_AXIS * contrast)[None]] = 0
    cover, noise = _calmed(rim, cover)
    _take_off_bleed(rim, cover)
    cover[ground] = 0
    readable &= np.array([NOISE_TIMES * noise[rim.side == side].mean() <= MOST_NOISE_COVER for side in range(4)])
    least = np.maximum(LEAST_COVER, NOISE_TIMES * noise)[None]
    reach = np.where(np.isfinite(widths_mm), widths_mm - CLEAR_OF_FRAME_MM / 2, 1.2)
    allowed = (rim.area_mm2 > 0) & (rim.depth_mm[:, None] <= reach[None])
    cover = _patches(rim, np.where(allowed, cover, 0), np.where(allowed, cover, 0) >= least)
    cover[:, ~readable[rim.side]] = 0
    return Stock(cover.astype(np.float32), readable, paper)


def border_widths_along(rim: Rim, ends_mm: np.ndarray) -> np.ndarray:
    """(columns,) width of the printed border; nan where there is none.

    ends_mm  (4, 2) at both ends of each side, clockwise; nan for a side without a border
    """
    share = rim.along_mm / rim.length_mm
    return np.asarray(ends_mm[rim.side, 0] * (1 - share) + ends_mm[rim.side, 1] * share)


def border_colours(rim: Rim, widths_mm: np.ndarray) -> np.ndarray:
    """(columns, 3) RGB of the border next to each place of the rim, smooth along it and over the corners.

    widths_mm  (columns,) of the border; nan where there is none
    """
    deepest = np.where(np.isfinite(widths_mm), widths_mm - CLEAR_OF_FRAME_MM, 1.6)
    deepest = np.clip(deepest, 0.35, BORDER_MM[1])
    shallowest = np.minimum(BORDER_MM[0], deepest / 2)
    depth = rim.depth_mm[:, None]
    inside = (depth >= shallowest[None]) & (depth <= deepest[None])
    per_bin = max(1, round(BIN_MM / rim.step_mm))
    count = -(-rim.rgb.shape[1] // per_bin)
    bordered = bool(np.isfinite(widths_mm).all())
    # A border is the same around its corners; art that runs to the edge has its own colours there.
    told_by = rim.corner < 0 if bordered else np.ones(rim.rgb.shape[1], bool)
    middles, colours = [], []
    for index in range(count):
        part = slice(index * per_bin, (index + 1) * per_bin)
        chosen = inside[:, part] & told_by[None, part]
        if chosen.any():
            middles.append(index * per_bin + per_bin / 2)
            colours.append(np.median(rim.rgb[:, part][chosen], axis=0))
    window = max(1, round((SMOOTH_MM if bordered else ART_MM) / BIN_MM)) | 1
    around = np.pad(np.array(colours), ((window // 2, window // 2), (0, 0)), mode="wrap")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(around, window, axis=0), axis=2)
    columns = np.arange(rim.rgb.shape[1])
    whole = [np.interp(columns, middles, smooth[:, channel], period=len(columns)) for channel in range(3)]
    return np.column_stack(whole)


def _paper(rim: Rim, apart: np.ndarray) -> tuple[np.ndarray, bool]:
    """The stock's colour, and whether it was seen: what most often takes the border's place at the rim, if that looks
    like paper; else white is assumed."""
    depth = rim.depth_mm[:, None]
    near = (depth > 1.2 * rim.step_mm) & (depth < RIM_MM) & (rim.area_mm2 > 0)
    brightest = rim.rgb.max(axis=2)
    grey = brightest - rim.rgb.min(axis=2) <= MOST_CHROMA * brightest
    far = np.linalg.norm(apart, axis=2)
    like = near & grey & (brightest >= LEAST_BRIGHTNESS * _exposure(rim)) & (far >= DEVIATES)
    if rim.area_mm2[like].sum() >= LEAST_SAMPLE_MM2:
        furthest = like & (far >= np.median(far[like]))
        return np.asarray(np.median(rim.rgb[furthest], axis=0)), True
    return WHITE * _exposure(rim), False


def _exposure(rim: Rim) -> float:
    """How bright white would be in this picture, 0.5 to 1: by the brightest that the rim shows."""
    return float(np.clip(np.percentile(rim.rgb[rim.depth_mm > 0].max(axis=1), 99) / 245, 0.5, 1.0))


def _pale(rim: Rim, border: np.ndarray) -> np.ndarray:
    """(columns,) whether the border is itself as pale as paper, so that bare stock may not show on it."""
    brightest = border.max(axis=1)
    grey = brightest - border.min(axis=1) <= MOST_CHROMA * brightest
    return np.asarray(grey & (brightest >= PALE_BRIGHTNESS * _exposure(rim)))


def _take_off_bleed(rim: Rim, cover: np.ndarray) -> None:
    """Take off, in place, what the ground beyond the edge, or its shadow, adds to the outermost pixels.

    It is what the outermost pixels show where there is nothing further in: wear is seldom so shallow for so long.
    """
    rows = np.nonzero((rim.depth_mm > 0) & (rim.depth_mm < BLEED_MM))[0]
    further_in = (rim.depth_mm > CLEAN_FROM_MM) & (rim.depth_mm < CLEAN_TO_MM)
    clean = np.percentile(np.abs(cover[further_in]), 90, axis=0) < CLEAN_COVER
    for side in range(4):
        columns = (rim.side == side) & (rim.corner < 0)
        enough = (columns & clean).sum() >= LEAST_CLEAN * columns.sum()
        bleed = np.percentile(cover[rows][:, columns & clean if enough else columns], 50 if enough else 10, axis=1)
        cover[np.ix_(rows, rim.side == side)] -= bleed[:, None]


def _calmed(rim: Rim, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cover smoothed as far as its own grain asks, and the grain that is left, (columns,) by side."""
    clean = (rim.depth_mm > CLEAN_MM[0]) & (rim.depth_mm < CLEAN_MM[1])
    best, grain = cover, np.zeros(cover.shape[1])
    for size in (1, 3, 5):
        best = cover if size == 1 else cv2.blur(cover, (size, size))
        for side in range(4):
            columns = rim.side == side
            values = best[clean][:, columns & (rim.corner < 0)]
            grain[columns] = 1.4826 * np.median(np.abs(values - np.median(values)))
        if NOISE_TIMES * grain.max() <= LEAST_COVER * 1.3:
            break
    return best, grain


def _patches(rim: Rim, cover: np.ndarray, bare: np.ndarray) -> np.ndarray:
    """Only patches that reach the edge and are no speck; each counts in full where it is as bare as its middle.

    Print clings to bare stock in fibres: where two thirds of a patch look covered to 0.6, all of it is bare. Less than
    that is a pixel that the patch covers in part, and such pixels around it count as well.
    """
    size = max(3, round(JOINED_MM / rim.step_mm)) | 1
    joined = cv2.morphologyEx(bare.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    joined = cv2.dilate(joined, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    reaches = np.where(rim.corner >= 0, REACHES_CORNER_MM, max(REACHES_EDGE_MM, 2.1 * rim.step_mm))
    outer = (rim.depth_mm > 0)[:, None] & (rim.depth_mm[:, None] < reaches[None])
    touching = np.zeros(count, bool)
    touching[np.unique(labels[outer][bare[outer]])] = True
    amount = np.where(cover > LEAST_PART, cover, 0) * rim.area_mm2
    areas = np.bincount(labels.ravel(), amount.ravel(), minlength=count)
    deeper = rim.depth_mm > DEEPER_PX * rim.step_mm
    deep = np.bincount(labels[deeper].ravel(), amount[deeper].ravel(), minlength=count)
    kept = touching & (areas >= SMALLEST_MM2) & (deep >= LEAST_DEEP * areas)
    kept[0] = False
    inside = kept[labels] & (cover > LEAST_PART)
    full = np.ones(count)
    order = np.argsort(labels[inside], kind="stable")
    values, owners = cover[inside][order], labels[inside][order]
    starts = np.searchsorted(owners, np.arange(count + 1))
    for patch in np.nonzero(kept)[0]:
        full[patch] = np.clip(np.percentile(values[starts[patch] : starts[patch + 1]], BAREST), LEAST_FULL, 1.0)
    return np.where(inside, np.clip(cover / full[labels], 0, 1), 0)
