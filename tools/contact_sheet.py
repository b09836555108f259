"""Contact sheet of thirty simulated cards, optionally next to real ones, for a visual check of the simulation.

python -m tools.contact_sheet --out docs/simulated.jpg; with --real FOLDER the right half shows pictures of that folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from engine.detection.find_card import picture_bounds
from engine.image.read import read_picture
from engine.image.rectify import rectify
from engine.simulate.cards import CardSimulator, SimulationConfig

COLUMNS, ROWS = 6, 5
CELL = (216, 162)
GAP = 4
BACKGROUND = 245
JPEG_QUALITY = 84


def simulated(seed: int) -> list[np.ndarray]:
    """Fronts and backs of cards of all grades and capture kinds, (H, W, 3) uint8 each."""
    studio = CardSimulator(SimulationConfig(seed=seed, mix="uniform"))
    cards = [studio.card(3 * index) for index in range(COLUMNS * ROWS)]
    return [card.back.rgb if index % 4 == 3 else card.front.rgb for index, card in enumerate(cards)]


def real(folder: Path, seed: int) -> list[np.ndarray]:
    """A random sample of the same number of pictures from a folder, (H, W, 3) uint8 each."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    order = np.random.default_rng(seed).permutation(len(paths))[: COLUMNS * ROWS]
    return [read_picture(paths[index]) for index in order]


def contact_sheet(pictures: list[np.ndarray]) -> np.ndarray:
    """Arrange the pictures in a grid, each fitted into its cell; (H, W, 3) uint8."""
    height, width = CELL
    sheet = np.full((ROWS * (height + GAP), COLUMNS * (width + GAP), 3), BACKGROUND, np.uint8)
    for position, rgb in enumerate(pictures):
        scale = min(height / rgb.shape[0], width / rgb.shape[1])
        size = (round(rgb.shape[0] * scale), round(rgb.shape[1] * scale))
        top, left = (position // COLUMNS) * (height + GAP), (position % COLUMNS) * (width + GAP)
        thumbnail = rectify(rgb, picture_bounds(rgb.shape[:2]), size=size)
        sheet[top : top + size[0], left : left + size[1]] = thumbnail
    return sheet


def main() -> None:
    """Draw the sheet and write it as a JPEG."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--real", type=Path, help="folder of real pictures for the right half")
    options = parser.parse_args()
    sheets = [contact_sheet(simulated(options.seed))]
    if options.real:
        sheets.append(contact_sheet(real(options.real, options.seed)))
    bgr = cv2.cvtColor(np.hstack(sheets), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(options.out), bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


if __name__ == "__main__":
    main()
