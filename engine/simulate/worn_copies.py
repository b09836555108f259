"""Wear for rare grades: a user's own good card worn down to a lower grade, for training and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from engine.errors import BadInput
from engine.image.rectify import TRADING, CardSize
from engine.simulate.print.games import Grid
from engine.simulate.wear.amounts import SIDES, draw_attributes
from engine.simulate.wear.masks import Patch
from engine.simulate.wear.paint import outside, wear_down
from engine.simulate.wear.rim import Rim
from engine.simulate.wear.truth import SideName, SideWear
from engine.simulate.wear.wear import WornSide, place_wear

STOCK = (234, 231, 224)  # of most cards; what wear lays bare
LEAST_HEIGHT_PX = 200  # below this a corner's wear is less than a pixel


@dataclass(frozen=True)
class WornCopy:
    """A card's pictures after wear, and the wear; a side that was missing stays so.

    The truth tells the wear that was added, not what the card had; its centering is not told.
    """

    front: np.ndarray | None
    back: np.ndarray | None
    front_wear: SideWear
    back_wear: SideWear


def worn_copy(
    front: np.ndarray | None,
    back: np.ndarray | None,
    grade: int,
    random: Generator,
    *,
    size: CardSize = TRADING,
    corner_mm: float = 3.0,
) -> WornCopy:
    """Wear a card down to a grade.

    front, back  (H, W, 3) uint8, each rectified: the card edge to edge, upright. Not changed. Either may be None
    grade        1 to 9, below the card's own: corners, edges and surface then give exactly it, the worst deciding
    corner_mm    radius of the card's corners, 0 for square ones
    raises       BadInput for a grade that wear cannot give, a picture that is too small, or no picture
    """
    if not 1 <= grade <= 9:
        raise BadInput(f"wear gives the grades 1 to 9, not {grade}; a 10 is not made by wear")
    if front is None and back is None:
        raise BadInput("there is no picture to wear down; give a front or a back")
    for name, picture in (("front", front), ("back", back)):
        if picture is not None and picture.shape[0] < LEAST_HEIGHT_PX:
            raise BadInput(f"the {name} is {picture.shape[0]} pixels high; give at least {LEAST_HEIGHT_PX}")
    grades = draw_attributes(random, grade, set(range(min(grade + 1, 10), 11)))
    worn = place_wear(random, size=size, corner_mm=corner_mm, grades=grades)
    pictures = [
        None if picture is None else _worn(random, picture, side, own, size, corner_mm)
        for picture, side, own in zip((front, back), SIDES, worn, strict=True)
    ]
    return WornCopy(pictures[0], pictures[1], worn[0].wear, worn[1].wear)


def _worn(
    random: Generator, picture: np.ndarray, side: SideName, own: WornSide, size: CardSize, corner_mm: float
) -> np.ndarray:
    """One picture worn on a raster with the card's own proportions, brought back to its own size."""
    grid = Grid(size, picture.shape[0])
    face = picture.copy()
    if picture.shape[1] != grid.width:
        face = cv2.resize(face, (grid.width, grid.height), interpolation=cv2.INTER_CUBIC)
    intact = outside(Rim(size, (corner_mm,) * 4), grid)
    ground = _ground(face, intact)
    wear_down(random, face, own.wear, grid, stock=STOCK, side=side)
    for patch in outside(own.rim, grid):
        gone = patch.mask.astype(np.float32)[..., None] / 255
        under = patch.of(face)
        under[:] = (under + gone * (ground - under) + 0.5).astype(np.uint8)
    if picture.shape[1] != grid.width:
        face = cv2.resize(face, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    return face


def _ground(face: np.ndarray, intact: list[Patch]) -> np.ndarray:
    """What shows where the card is gone, (3,): what the corners of the picture show beyond the card's own rounding."""
    seen = [patch.of(face)[patch.mask > 250] for patch in intact]
    pixels = np.concatenate([*seen, face[[0, 0, -1, -1], [0, -1, 0, -1]]])
    return np.median(pixels, axis=0).astype(np.float32)
