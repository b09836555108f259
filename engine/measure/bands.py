"""Profiles into the card from one of its sides: how the colour changes with depth, at places along the side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.flat import Flat

BAND_MM = 1.0
STEP_MM = 0.3
SMOOTH_MM = 0.06
LEAST_SMOOTH_PX = 0.9


@dataclass(frozen=True)
class Bands:
    """Colours at depths into the card, each the mean over a short stretch along the side.

    lab       (bands, rows, 3) float32: L from 0 to 100, a and b
    along_mm  (bands,) middle of each stretch, clockwise from the side's first corner
    depth_mm  (rows,) middle of each row
    """

    lab: np.ndarray
    along_mm: np.ndarray
    depth_mm: np.ndarray

    @property
    def row_mm(self) -> float:
        """Height of a row."""
        return float(self.depth_mm[1] - self.depth_mm[0])


def bands_of(flat: Flat, side: int, *, start_mm: float, end_mm: float, depth_mm: float) -> Bands:
    """Bands of about a millimetre between two places along a side, down to a depth."""
    strip = flat.seen_from(side, depth_mm)
    first, last = strip.column(start_mm), strip.column(end_mm)
    count = max(4, round((last - first) / strip.px_per_mm / BAND_MM))
    means = cv2.resize(strip.rgb[:, first:last], (count, strip.rgb.shape[0]), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(means.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    edges = (np.linspace(first, last, count + 1)) / strip.px_per_mm - strip.before_mm
    return Bands(np.ascontiguousarray(lab.transpose(1, 0, 2)), (edges[:-1] + edges[1:]) / 2, strip.depth_mm)


def steps(bands: Bands) -> np.ndarray:
    """(bands, rows) how far apart the mean colours of the 0.3 mm above and below each row's upper bound lie, in Lab."""
    reach = max(2, round(STEP_MM / bands.row_mm))
    sums = np.pad(np.cumsum(bands.lab, axis=1, dtype=np.float64), ((0, 0), (1, 0), (0, 0)))
    above = sums[:, reach:-reach] - sums[:, : -2 * reach]
    below = sums[:, 2 * reach :] - sums[:, reach:-reach]
    apart = np.zeros(bands.lab.shape[:2], np.float32)
    apart[:, reach : apart.shape[1] - reach + 1] = np.linalg.norm(below - above, axis=2) / reach
    return apart


def speeds(bands: Bands) -> np.ndarray:
    """(bands, rows) how fast the colour changes with depth at each row's middle, in Lab per millimetre."""
    sigma = max(LEAST_SMOOTH_PX, SMOOTH_MM / bands.row_mm)
    half = int(np.ceil(3 * sigma))
    x = np.arange(-half, half + 1)
    slope = x * np.exp(-0.5 * (x / sigma) ** 2)
    kernel = (slope / (x * slope).sum()).astype(np.float32)[None, :]
    squared = np.zeros(bands.lab.shape[:2], np.float32)
    for channel in range(3):
        plane = np.ascontiguousarray(bands.lab[..., channel])
        change = cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
        squared += change * change
    return np.sqrt(squared) / bands.row_mm


def sharpest(bands: Bands, speed: np.ndarray, near_mm: np.ndarray, within_mm: float, *, outermost: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Where each band changes colour fastest around a depth, to a part of a pixel.

    speed      as `speeds` gives it
    near_mm    (bands,) depth to look around
    outermost  of several peaks the outermost one counts that is at least this share of the fastest
    returns    (bands,) depths, nan where there is no peak in the range, and (bands,) how fast, Lab per mm
    """
    inside = np.abs(bands.depth_mm[None, 1:-1] - near_mm[:, None]) <= within_mm
    before, at, after = speed[:, :-2], speed[:, 1:-1], speed[:, 2:]
    peak = np.where(inside & (at >= before) & (at > after), at, 0.0)
    first = (peak >= np.maximum(outermost * peak.max(axis=1, keepdims=True), 1e-9)).argmax(axis=1)[:, None]
    before, at, after = (np.take_along_axis(values, first, axis=1)[:, 0] for values in (before, at, after))
    bend = before - 2 * at + after
    lean = 0.5 * (before - after) / np.where(bend < 0, bend, -1.0)
    known = peak.max(axis=1) > 0
    return np.where(known, bands.depth_mm[1 + first[:, 0]] + lean * bands.row_mm, np.nan), np.where(known, at, 0.0)


def votes(strength: np.ndarray, along_mm: np.ndarray, row_mm: float, slopes: np.ndarray) -> np.ndarray:
    """(slopes, rows): the mean strength along straight lines that start at a row and lean by a slope.

    strength  (bands, rows)
    slopes    depth gained per length along the side; a line's row is where it passes the middle of the bands
    """
    rows = strength.shape[1]
    from_middle = along_mm - along_mm.mean()
    totals = np.empty((len(slopes), rows))
    for index, slope in enumerate(slopes):
        shift = np.rint(from_middle * slope / row_mm).astype(int)
        place = np.clip(np.arange(rows)[None, :] + shift[:, None], 0, rows - 1)
        totals[index] = np.take_along_axis(strength, place, axis=1).mean(axis=0)
    return totals
