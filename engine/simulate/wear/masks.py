"""Antialiased pixel masks of outlines and lines given in millimeters, each on a small patch of the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from engine.simulate.print.games import Grid

SUPERSAMPLING = 4
SUBPIXELS = 8  # bits of OpenCV's fixed-point coordinates
BOUNDARY_PX = -0.499
OUTSIDE_PX = 3.0
LARGE_PX = 400  # a longer patch is drawn without supersampling: its rim is half a pixel soft all the same


@dataclass(frozen=True)
class Patch:
    """A rectangle of the picture and the coverage of its pixels.

    rows, columns  position in the picture
    mask           (rows, columns) uint8, 255 if fully covered
    """

    rows: slice
    columns: slice
    mask: np.ndarray

    def view(self, picture: np.ndarray) -> np.ndarray:
        """View of this rectangle of a picture."""
        return picture[self.rows, self.columns]


def polygon_mask(outline_mm: np.ndarray, grid: Grid, *, margin_px: int = 1) -> Patch | None:
    """Mask of the area inside an outline, (N, 2) mm; None if it is off the card."""
    outline = grid.to_px(outline_mm)
    # An outline that reaches the card's bounds must cover the outermost pixels fully: it is extended beyond them.
    outline = np.where(outline < BOUNDARY_PX, -OUTSIDE_PX, outline)
    last = np.array([grid.width, grid.height]) - 1
    outline = np.where(outline > last - BOUNDARY_PX, last + OUTSIDE_PX, outline)
    window = _bounding_window(outline, grid, margin_px)
    if window is None:
        return None
    rows, columns = window
    factor = 1 if max(rows.stop - rows.start, columns.stop - columns.start) > LARGE_PX else SUPERSAMPLING
    size = ((rows.stop - rows.start) * factor, (columns.stop - columns.start) * factor)
    points = _fixed_point((outline - (columns.start, rows.start) + 0.5) * factor - 0.5)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_8, SUBPIXELS)
    # fillPoly also fills every pixel its outline touches, half a pixel too much all around; half is right on average.
    cv2.polylines(mask, [points], True, 128, 1, cv2.LINE_8, SUBPIXELS)
    return Patch(rows, columns, _downsample(mask, factor))


def line_mask(
    line_mm: np.ndarray, width_mm: float, grid: Grid, *, pressure: np.ndarray | None = None, margin_px: int = 3
) -> Patch | None:
    """Mask of a line, (N, 2) mm, with partial coverage if thinner than a pixel; None if it is off the card.

    pressure  (N - 1,) 0 .. 1, opacity of each segment; None for full opacity
    """
    line = grid.to_px(line_mm)
    width = width_mm * grid.px_per_mm
    window = _bounding_window(line, grid, margin_px + int(width))
    if window is None:
        return None
    rows, columns = window
    factor, thickness, opacity = _pen_settings(width)
    mask = np.zeros(((rows.stop - rows.start) * factor, (columns.stop - columns.start) * factor), np.uint8)
    points = _fixed_point((line - (columns.start, rows.start) + 0.5) * factor - 0.5)
    if pressure is None:
        cv2.polylines(mask, [points], False, 255 * opacity, thickness, cv2.LINE_AA, SUBPIXELS)
    else:
        ends = points.reshape(-1, 2).tolist()
        for start, end, segment_pressure in zip(ends[:-1], ends[1:], pressure, strict=True):
            cv2.line(mask, start, end, 255 * opacity * float(segment_pressure), thickness, cv2.LINE_AA, SUBPIXELS)
    return Patch(rows, columns, _downsample(mask, factor))


def _pen_settings(width_px: float) -> tuple[int, int, float]:
    """Supersampling factor, OpenCV thickness and opacity that draw a line of this width.

    An antialiased line of thickness 1 was measured to be 1.35 pixels wide, one of an even thickness n, n + 1.45.
    """
    if width_px <= 1.35:
        return 1, 1, width_px / 1.35
    thickness = 2 * max(1, math.ceil((2 * width_px - 1.45) / 2))
    return 2, thickness, 2 * width_px / (thickness + 1.45)


def _bounding_window(points: np.ndarray, grid: Grid, margin: int) -> tuple[slice, slice] | None:
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin + 1, (grid.width, grid.height))
    return (slice(int(top), int(bottom)), slice(int(left), int(right))) if top < bottom and left < right else None


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << SUBPIXELS)).astype(np.int32).reshape(-1, 1, 2)


def _downsample(mask: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return mask
    size = (mask.shape[1] // factor, mask.shape[0] // factor)
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
