"""Printed sheet that a card is cut from: the card's face and its surroundings, addressed in millimeters."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.simulate.print.games import Grid
from engine.simulate.print.lettering import Align, Color, FontFace, write_text

BLEED_MM = 6.0  # printed beyond the card on each side, enough for the worst miscut

Box = tuple[float, float, float, float]  # left, top, right, bottom in mm from the card's nominal top left


@dataclass
class Sheet:
    """Raster (H, W, 3) uint8 around a card; the card's nominal top left is at pixel `bleed`, (x, y)."""

    grid: Grid
    rgb: np.ndarray
    bleed: tuple[int, int]

    @classmethod
    def blank(cls, grid: Grid, color: Color) -> Sheet:
        """Create a sheet of one color."""
        across, down = (round(BLEED_MM * float(scale)) for scale in grid.scale)
        rgb = np.full((grid.height + 2 * down, grid.width + 2 * across, 3), color, np.uint8)
        return cls(grid, rgb, (across, down))

    def copy(self) -> Sheet:
        """Copy the sheet, including its pixels."""
        return Sheet(self.grid, self.rgb.copy(), self.bleed)

    def window(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of a box, rounded to whole pixels and clipped to the sheet."""
        (x, y), (across, down) = self.bleed, self.grid.scale
        left, right = round(box[0] * across) + x, round(box[2] * across) + x
        top, bottom = round(box[1] * down) + y, round(box[3] * down) + y
        height, width = self.rgb.shape[:2]
        return slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))

    def view(self, box: Box) -> np.ndarray:
        """View of a box's pixels."""
        return self.rgb[self.window(box)]

    def fill(self, box: Box, color: Color) -> None:
        """Fill a box with a color."""
        self.view(box)[:] = color

    def tint(self, box: Box, color: Color, opacity: float) -> None:
        """Blend a color into a box."""
        part = self.view(box)
        flat = np.full_like(part, color)
        cv2.addWeighted(part, 1 - opacity, flat, opacity, 0, dst=flat)
        part[:] = flat

    def draw_outline(self, box: Box, color: Color, width_mm: float) -> None:
        """Draw the sides of a box, inside the box."""
        left, top, right, bottom = box
        for side in (
            (left, top, right, top + width_mm),
            (left, bottom - width_mm, right, bottom),
            (left, top, left + width_mm, bottom),
            (right - width_mm, top, right, bottom),
        ):
            self.fill(side, color)

    def paste_picture(self, box: Box, rgb: np.ndarray) -> None:
        """Paste a picture into a box, resized to it."""
        window = self.view(box)
        shrinks = rgb.shape[0] > window.shape[0]
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        window[:] = (
            rgb if rgb.shape == window.shape else cv2.resize(rgb, window.shape[1::-1], interpolation=interpolation)
        )

    def size_px(self, box: Box) -> tuple[int, int]:
        """Height and width of a box in pixels."""
        rows, columns = self.window(box)
        return rows.stop - rows.start, columns.stop - columns.start

    def to_px(self, x_mm: float, y_mm: float) -> tuple[int, int]:
        """Pixel of the sheet at a point in millimeters, (x, y) as OpenCV takes it."""
        across, down = self.grid.scale
        return round(x_mm * float(across)) + self.bleed[0], round(y_mm * float(down)) + self.bleed[1]

    def write_text(
        self,
        text: str,
        position: tuple[float, float],
        size_mm: float,
        color: Color,
        *,
        face: FontFace = "sans",
        align: Align = "left",
        max_width_mm: float | None = None,
    ) -> None:
        """Write a line of text; position and size in millimeters."""
        density = self.grid.px_per_mm
        max_width_px = None if max_width_mm is None else max_width_mm * density
        write_text(
            self.rgb,
            text,
            self.to_px(*position),
            size_px=size_mm * density,
            color=color,
            face=face,
            align=align,
            max_width_px=max_width_px,
        )

    def snap_to_pixels(self, box: Box) -> tuple[Box, tuple[float, float]]:
        """A box as drawn, snapped to whole pixels, and its width and height in mm: the reference for centering."""
        rows, columns = self.window(box)
        across, down = self.grid.scale
        left, right = (columns.start - self.bleed[0]) / across, (columns.stop - self.bleed[0]) / across
        top, bottom = (rows.start - self.bleed[1]) / down, (rows.stop - self.bleed[1]) / down
        snapped = (float(left), float(top), float(right), float(bottom))
        return snapped, (snapped[2] - snapped[0], snapped[3] - snapped[1])
