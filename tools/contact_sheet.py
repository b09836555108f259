"""Thirty simulated cards on one sheet, beside real ones where they are at hand, to see what gives a simulation away.

python -m tools.contact_sheet --out docs/simulated.jpg; with --real FOLDER the right half shows pictures of that folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from engine.detection.find_card import bounds
from engine.image.read import read_picture
from engine.image.rectify import rectify
from engine.simulate.cards import Recipe, Studio

COLUMNS, ROWS = 6, 5
CELL = (216, 162)
GAP = 4
PAPER = 245
QUALITY = 84


def simulated(seed: int) -> list[np.ndarray]:
    """Fronts and backs of cards of all grades in all kinds of capture, as they come; (H, W, 3) uint8 each."""
    studio = Studio(Recipe(seed=seed, mix="uniform"))
    cards = [studio.card(3 * index) for index in range(COLUMNS * ROWS)]
    return [card.back.rgb if index % 4 == 3 else card.front.rgb for index, card in enumerate(cards)]


def real(folder: Path, seed: int) -> list[np.ndarray]:
    """As many pictures of a folder, drawn by chance."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    order = np.random.default_rng(seed).permutation(len(paths))[: COLUMNS * ROWS]
    return [read_picture(paths[index]) for index in order]


def laid_out(pictures: list[np.ndarray]) -> np.ndarray:
    """Each picture fitted into its cell, (H, W, 3) uint8."""
    height, width = CELL
    sheet = np.full((ROWS * (height + GAP), COLUMNS * (width + GAP), 3), PAPER, np.uint8)
    for place, rgb in enumerate(pictures):
        scale = min(height / rgb.shape[0], width / rgb.shape[1])
        size = (round(rgb.shape[0] * scale), round(rgb.shape[1] * scale))
        top, left = (place // COLUMNS) * (height + GAP), (place % COLUMNS) * (width + GAP)
        small = rectify(rgb, bounds(rgb.shape[:2]), size=size)
        sheet[top : top + size[0], left : left + size[1]] = small
    return sheet


def main() -> None:
    """Draw the sheet and write it as a JPEG."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--real", type=Path, help="a folder of real pictures to lay beside them")
    chosen = parser.parse_args()
    sheets = [laid_out(simulated(chosen.seed))]
    if chosen.real:
        sheets.append(laid_out(real(chosen.real, chosen.seed)))
    bgr = cv2.cvtColor(np.hstack(sheets), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(chosen.out), bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
