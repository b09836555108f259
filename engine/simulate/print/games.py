"""Fictional games whose cards are simulated: layout, size, corners and paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.image.rectify import JAPANESE_SMALL, SPORTS, TRADING, CardSize

Layout = Literal["bordered", "full_art", "vintage", "foil"]


@dataclass(frozen=True)
class Game:
    """A game or series: all its cards have the same size, layout, back and stock.

    corner_mm  nominal radius of the corners: rounding is measured from it
    stock      (3,) RGB of the paper that wear exposes
    gloss      fraction of a lamp's light it reflects, 0 (bare cardboard) .. 1
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
    """Raster of a card: the card fills it exactly, from -0.5 to width - 0.5 in pixel-centre coordinates.

    height  height of the card in pixels; the width is rounded to a pixel, so the two scales differ by up to 0.1 %
    """

    size: CardSize
    height: int

    @property
    def width(self) -> int:
        """Width of the card in pixels."""
        return round(self.height * self.size.width_mm / self.size.height_mm)

    @property
    def scale(self) -> np.ndarray:
        """Pixels per millimeter across and down, (2,) float64."""
        return np.array([self.width / self.size.width_mm, self.height / self.size.height_mm])

    @property
    def px_per_mm(self) -> float:
        """Pixels per millimeter, the mean of both directions."""
        return float(self.scale.mean())

    def to_px(self, points_mm: np.ndarray) -> np.ndarray:
        """Convert millimeters from the card's top left, (N, 2), to pixel-centre coordinates."""
        return np.asarray(points_mm) * self.scale - 0.5
