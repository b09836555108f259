"""Contact sheet of thirty simulated cards, optionally next to real ones, for a visual check of the simulation.

python -m tools.contact_sheet --out docs/simulated.jpg; with --real FOLDER the right half shows pictures of that folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

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


def sample_pictures(folder: Path, seed: int) -> list[np.ndarray]:
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


def main(
    out: Annotated[Path, typer.Option()],
    seed: int = 7,
    real: Annotated[Path | None, typer.Option(help="Folder of real pictures for the right half.")] = None,
) -> None:
    """Draw the sheet and write it as a JPEG."""
    sheets = [contact_sheet(simulated(seed))]
    if real:
        sheets.append(contact_sheet(sample_pictures(real, seed)))
    bgr = cv2.cvtColor(np.hstack(sheets), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(out), bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


if __name__ == "__main__":
    typer.run(main)
