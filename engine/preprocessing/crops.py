"""The four corners and four edges of a card at the picture's own resolution: where wear is looked for.

As cut (`Crops`) each piece has its own size. As pieces for a network all have as many pixels, and each is turned so
that the card's outside lies above it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.image.card_coordinates import mapped, millimetres_to_picture
from engine.image.rectify import CardSize, card_size, finest_px_per_mm, rectify

CORNER_MM = 10.0
EDGE_MM = 5.0
MOST_PX_PER_MM = 20.0
# Height and width of a corner's piece and of an edge's, in pixels: as many pixels each. A corner then has 8.7 px/mm, an
# edge 8 px/mm across it, where wear is thin, and 4.5 or 2.8 along it.
CORNER_PIECE, EDGE_PIECE = (96, 96), (48, 192)
PIECES, PIECE_PIXELS = 8, 96 * 96


@dataclass(frozen=True)
class Crops:
    """Pieces of one card, seen as on the upright card, with the card's outer border included.

    corners    four (S, S, 3) uint8, clockwise from the printed top left, `CORNER_MM` wide
    edges      top, right, bottom, left between the corners, `EDGE_MM` deep; left and right are taller than wide
    px_per_mm  the pieces' own resolution
    """

    corners: list[np.ndarray]
    edges: list[np.ndarray]
    px_per_mm: float


def corner_and_edge_crops(rgb: np.ndarray, quad: np.ndarray, size: CardSize, *, outside_mm: float = 1.0) -> Crops:
    """Cut the corners and edges straight from the picture, resampled once, at up to 20 px/mm.

    rgb         (H, W, 3) uint8
    quad        (4, 2) pixels, clockwise from the printed top left
    outside_mm  how much of the ground beyond the card's border each piece shows
    """
    density = min(finest_px_per_mm(quad, size), MOST_PX_PER_MM)
    to_picture = millimetres_to_picture(quad, size)

    def piece(x: float, y: float, width: float, height: float) -> np.ndarray:
        box = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
        pixels = (max(1, round(height * density)), max(1, round(width * density)))
        return rectify(rgb, mapped(to_picture, box), size=pixels)

    wide, high, out = size.width_mm, size.height_mm, outside_mm
    side = CORNER_MM + out
    corners = [(-out, -out), (wide - CORNER_MM, -out), (wide - CORNER_MM, high - CORNER_MM), (-out, high - CORNER_MM)]
    between, down = wide - 2 * CORNER_MM, high - 2 * CORNER_MM
    deep = EDGE_MM + out
    edges = [
        (CORNER_MM, -out, between, deep),
        (wide - EDGE_MM, CORNER_MM, deep, down),
        (CORNER_MM, high - EDGE_MM, between, deep),
        (-out, CORNER_MM, deep, down),
    ]
    return Crops([piece(x, y, side, side) for x, y in corners], [piece(*edge) for edge in edges], density)


def side_pieces(rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """The eight pieces of one side for a network, whatever the picture's resolution.

    rgb      (H, W, 3) uint8
    quad     (4, 2) pixels, clockwise from the printed top left
    returns  (8, 9216, 3) uint8, rows of pixels one after the other: corners of 96 x 96, clockwise from the top left,
             each turned to be a top left one; then edges of 48 x 192, clockwise from the top, each turned to be a top
    """
    crops = corner_and_edge_crops(rgb, quad, card_size(quad, picture_size=rgb.shape[:2]))
    shapes = [CORNER_PIECE] * 4 + [EDGE_PIECE] * 4
    turned = [np.rot90(crop, place % 4) for place, crop in enumerate([*crops.corners, *crops.edges])]
    return np.stack([_brought_to(piece, shape) for piece, shape in zip(turned, shapes, strict=True)])


def _brought_to(piece: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The piece at that height and width, as a list of pixels."""
    smaller = piece.shape[0] * piece.shape[1] > shape[0] * shape[1]
    smooth = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(piece), shape[::-1], interpolation=smooth).reshape(-1, 3)


def mirrored_pieces(pieces: np.ndarray) -> np.ndarray:
    """The pieces of the same side mirrored left to right, (8, 9216, 3).

    Left and right change places. A corner turned to be a top left one is mirrored along its diagonal, an edge turned to
    be a top one along its length.
    """
    corners = pieces[[1, 0, 3, 2]].reshape(4, *CORNER_PIECE, 3).swapaxes(1, 2)
    edges = pieces[[4, 7, 6, 5]].reshape(4, *EDGE_PIECE, 3)[:, :, ::-1]
    return np.concatenate([corners.reshape(4, PIECE_PIXELS, 3), edges.reshape(4, PIECE_PIXELS, 3)])
