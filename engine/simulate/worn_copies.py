"""Synthetic wear: copies of real cards worn down to a lower grade, for training on rare grades."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from engine.errors import BadInput
from engine.image.rectify import TRADING
from engine.simulate.print.games import Grid
from engine.simulate.wear.amounts import SIDE_NAMES, draw_attribute_grades
from engine.simulate.wear.masks import Patch
from engine.simulate.wear.paint import paint_wear, uncovered_patches
from engine.simulate.wear.rim import CardRim
from engine.simulate.wear.truth import SideName, SideWear
from engine.simulate.wear.wear import WornSide, wear_for_grades

STOCK_RGB = (234, 231, 224)  # color of the paper that wear exposes, as on most cards
CORNER_MM = 3.0  # radius of the corners of a modern card
MIN_HEIGHT_PX = 200  # in a lower picture, the wear of a corner is smaller than a pixel


@dataclass(frozen=True)
class WornCopy:
    """A card's pictures after synthetic wear, None for a side without a picture, and the added wear.

    `front_wear` and `back_wear` contain only the added wear, not the card's previous wear or its centering.
    """

    front: np.ndarray | None
    back: np.ndarray | None
    front_wear: SideWear
    back_wear: SideWear


def make_worn_copy(
    front: np.ndarray | None,
    back: np.ndarray | None,
    grade: int,
    random: Generator,
) -> WornCopy:
    """Wear a trading card with rounded corners down to a grade.

    front, back  (H, W, 3) uint8, rectified: upright, the card edge to edge. Not modified. Either may be None
    grade        1 to 9, below the card's own grade: the worst of corners, edges and surface then has exactly this grade
    raises       BadInput if the grade is not 1 to 9, a picture is too small, or there is no picture
    """
    if not 1 <= grade <= 9:
        raise BadInput(f"cannot wear a card down to grade {grade}; choose a grade from 1 to 9")
    if front is None and back is None:
        raise BadInput("there is no picture to wear down; give a front or a back")
    for name, picture in (("front", front), ("back", back)):
        if picture is not None and picture.shape[0] < MIN_HEIGHT_PX:
            raise BadInput(f"the {name} is {picture.shape[0]} pixels high; give at least {MIN_HEIGHT_PX}")
    grades = draw_attribute_grades(random, grade, set(range(min(grade + 1, 10), 11)))
    worn_sides = wear_for_grades(random, size=TRADING, corner_mm=CORNER_MM, grades=grades)
    pictures = [
        None if picture is None else _worn_picture(random, picture, side, worn_side)
        for picture, side, worn_side in zip((front, back), SIDE_NAMES, worn_sides, strict=True)
    ]
    return WornCopy(pictures[0], pictures[1], worn_sides[0].wear, worn_sides[1].wear)


def _worn_picture(random: Generator, picture: np.ndarray, side: SideName, worn_side: WornSide) -> np.ndarray:
    """One picture worn down on a raster with the card's proportions, then resized to its original size."""
    grid = Grid(TRADING, picture.shape[0])
    face = picture.copy()
    if picture.shape[1] != grid.width:
        face = cv2.resize(face, (grid.width, grid.height), interpolation=cv2.INTER_CUBIC)
    uncovered = uncovered_patches(CardRim(TRADING, (CORNER_MM,) * 4), grid)
    background = _background(face, uncovered)
    paint_wear(random, face, worn_side.wear, grid, stock=STOCK_RGB, side=side)
    for patch in uncovered_patches(worn_side.rim, grid):
        weight = patch.mask.astype(np.float32)[..., None] / 255
        pixels = patch.view(face)
        pixels[:] = (pixels + weight * (background - pixels) + 0.5).astype(np.uint8)
    if picture.shape[1] != grid.width:
        face = cv2.resize(face, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    return face


def _background(face: np.ndarray, uncovered: list[Patch]) -> np.ndarray:
    """Background color for missing parts of the card, (3,): the median around the card's rounded corners."""
    corner_pixels = [patch.view(face)[patch.mask > 250] for patch in uncovered]
    pixels = np.concatenate([*corner_pixels, face[[0, 0, -1, -1], [0, -1, 0, -1]]])
    return np.median(pixels, axis=0).astype(np.float32)
