"""The games whose cards are simulated: their layout, size, corners and paper. None of them exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.image.rectify import JAPANESE_SMALL, SPORTS, TRADING, CardSize

Layout = Literal["bordered", "full_art", "vintage", "foil"]


@dataclass(frozen=True)
class Game:
    """A game or series: all its cards share a size, a layout, a back and a stock.

    corner_mm  radius that its corners are cut to: the norm that rounding is measured from
    stock      (3,) RGB of the paper that wear lays bare
    gloss      0 (bare cardboard) .. 1: how much of a lamp it reflects
    """

    name: str
    layout: Layout
    size: CardSize
    corner_mm: float
    stock: tuple[int, int, int]
    gloss: float


GAMES = (
    Game("Wyrmfall", "bordered", TRADING, 3.0, (236, 234, 228), 0.7),
    Game("Skybound", "full_art", TRADING, 3.0, (240, 240, 238), 1.0),
    Game("Sandlot baseball", "vintage", SPORTS, 0.0, (224, 214, 192), 0.3),
    Game("Lumen Duel", "foil", JAPANESE_SMALL, 3.0, (242, 241, 238), 1.0),
)


@dataclass(frozen=True)
class Grid:
    """The raster a card is drawn on: the card is exactly the picture, which spans -0.5 .. width - 0.5.

    height  of the card in pixels; its width is the nearest whole number, so the two scales differ by up to 0.1 %
    """

    size: CardSize
    height: int

    @property
    def width(self) -> int:
        """Of the card in pixels."""
        return round(self.height * self.size.width_mm / self.size.height_mm)

    @property
    def scale(self) -> np.ndarray:
        """Pixels per millimetre across and down, (2,) float64."""
        return np.array([self.width / self.size.width_mm, self.height / self.size.height_mm])

    @property
    def px_per_mm(self) -> float:
        """Pixels per millimetre, the mean of both."""
        return float(self.scale.mean())

    def to_px(self, points_mm: np.ndarray) -> np.ndarray:
        """(N, 2) millimetres from the card's top left to pixel-centre coordinates."""
        return np.asarray(points_mm) * self.scale - 0.5
