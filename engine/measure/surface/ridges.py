"""Thin pale lines in a picture of a surface, detected by oriented line filters as straight segments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Oriented filters over half a turn, and their length.
DIRECTIONS = 12
LINE_PX = 11
# Contrast of a line: in levels, and relative to the mean response (texture) in a window around it.
MIN_CONTRAST = 3.0
CONTRAST_TO_TEXTURE = 2.8
TEXTURE_WINDOW_MM = 6.0
MIN_LENGTH_MM = 1.0
# Standard deviation along a segment divided by the one across it.
MIN_ELONGATION = 3.0
MAX_SEGMENTS = 500


@dataclass(frozen=True)
class LineSegment:
    """A straight segment of a pale line, in pixels of the picture.

    start, end  (2,) x and y
    contrast    levels above both of its sides, the mean along it
    """

    start: np.ndarray
    end: np.ndarray
    contrast: float

    @cached_property
    def length(self) -> float:
        """Length in pixels."""
        return math.dist(self.start, self.end)

    @property
    def direction(self) -> np.ndarray:
        """Unit vector from start to end."""
        return (self.end - self.start) / max(self.length, 1e-9)


def find_segments(gray: np.ndarray, allowed: np.ndarray, *, offset_px: int, px_per_mm: float) -> list[LineSegment]:
    """Find straight segments that are paler than both of their sides.

    gray       (H, W) float32, 0 to 255
    allowed    (H, W) bool, the searched area
    offset_px  distance to the sides that a line is compared with
    """
    contrast, direction = _ridge_contrast(gray, offset_px)
    contrast[~allowed] = 0
    window = round(TEXTURE_WINDOW_MM * px_per_mm) | 1
    texture = cv2.blur(np.abs(contrast), (window, window)) / np.maximum(
        cv2.blur(allowed.astype(np.float32), (window, window)), 0.05
    )
    mask = contrast > np.maximum(MIN_CONTRAST, CONTRAST_TO_TEXTURE * texture)
    segments: list[LineSegment] = []
    for index in range(DIRECTIONS):
        near = cv2.LUT(direction, _neighbor_table(index)).view(bool)
        segments += _segments_in_direction(mask & near, contrast, direction, index, MIN_LENGTH_MM * px_per_mm)
    return sorted(segments, key=lambda segment: -segment.length * segment.contrast)[:MAX_SEGMENTS]


def _ridge_contrast(gray: np.ndarray, offset_px: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) contrast of each pixel's best oriented line against both of its sides, and the index of its direction.

    Within `offset_px` of the border there is no contrast.
    """
    height, width = gray.shape
    best, direction = np.zeros(gray.shape, np.float32), np.zeros(gray.shape, np.uint8)
    inner = np.s_[offset_px : height - offset_px, offset_px : width - offset_px]
    best_inner, direction_inner = best[inner], direction[inner]
    along = np.empty_like(gray)
    contrast = np.empty(best_inner.shape, np.float32)
    number = np.empty(best_inner.shape, np.uint8)
    for index in range(DIRECTIONS):
        angle = np.pi * index / DIRECTIONS
        # OpenCV's calls throughout: masked NumPy copies take four times as long, and hold the interpreter's lock.
        cv2.filter2D(gray, cv2.CV_32F, _line_kernel(angle), dst=along, borderType=cv2.BORDER_REPLICATE)
        dx, dy = round(-np.sin(angle) * offset_px), round(np.cos(angle) * offset_px)
        one_side, other_side = (
            along[offset_px + y : height - offset_px + y, offset_px + x : width - offset_px + x]
            for x, y in ((dx, dy), (-dx, -dy))
        )
        cv2.max(one_side, other_side, dst=contrast)
        cv2.subtract(along[inner], contrast, dst=contrast)
        better = cv2.compare(contrast, best_inner, cv2.CMP_GT)
        cv2.max(best_inner, contrast, dst=best_inner)
        number[:] = index
        cv2.copyTo(number, better, direction_inner)
    return best, direction


def _neighbor_table(index: int) -> np.ndarray:
    """(256,) uint8 lookup table: 1 for a direction and its two neighbors."""
    table = np.zeros(256, np.uint8)
    table[[(index + turn) % DIRECTIONS for turn in (-1, 0, 1)]] = 1
    return table


def _line_kernel(angle: float) -> np.ndarray:
    """Anti-aliased line of 11 pixels through the center, summing to 1."""
    half = LINE_PX // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    across = np.abs(-np.sin(angle) * x + np.cos(angle) * y)
    along = np.abs(np.cos(angle) * x + np.sin(angle) * y)
    kernel = np.clip(1 - across, 0, 1) * np.clip(half + 0.5 - along, 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _segments_in_direction(
    mask: np.ndarray, contrast: np.ndarray, direction: np.ndarray, index: int, min_length_px: float
) -> list[LineSegment]:
    """Segments of a mask: long, straight connected components whose most frequent direction is `index`."""
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    at = np.flatnonzero(mask)
    label = labels.ravel()[at]
    # The same component is found for the neighboring directions too: it belongs to the most frequent one.
    frequencies = np.bincount(label * DIRECTIONS + direction.ravel()[at], minlength=count * DIRECTIONS)
    frequencies = frequencies.reshape(-1, DIRECTIONS)
    # A diagonal has the fewest pixels for its length.
    chosen = (frequencies.sum(axis=1) >= min_length_px / np.sqrt(2)) & (frequencies.argmax(axis=1) == index)
    chosen[0] = False  # the background
    at, label = (values[chosen[label]] for values in (at, label))
    rows, columns = np.divmod(at, mask.shape[1])
    segment_of = (np.cumsum(chosen) - 1)[label]
    return _fit_segments(np.column_stack([columns, rows]), contrast[rows, columns], segment_of, min_length_px)


def _fit_segments(
    points: np.ndarray, weights: np.ndarray, segment_of: np.ndarray, min_length_px: float
) -> list[LineSegment]:
    """Fit a straight line to the weighted pixels of each segment; short and compact segments are left out.

    points      (N, 2) pixels
    weights     (N,) contrasts
    segment_of  (N,) 0 to K - 1: the segment that each pixel belongs to
    """
    if not len(points):
        return []
    order = np.argsort(segment_of, kind="stable")
    points, weights = points[order].astype(np.float64), weights[order].astype(np.float64)
    segment_of = segment_of[order]
    begins = np.searchsorted(segment_of, np.arange(segment_of[-1] + 1))

    def sums(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, begins, axis=0)

    total = sums(weights)
    middle = sums(points * weights[:, None]) / total[:, None]
    offset = points - middle[segment_of]
    spread = sums(weights[:, None, None] * offset[:, :, None] * offset[:, None, :])
    # Unbiased covariance for reliability weights, as in numpy.cov(aweights=...).
    spread /= np.maximum(total - sums(weights**2) / total, 1e-9)[:, None, None]
    values, vectors = np.linalg.eigh(spread)
    axis = vectors[:, :, 1]
    along = (offset * axis[segment_of]).sum(axis=1)
    low, high = np.minimum.reduceat(along, begins), np.maximum.reduceat(along, begins)
    starts, ends = middle + low[:, None] * axis, middle + high[:, None] * axis
    chosen = values[:, 1] >= MIN_ELONGATION**2 * np.maximum(values[:, 0], 0.1)
    chosen &= high - low >= min_length_px
    contrasts = total / np.diff(begins, append=len(segment_of))
    return [LineSegment(starts[i], ends[i], float(contrasts[i])) for i in np.flatnonzero(chosen)]
