"""From a picture file to the upright card on its canvas: what training, grading and the cache all begin with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.detection.find_card import bounds, find_card, has_a_card_s_shape
from engine.image.detection import Found, NoCard, NothingLikeACard
from engine.image.quads import side_lengths
from engine.image.read import read_picture, read_reduced
from engine.image.rectify import card_canvas

# After a reduced decoding the card must still be this many times larger than the canvas: then the result is within
# 45 dB of what the whole picture gives. At a ratio of 3.5 it was 44.4 dB on the worst of five real pictures.
SPARE_FOR_REDUCING = 4.0
LEAST_HEIGHT_PX = 48
NO_OUTLINE = "no card's outline was found; as the picture has a card's proportions, all of it is taken for the card"


def find_and_prepare(path: Path, *, size: int) -> tuple[np.ndarray, Found]:
    """Read a picture, find its card and lay it upright on a square canvas.

    returns  the (size, size, 3) uint8 canvas, and where the card was found
    raises   BadPicture, or NoCard, with the file's name in front
    """
    rgb, found = read_and_find(path)
    return card_canvas(rgb, found.quad, size=size), found


def read_and_find(path: Path) -> tuple[np.ndarray, Found]:
    """Read a picture, (H, W, 3) uint8, and find its card; raises NoCard with the file's name in front.

    Where nothing looks like a card, but the picture has a card's proportions, it was cropped to one: it is taken whole.
    A card of a few pixels is refused: nothing can be seen of it, let alone measured.
    """
    rgb = read_picture(path)
    try:
        found = find_card(rgb)
    except NoCard as error:
        if not (isinstance(error, NothingLikeACard) and has_a_card_s_shape(rgb)):
            raise NoCard(f"{path.name}: {error}") from error
        found = Found("scan", bounds(rgb.shape[:2]), 0.0, whole_picture=True, note=NO_OUTLINE)
    height = side_lengths(found.quad).max()
    if height < LEAST_HEIGHT_PX:
        raise NoCard(f"{path.name}: the card is only {height:.0f} pixels high; photograph it closer, or scan it")
    return rgb, found


def prepare(path: Path, quad: np.ndarray, *, size: int) -> np.ndarray:
    """Lay a card whose corners are known upright on a square canvas; a large JPEG is decoded no larger than needed.

    quad     (4, 2) pixels of the whole upright picture, clockwise from the printed top left
    returns  (size, size, 3) uint8
    """
    ratio = side_lengths(quad).max() / size
    rgb, times = read_reduced(path, shrink=ratio / SPARE_FOR_REDUCING)
    return card_canvas(rgb, (quad + 0.5) / times - 0.5, size=size)
