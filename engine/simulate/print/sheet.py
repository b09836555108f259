"""The printed sheet a card is cut from: the card's face with what is printed beyond it, addressed in millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.simulate.print.games import Grid
from engine.simulate.print.lettering import Align, Colour, Face, write

BLEED_MM = 6.0  # printed beyond the card on each side: as far as the worst cut is off

Box = tuple[float, float, float, float]  # left, top, right, bottom in mm from where the card's top left should be


@dataclass
class Sheet:
    """A raster (H, W, 3) uint8 around a card of a grid; the card's nominal top left lies `bleed` pixels inside."""

    grid: Grid
    rgb: np.ndarray
    bleed: tuple[int, int]

    @classmethod
    def blank(cls, grid: Grid, colour: Colour) -> Sheet:
        """A sheet of one colour."""
        across, down = (round(BLEED_MM * float(scale)) for scale in grid.scale)
        rgb = np.full((grid.height + 2 * down, grid.width + 2 * across, 3), colour, np.uint8)
        return cls(grid, rgb, (across, down))

    def copy(self) -> Sheet:
        """The same, to be drawn on without touching this one."""
        return Sheet(self.grid, self.rgb.copy(), self.bleed)

    def window(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of a box, its sides moved to the nearest bounds of pixels."""
        (x, y), (across, down) = self.bleed, self.grid.scale
        left, right = round(box[0] * across) + x, round(box[2] * across) + x
        top, bottom = round(box[1] * down) + y, round(box[3] * down) + y
        height, width = self.rgb.shape[:2]
        return slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))

    def part(self, box: Box) -> np.ndarray:
        """A view of a box."""
        return self.rgb[self.window(box)]

    def fill(self, box: Box, colour: Colour) -> None:
        """Paint a box in one colour."""
        self.part(box)[:] = colour

    def tint(self, box: Box, colour: Colour, opacity: float) -> None:
        """Mix a colour into a box."""
        part = self.part(box)
        flat = np.full_like(part, colour)
        cv2.addWeighted(part, 1 - opacity, flat, opacity, 0, dst=flat)
        part[:] = flat

    def outline(self, box: Box, colour: Colour, width_mm: float) -> None:
        """Draw the sides of a box, inside of it."""
        left, top, right, bottom = box
        for side in (
            (left, top, right, top + width_mm),
            (left, bottom - width_mm, right, bottom),
            (left, top, left + width_mm, bottom),
            (right - width_mm, top, right, bottom),
        ):
            self.fill(side, colour)

    def picture(self, box: Box, rgb: np.ndarray) -> None:
        """Lay a picture over a box, scaled to it."""
        part = self.part(box)
        shrinks = rgb.shape[0] > part.shape[0]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        part[:] = rgb if rgb.shape == part.shape else cv2.resize(rgb, part.shape[1::-1], interpolation=how)

    def size_px(self, box: Box) -> tuple[int, int]:
        """Height and width of a box in pixels."""
        rows, columns = self.window(box)
        return rows.stop - rows.start, columns.stop - columns.start

    def px(self, x_mm: float, y_mm: float) -> tuple[int, int]:
        """A point in pixels of the sheet, as OpenCV draws."""
        across, down = self.grid.scale
        return round(x_mm * float(across)) + self.bleed[0], round(y_mm * float(down)) + self.bleed[1]

    def text(
        self,
        words: str,
        at: tuple[float, float],
        size_mm: float,
        colour: Colour,
        *,
        face: Face = "sans",
        align: Align = "left",
        most_mm: float | None = None,
    ) -> None:
        """Write a line whose height is in millimetres."""
        density = self.grid.px_per_mm
        most = None if most_mm is None else most_mm * density
        write(
            self.rgb,
            words,
            self.px(*at),
            size_px=size_mm * density,
            colour=colour,
            face=face,
            align=align,
            most_px=most,
        )

    def frame_mm(self, box: Box) -> tuple[Box, tuple[float, float]]:
        """A box as it was really drawn, to whole pixels, and its width and height: what centering is measured to."""
        rows, columns = self.window(box)
        across, down = self.grid.scale
        left, right = (columns.start - self.bleed[0]) / across, (columns.stop - self.bleed[0]) / across
        top, bottom = (rows.start - self.bleed[1]) / down, (rows.stop - self.bleed[1]) / down
        real = (float(left), float(top), float(right), float(bottom))
        return real, (real[2] - real[0], real[3] - real[1])
