"""A design: one side's print, and what designs of every layout are put together from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.games import Game
from engine.simulate.print.lettering import Colour, Face
from engine.simulate.print.noise import smooth
from engine.simulate.print.pictures import draw_picture
from engine.simulate.print.sheet import BLEED_MM, Box, Sheet

INK: Colour = (24, 22, 22)
SET_SIZE = 240

Drawing = Callable[[Generator, int, int], np.ndarray]


@dataclass(frozen=True)
class NumberPlace:
    """Where a copy's number is printed, and how."""

    at_mm: tuple[float, float]
    size_mm: float
    colour: Colour
    face: Face
    pattern: str

    def words(self, number: int) -> str:
        """The number as this design prints it."""
        return self.pattern.format(number=number, total=SET_SIZE)


@dataclass(frozen=True)
class Design:
    """One side's print.

    sheet   what is printed, the card's nominal face in its middle
    frame   the printed frame that centering is measured to, as (left, top, right, bottom) mm; None where borderless
    shine   (H, W, 3) uint8 of the sheet's size, what foil adds when it catches the light; None where there is no foil
    title   what a grader's label calls the card
    """

    game: Game
    sheet: Sheet
    frame: Box | None
    title: str
    number: NumberPlace | None = None
    shine: np.ndarray | None = field(default=None, repr=False)

    @property
    def frame_size(self) -> tuple[float, float] | None:
        """Width and height of the frame in mm."""
        return None if self.frame is None else (self.frame[2] - self.frame[0], self.frame[3] - self.frame[1])

    def printed(self, number: int) -> Sheet:
        """The sheet with that card number on it."""
        sheet = self.sheet.copy()
        if self.number is not None:
            place = self.number
            sheet.text(place.words(number), place.at_mm, place.size_mm, place.colour, face=place.face)
        return sheet


def shown(
    random: Generator, sources: Sequence[np.ndarray], size: tuple[int, int], draw: Drawing = draw_picture
) -> np.ndarray:
    """What the art window shows, (height, width, 3): a user's picture where there are any, cut to the window."""
    height, width = size
    if not sources:
        return draw(random, height, width)
    picture = sources[int(random.integers(len(sources)))]
    tall, wide = picture.shape[:2]
    share = min(tall / height, wide / width)
    cut_height, cut_width = max(1, int(height * share)), max(1, int(width * share))
    top, left = (tall - cut_height) // 3, (wide - cut_width) // 2
    cut = picture[top : top + cut_height, left : left + cut_width]
    return cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA if share > 1 else cv2.INTER_CUBIC)


def neighbours(sheet: Sheet, border_mm: float, colour: Colour) -> None:
    """Print what lies next to the card on the sheet: past a border of the same width, the next card's frame."""
    width, height = sheet.grid.size.width_mm, sheet.grid.size.height_mm
    far = BLEED_MM + 1
    sheet.fill((-far, border_mm, -border_mm, height - border_mm), colour)
    sheet.fill((width + border_mm, border_mm, width + far, height - border_mm), colour)
    sheet.fill((border_mm, -far, width - border_mm, -border_mm), colour)
    sheet.fill((border_mm, height + border_mm, width - border_mm, height + far), colour)


def marbled(random: Generator, sheet: Sheet, box: Box, colour: Colour, contrast: float) -> None:
    """Fill a box with a colour that is not quite even, as printed frames are."""
    height, width = sheet.size_px(box)
    coarse = smooth(random, max(height // 3, 2), max(width // 3, 2), 6, octaves=4) - 0.5
    clouds = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    tones = (1 + contrast * clouds)[..., None] * np.array(colour, np.float32)
    sheet.part(box)[:] = np.clip(tones, 0, 255).astype(np.uint8)


def darker(colour: Colour) -> Colour:
    """A third as bright."""
    red, green, blue = colour
    return red // 3, green // 3, blue // 3


def legible_on(colour: Colour) -> Colour:
    """Dark or light, whichever can be read on that colour."""
    red, green, blue = colour
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 110 else (246, 244, 236)
