"""Synthetic cards for tests: a bordered card on plain ground with whiter corners for lower grades.

A small network can learn the whitening.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from engine.cards.pairs import CardPair, Split, write_manifest

CARD = (250, 350)  # width, height in pixels: 2.5 x 3.5 inches at 100 dpi
MARGIN = 25  # ground on all sides
BORDER = 16
GROUND, WHITE = (164, 167, 170), (246, 244, 240)


def card_quad() -> np.ndarray:
    """The quad of the card in all pictures here: (4, 2) pixel-center coordinates, clockwise from the top left."""
    left, top, right, bottom = MARGIN, MARGIN, MARGIN + CARD[0], MARGIN + CARD[1]
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64) - 0.5


def card_picture(grade: float, seed: int, side: str) -> np.ndarray:
    """Draw one side of a card, (400, 300, 3) uint8; equal arguments give equal pixels."""
    random = np.random.default_rng((seed, side == "back"))
    width, height = CARD
    border = np.array([20, 40, 80]) if side == "back" else random.integers(10, 80, 3)
    card = np.empty((height, width, 3), np.uint8)
    card[:] = border
    card[BORDER:-BORDER, BORDER:-BORDER] = _art(random, (height - 2 * BORDER, width - 2 * BORDER))
    _print_text(card, random)
    _whiten_corners(card, radius=2.0 + 3.0 * (10.0 - grade), random=random)
    picture = np.empty((height + 2 * MARGIN, width + 2 * MARGIN, 3), np.uint8)
    picture[:] = GROUND
    picture[MARGIN:-MARGIN, MARGIN:-MARGIN] = card
    return picture


def _art(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    coarse = Image.fromarray(random.integers(40, 216, (9, 7, 3), dtype=np.uint8))
    return np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC))


def _print_text(card: np.ndarray, random: np.random.Generator) -> None:
    """Rows of dark dashes in the lower third, as wide as words."""
    height, width = card.shape[:2]
    for top in range(height * 2 // 3, height - 2 * BORDER, 10):
        left = 2 * BORDER
        while left < width - 3 * BORDER:
            word = int(random.integers(5, 30))
            card[top : top + 4, left : min(left + word, width - 2 * BORDER)] = 20
            left += word + 6


def _whiten_corners(card: np.ndarray, *, radius: float, random: np.random.Generator) -> None:
    """Expose the white stock within about `radius` pixels of each corner."""
    rows, columns = np.indices(card.shape[:2])
    height, width = card.shape[:2]
    to_corner = np.minimum(rows, height - 1 - rows) + np.minimum(columns, width - 1 - columns)
    card[to_corner < radius + random.normal(0, 1.5, card.shape[:2])] = WHITE


def write_cards(folder: Path, grades: Sequence[float | None], *, seed: int = 0, splits: bool = True) -> Path:
    """Write a front and a back for each grade into `folder`, and a manifest of them; returns the manifest's path.

    Cards are named card-000, card-001, ... With `splits`, of every five cards in order the fourth is fixed to val and
    the fifth to test, so that a handful of cards fills every split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pairs = []
    for number, grade in enumerate(grades):
        name = f"card-{number:03d}"
        paths = [folder / f"{name}_{side}.png" for side in ("front", "back")]
        for path, side in zip(paths, ("front", "back"), strict=True):
            Image.fromarray(card_picture(5.0 if grade is None else grade, seed * 1000 + number, side)).save(path)
        front, back = paths
        pairs.append(CardPair(name, front, back, grade, split=_split(number) if splits else None))
    manifest = folder / "labels.csv"
    write_manifest(manifest, pairs)
    return manifest


def _split(number: int) -> Split:
    return {3: "val", 4: "test"}.get(number % 5, "train")  # type: ignore[return-value]
