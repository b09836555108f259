"""Build engine/detection/back_designs.npy: the mean colors, in 8 x 11 cells, of the backs of each design.

python -m tools.back_designs FOLDER [FOLDER ...]    a folder of pictures per design
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from engine.detection.card_sides import DESIGNS, card_thumbnail, design_cells
from engine.detection.read_and_find import read_and_find
from engine.image.quality import rectify_for_quality


def mean_design(folder: Path) -> np.ndarray:
    """Average the cells of all pictures in a folder, each turned to agree with the mean of those before; (264,)."""
    total = np.zeros(0)
    for path in sorted(folder.iterdir()):
        rgb, detection = read_and_find(path)
        thumbnail = card_thumbnail(rectify_for_quality(rgb, detection))
        turns = [design_cells(np.ascontiguousarray(turned)) for turned in (thumbnail, thumbnail[::-1, ::-1])]
        total = turns[0] if not len(total) else total + max(turns, key=lambda cells: float(cells @ total))
    return np.asarray(total / np.linalg.norm(total), np.float32)


def main(folders: list[Path]) -> None:
    """Build the file from a folder of pictures per design."""
    np.save(DESIGNS, np.stack([mean_design(folder) for folder in folders]))
    print(f"{DESIGNS}: {len(folders)} designs")


if __name__ == "__main__":
    typer.run(main)
