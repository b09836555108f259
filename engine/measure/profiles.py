"""Profiles into the card from one of its sides: how the colour changes with depth, at places along the side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.flat_card import Flat

BAND_MM = 1.0
SMOOTH_MM = 0.06
LEAST_SMOOTH_PX = 0.9
NEXT_ROW = 0.7


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


def contrasts(bands: Bands) -> np.ndarray:
    """(bands, rows) how strong an edge lies at each row: the step in Lab that, once blurred, would change as fast."""
    sigma = _smoothing_px(bands)
    half = int(np.ceil(3 * sigma))
    x = np.arange(-half, half + 1)
    slope = x * np.exp(-0.5 * (x / sigma) ** 2)
    kernel = (slope / (x * slope).sum()).astype(np.float32)[None, :]
    squared = np.zeros(bands.lab.shape[:2], np.float32)
    for channel in range(3):
        plane = np.ascontiguousarray(bands.lab[..., channel])
        change = cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
        squared += change * change
    # A step blurred by a bell of deviation s changes at most by 1 / (s sqrt(2 pi)) a pixel.
    return np.asarray(np.sqrt(squared) * sigma * np.sqrt(2 * np.pi), np.float32)


def _smoothing_px(bands: Bands) -> float:
    return max(LEAST_SMOOTH_PX, SMOOTH_MM / bands.row_mm)


def peaks(contrast: np.ndarray) -> np.ndarray:
    """(bands, rows) the contrast where it is larger than in the rows above and below, 0 elsewhere."""
    at = np.zeros_like(contrast)
    inner = contrast[:, 1:-1]
    at[:, 1:-1] = np.where((inner >= contrast[:, :-2]) & (inner > contrast[:, 2:]), inner, 0.0)
    return at


def located(bands: Bands, contrast: np.ndarray, near_mm: np.ndarray, within_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each band's strongest edge around a depth lies, to a part of a pixel.

    contrast   as `contrasts` gives it
    near_mm    (bands,) depth to look around
    returns    (bands,) depths, nan where there is no edge in the range, and (bands,) contrasts
    """
    far = np.abs(bands.depth_mm[None, :] - near_mm[:, None]) > within_mm
    peak = np.where(far, 0.0, peaks(contrast))
    row = np.clip(peak.argmax(axis=1), 1, contrast.shape[1] - 2)[:, None]
    before, at, after = (np.take_along_axis(contrast, row + by, axis=1)[:, 0] for by in (-1, 0, 1))
    bend = before - 2 * at + after
    lean = 0.5 * (before - after) / np.where(bend < 0, bend, -1.0)
    known = peak.max(axis=1) > 0
    return np.where(known, bands.depth_mm[row[:, 0]] + lean * bands.row_mm, np.nan), np.where(known, at, 0.0)


def votes(strength: np.ndarray, along_mm: np.ndarray, row_mm: float, slopes: np.ndarray) -> np.ndarray:
    """(slopes, rows): the mean strength along straight lines that start at a row and lean by a slope.

    strength  (bands, rows); counts in full where a line meets it, and in part in the next row
    slopes    depth gained per length along the side; a line's row is where it passes the middle of the bands
    """
    near = np.maximum(strength, NEXT_ROW * np.maximum(np.roll(strength, 1, axis=1), np.roll(strength, -1, axis=1)))
    rows = strength.shape[1]
    from_middle = along_mm - along_mm.mean()
    totals = np.empty((len(slopes), rows))
    for index, slope in enumerate(slopes):
        shift = np.rint(from_middle * slope / row_mm).astype(int)
        place = np.clip(np.arange(rows)[None, :] + shift[:, None], 0, rows - 1)
        totals[index] = np.take_along_axis(near, place, axis=1).mean(axis=0)
    return totals
