"""Color profiles from a side into the card, at positions along the side, and edges in them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.flat_card import FlatCard

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

BAND_MM = 1.0
# Standard deviation of the derivative filter, at least this many pixels.
SMOOTHING_SIGMA_MM = 0.06
MIN_SMOOTHING_SIGMA_PX = 0.9
# Weight of an edge in the row next to a line.
NEXT_ROW_WEIGHT = 0.7


@dataclass(frozen=True)
class Bands:
    """Colors by depth into the card, each averaged over a short stretch (band) along the side.

    lab       (bands, rows, 3) float32: L from 0 to 100, a and b
    along_mm  (bands,) center of each band, clockwise from the side's first corner
    depth_mm  (rows,) center of each row
    """

    lab: np.ndarray
    along_mm: np.ndarray
    depth_mm: np.ndarray

    @property
    def row_mm(self) -> float:
        """Height of a row."""
        return float(self.depth_mm[1] - self.depth_mm[0])


def extract_bands(card: FlatCard, side: int, *, start_mm: float, end_mm: float, depth_mm: float) -> Bands:
    """Average bands of about 1 mm between two positions along a side, down to a depth."""
    strip = card.side_strip(side, depth_mm)
    first, last = strip.column(start_mm), strip.column(end_mm)
    count = max(4, round((last - first) / strip.px_per_mm / BAND_MM))
    means = cv2.resize(strip.rgb[:, first:last], (count, strip.rgb.shape[0]), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(means.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    edges = (np.linspace(first, last, count + 1)) / strip.px_per_mm - strip.before_mm
    return Bands(np.ascontiguousarray(lab.transpose(1, 0, 2)), (edges[:-1] + edges[1:]) / 2, strip.depth_mm)


def edge_contrast(bands: Bands) -> np.ndarray:
    """(bands, rows) edge strength in Lab: the height of the step that, blurred, would have the same gradient."""
    sigma = _smoothing_sigma_px(bands)
    half = int(np.ceil(3 * sigma))
    x = np.arange(-half, half + 1)
    slope = x * np.exp(-0.5 * (x / sigma) ** 2)
    kernel = (slope / (x * slope).sum()).astype(np.float32)[None, :]
    squared = np.zeros(bands.lab.shape[:2], np.float32)
    for channel in range(3):
        plane = np.ascontiguousarray(bands.lab[..., channel])
        change = cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
        squared += change * change
    # The gradient of a step blurred by a Gaussian of deviation s is at most 1 / (s sqrt(2 pi)) per pixel.
    return np.asarray(np.sqrt(squared) * sigma * np.sqrt(2 * np.pi), np.float32)


def _smoothing_sigma_px(bands: Bands) -> float:
    return max(MIN_SMOOTHING_SIGMA_PX, SMOOTHING_SIGMA_MM / bands.row_mm)


def local_maxima(contrast: np.ndarray) -> np.ndarray:
    """(bands, rows) contrast at its local maxima along the rows, 0 elsewhere."""
    maxima = np.zeros_like(contrast)
    inner = contrast[:, 1:-1]
    maxima[:, 1:-1] = np.where((inner >= contrast[:, :-2]) & (inner > contrast[:, 2:]), inner, 0.0)
    return maxima


def locate_peaks(
    bands: Bands, contrast: np.ndarray, near_mm: np.ndarray, within_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Locate each band's strongest edge near a depth, to sub-pixel accuracy.

    contrast   from `edge_contrast`
    near_mm    (bands,) center of the search range
    returns    (bands,) depths, NaN if the range has no edge, and (bands,) contrasts
    """
    searched = rows_between(bands, near_mm.min() - within_mm, near_mm.max() + within_mm)
    contrast, depth_mm = contrast[:, searched], bands.depth_mm[searched]
    out_of_range = np.abs(depth_mm[None, :] - near_mm[:, None]) > within_mm
    peak = np.where(out_of_range, 0.0, local_maxima(contrast))
    row = np.clip(peak.argmax(axis=1), 1, contrast.shape[1] - 2)[:, None]
    before, at, after = (np.take_along_axis(contrast, row + by, axis=1)[:, 0] for by in (-1, 0, 1))
    # The vertex of the parabola through the peak and its two neighbors.
    bend = before - 2 * at + after
    offset = 0.5 * (before - after) / np.where(bend < 0, bend, -1.0)
    valid = peak.max(axis=1) > 0
    return np.where(valid, depth_mm[row[:, 0]] + offset * bands.row_mm, np.nan), np.where(valid, at, 0.0)


def rows_between(bands: Bands, low_mm: float, high_mm: float) -> slice:
    """The rows between two depths, with one more on each side, and at least three."""
    first, last = np.searchsorted(bands.depth_mm, (low_mm, high_mm))
    count = len(bands.depth_mm)
    first = int(np.clip(first - 1, 0, max(count - 3, 0)))
    return slice(first, min(max(int(last) + 1, first + 3), count))


def line_votes(strength: np.ndarray, along_mm: np.ndarray, row_mm: float, slopes: np.ndarray) -> np.ndarray:
    """(slopes, rows) mean strength along each straight line, given by its row at the center of the bands and its slope.

    strength  (bands, rows); counts fully if on the line, and in part if in the row next to it
    slopes    increase of depth per length along the side
    """
    near = np.maximum(
        strength, NEXT_ROW_WEIGHT * np.maximum(np.roll(strength, 1, axis=1), np.roll(strength, -1, axis=1))
    )
    count, rows = strength.shape
    from_middle = along_mm - along_mm.mean()
    shift = np.rint(from_middle[None, :] * slopes[:, None] / row_mm).astype(np.intp)  # (slopes, bands)
    # Rows beyond the ends repeat the last one.
    reach = int(np.abs(shift).max(initial=0))
    padded = np.pad(near, ((0, 0), (reach, reach)), mode="edge")
    first = shift + reach + np.arange(count) * padded.shape[1]
    return np.asarray(padded.ravel()[first[..., None] + np.arange(rows)].mean(axis=1), np.float64)
