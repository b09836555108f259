"""Design of one side's print, and the drawing functions shared by all layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.games import Game
from engine.simulate.print.lettering import Color, FontFace
from engine.simulate.print.noise import smooth_noise
from engine.simulate.print.pictures import draw_picture
from engine.simulate.print.sheet import BLEED_MM, Box, Sheet

INK: Color = (24, 22, 22)
SET_SIZE = 240

DrawPicture = Callable[[Generator, int, int], np.ndarray]


@dataclass(frozen=True)
class NumberPrint:
    """Position and style of a card's printed number."""

    at_mm: tuple[float, float]
    size_mm: float
    color: Color
    face: FontFace
    pattern: str

    def text(self, number: int) -> str:
        """Text of a card number in this design."""
        return self.pattern.format(number=number, total=SET_SIZE)


@dataclass(frozen=True)
class Design:
    """One side's print.

    sheet   printed sheet, with the card's nominal face in its middle
    frame   printed frame that centering is measured to, (left, top, right, bottom) mm; None if borderless
    title   name of the card on a grader's label
    number  printed number, None for a back
    shine   (H, W, 3) uint8 of the sheet's size, light added by foil; None without foil
    """

    game: Game
    sheet: Sheet
    frame: Box | None
    title: str
    number: NumberPrint | None = None
    shine: np.ndarray | None = field(default=None, repr=False)

    @property
    def frame_size(self) -> tuple[float, float] | None:
        """Width and height of the frame in mm."""
        return None if self.frame is None else (self.frame[2] - self.frame[0], self.frame[3] - self.frame[1])

    def with_number(self, number: int) -> Sheet:
        """A copy of the sheet with a card number printed on it."""
        sheet = self.sheet.copy()
        if self.number is not None:
            number_print = self.number
            sheet.write_text(
                number_print.text(number),
                number_print.at_mm,
                number_print.size_mm,
                number_print.color,
                face=number_print.face,
            )
        return sheet


def art_picture(
    random: Generator, sources: Sequence[np.ndarray], size: tuple[int, int], draw: DrawPicture = draw_picture
) -> np.ndarray:
    """Picture of the art window, (height, width, 3): one of the user's pictures cropped to it, else a drawn one."""
    height, width = size
    if not sources:
        return draw(random, height, width)
    picture = sources[int(random.integers(len(sources)))]
    source_height, source_width = picture.shape[:2]
    scale = min(source_height / height, source_width / width)
    cut_height, cut_width = max(1, int(height * scale)), max(1, int(width * scale))
    top, left = (source_height - cut_height) // 3, (source_width - cut_width) // 2
    cut = picture[top : top + cut_height, left : left + cut_width]
    return cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)


def print_neighbors(sheet: Sheet, border_mm: float, color: Color) -> None:
    """Print the neighboring cards' frames on the sheet, beyond borders of the same width."""
    width, height = sheet.grid.size.width_mm, sheet.grid.size.height_mm
    outer_mm = BLEED_MM + 1
    sheet.fill((-outer_mm, border_mm, -border_mm, height - border_mm), color)
    sheet.fill((width + border_mm, border_mm, width + outer_mm, height - border_mm), color)
    sheet.fill((border_mm, -outer_mm, width - border_mm, -border_mm), color)
    sheet.fill((border_mm, height + border_mm, width - border_mm, height + outer_mm), color)


def fill_marbled(random: Generator, sheet: Sheet, box: Box, color: Color, contrast: float) -> None:
    """Fill a box with a slightly uneven color, as on printed frames."""
    height, width = sheet.size_px(box)
    coarse = smooth_noise(random, max(height // 3, 2), max(width // 3, 2), 6, octaves=4) - 0.5
    clouds = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    tones = (1 + contrast * clouds)[..., None] * np.array(color, np.float32)
    sheet.view(box)[:] = np.clip(tones, 0, 255).astype(np.uint8)


def darker(color: Color) -> Color:
    """The color at a third of its brightness."""
    red, green, blue = color
    return red // 3, green // 3, blue // 3


def text_color_on(color: Color) -> Color:
    """Dark or light text color, legible on a color."""
    red, green, blue = color
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 110 else (246, 244, 236)
