"""Outlines and lines in millimetres to soft pixel masks, each on its own small patch of the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from engine.simulate.print.games import Grid

SUPERSAMPLING = 4
SUBPIXELS = 8  # bits of OpenCV's fixed-point coordinates
AT_BOUNDS = -0.499
OUTSIDE_PX = 3.0
LARGE_PX = 400  # a patch this long is drawn at its own resolution: its rim is soft by half a pixel all the same


@dataclass(frozen=True)
class Patch:
    """A rectangle of the picture and how much each of its pixels is covered.

    rows, columns  where it lies
    mask           (rows, columns) uint8, 255 where fully covered
    """

    rows: slice
    columns: slice
    mask: np.ndarray

    def of(self, picture: np.ndarray) -> np.ndarray:
        """A view of that part of a picture."""
        return picture[self.rows, self.columns]


def filled(outline_mm: np.ndarray, grid: Grid, *, margin_px: int = 1) -> Patch | None:
    """The area inside an outline, (N, 2) mm; None where it lies off the card."""
    outline = grid.to_px(outline_mm)
    # What reaches the card's bounds covers its outermost pixels whole: the outline is drawn well outside of them.
    outline = np.where(outline < AT_BOUNDS, -OUTSIDE_PX, outline)
    last = np.array([grid.width, grid.height]) - 1
    outline = np.where(outline > last - AT_BOUNDS, last + OUTSIDE_PX, outline)
    window = _window(outline, grid, margin_px)
    if window is None:
        return None
    rows, columns = window
    fine = 1 if max(rows.stop - rows.start, columns.stop - columns.start) > LARGE_PX else SUPERSAMPLING
    size = ((rows.stop - rows.start) * fine, (columns.stop - columns.start) * fine)
    points = _fixed((outline - (columns.start, rows.start) + 0.5) * fine - 0.5)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_8, SUBPIXELS)
    # fillPoly also fills every pixel its outline touches, half a pixel too much all around; half is right on average.
    cv2.polylines(mask, [points], True, 128, 1, cv2.LINE_8, SUBPIXELS)
    return Patch(rows, columns, _shrunk(mask, fine))


def drawn(
    line_mm: np.ndarray, width_mm: float, grid: Grid, *, pressure: np.ndarray | None = None, margin_px: int = 3
) -> Patch | None:
    """A line, (N, 2) mm; one thinner than a pixel covers it only in part. None where it lies off the card.

    pressure  (N - 1,) 0 .. 1, how strongly each of its segments is drawn; all fully where None
    """
    line = grid.to_px(line_mm)
    width = width_mm * grid.px_per_mm
    window = _window(line, grid, margin_px + int(width))
    if window is None:
        return None
    rows, columns = window
    fine, thick, opacity = _pen(width)
    mask = np.zeros(((rows.stop - rows.start) * fine, (columns.stop - columns.start) * fine), np.uint8)
    points = _fixed((line - (columns.start, rows.start) + 0.5) * fine - 0.5)
    if pressure is None:
        cv2.polylines(mask, [points], False, 255 * opacity, thick, cv2.LINE_AA, SUBPIXELS)
    else:
        ends = points.reshape(-1, 2).tolist()
        for start, end, share in zip(ends[:-1], ends[1:], pressure, strict=True):
            cv2.line(mask, start, end, 255 * opacity * float(share), thick, cv2.LINE_AA, SUBPIXELS)
    return Patch(rows, columns, _shrunk(mask, fine))


def _pen(width_px: float) -> tuple[int, int, float]:
    """How to draw a line of that width: how much finer, with which thickness of OpenCV's, how opaque.

    An antialiased line of thickness 1 was measured to be 1.35 pixels wide, one of an even thickness n, n + 1.45.
    """
    if width_px <= 1.35:
        return 1, 1, width_px / 1.35
    thick = 2 * max(1, math.ceil((2 * width_px - 1.45) / 2))
    return 2, thick, 2 * width_px / (thick + 1.45)


def _window(points: np.ndarray, grid: Grid, margin: int) -> tuple[slice, slice] | None:
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin + 1, (grid.width, grid.height))
    return (slice(int(top), int(bottom)), slice(int(left), int(right))) if top < bottom and left < right else None


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << SUBPIXELS)).astype(np.int32).reshape(-1, 1, 2)


def _shrunk(mask: np.ndarray, fine: int) -> np.ndarray:
    if fine == 1:
        return mask
    size = (mask.shape[1] // fine, mask.shape[0] // fine)
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
