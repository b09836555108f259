"""Stains on the printed border, whose colour is known; on art nobody could tell a stain from the art."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from engine.measure.wear.unrolled_rim import Rim

FROM_MM = 0.4
CLEAR_OF_FRAME_MM = 0.3
SMOOTH_MM = 0.5
DARKER_BY = 0.08
SMALLEST_MM2 = 1.5
DARKEST_BORDER = 60.0


@dataclass(frozen=True)
class Stain:
    """A darker patch of the border: its middle (x, y) on the card, its area, how much darker it is (0 to 1)."""

    at_mm: tuple[float, float]
    area_mm2: float
    strength: float

    def as_json(self) -> dict[str, Any]:
        """As `grade` reports it."""
        return {
            "kind": "stain",
            "at_mm": [round(value, 2) for value in self.at_mm],
            "area_mm2": round(self.area_mm2, 2),
            "strength": round(self.strength, 3),
        }


def find_stains(rim: Rim, widths_mm: np.ndarray, border: np.ndarray) -> list[Stain] | None:
    """Stains on an unrolled rim; None where there is no border, or one too dark to show them.

    widths_mm, border  as `stock.border_widths_along` and `stock.border_colours` give them
    """
    if not np.isfinite(widths_mm).all() or np.median(border.max(axis=1)) < DARKEST_BORDER:
        return None
    usual = np.median(border, axis=0)
    size = round(SMOOTH_MM / rim.step_mm) | 1
    soft = cv2.blur(rim.rgb, (size, size))
    # Any lamp lies on the whole side and is told from stains by being smooth over several centimetres.
    darker = 1 - (soft / np.maximum(usual, 1)[None, None]).mean(axis=2)
    darker -= _slow(darker, rim)
    depth = rim.depth_mm[:, None]
    within = (depth > FROM_MM) & (depth < (widths_mm - CLEAR_OF_FRAME_MM)[None]) & (rim.area_mm2 > 0)
    count, labels, _, middles = cv2.connectedComponentsWithStats((within & (darker > DARKER_BY)).astype(np.uint8))
    areas = np.bincount(labels.ravel(), rim.area_mm2.ravel(), minlength=count)
    strengths = np.bincount(labels.ravel(), darker.ravel(), minlength=count) / np.maximum(
        np.bincount(labels.ravel()), 1
    )
    stains = []
    for label in range(1, count):
        if areas[label] >= SMALLEST_MM2:
            column, row = round(middles[label][0]), round(middles[label][1])
            at = rim.place(column, float(rim.depth_mm[row]))
            stains.append(Stain(at, float(areas[label]), float(strengths[label])))
    return sorted(stains, key=lambda stain: -stain.area_mm2)


def _slow(darker: np.ndarray, rim: Rim) -> np.ndarray:
    """(columns,) the median darkness of each side's border around each place, over 40 mm."""
    within = (rim.depth_mm > FROM_MM) & (rim.depth_mm < 1.2)
    level = np.median(darker[within], axis=0)
    per_bin = max(1, round(2.0 / rim.step_mm))
    count = len(level) // per_bin
    bins = np.median(level[: count * per_bin].reshape(count, per_bin), axis=1)
    around = np.pad(bins, (10, 10), mode="wrap")
    slow = np.median(np.lib.stride_tricks.sliding_window_view(around, 21), axis=1)
    return np.asarray(np.interp(np.arange(len(level)), (np.arange(count) + 0.5) * per_bin, slow))
