"""Stains on the printed border, whose color is known; on art a stain cannot be distinguished from the print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from engine.measure.wear.unrolled_rim import UnrolledRim

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Depth from which the border is searched, up to a clearance from the frame.
MIN_DEPTH_MM = 0.4
FRAME_CLEARANCE_MM = 0.3
SMOOTHING_MM = 0.5
# Relative darkness of a stain, its smallest area, and the level of the darkest border on which stains are visible.
MIN_DARKNESS = 0.08
MIN_AREA_MM2 = 1.5
MIN_BORDER_LEVEL = 60.0


@dataclass(frozen=True)
class Stain:
    """A darker patch of the border.

    at_mm     (x, y) of its center on the card
    strength  mean relative darkness, 0 to 1
    """

    at_mm: tuple[float, float]
    area_mm2: float
    strength: float

    def as_json(self) -> dict[str, Any]:
        """Fields that `grade` prints."""
        return {
            "kind": "stain",
            "at_mm": [round(value, 2) for value in self.at_mm],
            "area_mm2": round(self.area_mm2, 2),
            "strength": round(self.strength, 3),
        }


def find_stains(rim: UnrolledRim, widths_mm: np.ndarray, border: np.ndarray) -> list[Stain] | None:
    """Find stains on an unrolled rim, the largest first; None if the border is absent or too dark to show them.

    widths_mm, border  from `bare_stock.border_widths_along` and `bare_stock.border_colors`
    """
    if not np.isfinite(widths_mm).all() or np.median(border.max(axis=1)) < MIN_BORDER_LEVEL:
        return None
    border_color = np.median(border, axis=0)
    size = round(SMOOTHING_MM / rim.pixel_mm) | 1
    smooth = cv2.blur(rim.rgb, (size, size))
    # Uneven lighting is distinguished from stains by being smooth over several centimeters.
    darkness = 1 - (smooth / np.maximum(border_color, 1)[None, None]).mean(axis=2)
    darkness -= _lighting(darkness, rim)
    depth = rim.depth_mm[:, None]
    inside = (depth > MIN_DEPTH_MM) & (depth < (widths_mm - FRAME_CLEARANCE_MM)[None]) & (rim.area_mm2 > 0)
    count, labels, _, centers = cv2.connectedComponentsWithStats((inside & (darkness > MIN_DARKNESS)).astype(np.uint8))
    areas = np.bincount(labels.ravel(), rim.area_mm2.ravel(), minlength=count)
    strengths = np.bincount(labels.ravel(), darkness.ravel(), minlength=count) / np.maximum(
        np.bincount(labels.ravel()), 1
    )
    stains = []
    for label in range(1, count):
        if areas[label] >= MIN_AREA_MM2:
            column, row = round(centers[label][0]), round(centers[label][1])
            at_mm = rim.point_mm(column, float(rim.depth_mm[row]))
            stains.append(Stain(at_mm, float(areas[label]), float(strengths[label])))
    return sorted(stains, key=lambda stain: -stain.area_mm2)


def _lighting(darkness: np.ndarray, rim: UnrolledRim) -> np.ndarray:
    """(columns,) median darkness of the border over 40 mm around each column."""
    inside = (rim.depth_mm > MIN_DEPTH_MM) & (rim.depth_mm < 1.2)
    level = np.median(darkness[inside], axis=0)
    per_bin = max(1, round(2.0 / rim.pixel_mm))
    count = len(level) // per_bin
    bins = np.median(level[: count * per_bin].reshape(count, per_bin), axis=1)
    padded = np.pad(bins, (10, 10), mode="wrap")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 21), axis=1)
    return np.asarray(np.interp(np.arange(len(level)), (np.arange(count) + 0.5) * per_bin, smooth))
