"""Crops of a card's four corners and four edges at the picture's native resolution, for wear detection.

`Crops` have different sizes. Region crops, the network's input, have the same number of pixels each and are rotated so
that the outside of the card is at the top.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.image.card_coordinates import apply_homography, millimeters_to_picture
from engine.image.rectify import CardSize, card_size, finest_px_per_mm, rectify

CORNER_MM = 10.0
EDGE_MM = 5.0
OUTSIDE_MM = 1.0  # background that is included beyond the card's edge
MAX_PX_PER_MM = 20.0
# (height, width) of region crops in pixels, equal in area. A corner has 8.7 px/mm, an edge 8 px/mm across, where wear
# is thin, and 4.5 or 2.8 px/mm along.
CORNER_REGION_SHAPE, EDGE_REGION_SHAPE = (96, 96), (48, 192)
REGION_COUNT, REGION_PIXELS = 8, 96 * 96


@dataclass(frozen=True)
class Crops:
    """Corner and edge crops of one card, in the orientation of the rectified card, including its outer border.

    corners    four (S, S, 3) uint8, clockwise from the printed top left, `CORNER_MM` wide
    edges      top, right, bottom, left between the corners, `EDGE_MM` deep; left and right are taller than wide
    px_per_mm  resolution of the crops
    """

    corners: list[np.ndarray]
    edges: list[np.ndarray]
    px_per_mm: float


def corner_and_edge_crops(rgb: np.ndarray, quad: np.ndarray, size: CardSize) -> Crops:
    """Crop the corners and edges from the picture, resampled once, at up to 20 px/mm.

    rgb   (H, W, 3) uint8
    quad  (4, 2) pixels, clockwise from the printed top left
    """
    density = min(finest_px_per_mm(quad, size), MAX_PX_PER_MM)
    to_picture = millimeters_to_picture(quad, size)

    def crop(x: float, y: float, width: float, height: float) -> np.ndarray:
        box = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
        size_px = (max(1, round(height * density)), max(1, round(width * density)))
        return rectify(rgb, apply_homography(to_picture, box), size=size_px)

    width, height, out = size.width_mm, size.height_mm, OUTSIDE_MM
    side = CORNER_MM + out
    right, bottom = width - CORNER_MM, height - CORNER_MM
    corners = [(-out, -out), (right, -out), (right, bottom), (-out, bottom)]
    edge_width, edge_height = width - 2 * CORNER_MM, height - 2 * CORNER_MM
    depth = EDGE_MM + out
    edges = [
        (CORNER_MM, -out, edge_width, depth),
        (width - EDGE_MM, CORNER_MM, depth, edge_height),
        (CORNER_MM, height - EDGE_MM, edge_width, depth),
        (-out, CORNER_MM, depth, edge_height),
    ]
    return Crops([crop(x, y, side, side) for x, y in corners], [crop(*edge) for edge in edges], density)


def region_crops(rgb: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Crop the eight regions of one side for the network, at a fixed size for any resolution of the picture.

    rgb      (H, W, 3) uint8
    quad     (4, 2) pixels, clockwise from the printed top left
    returns  (8, 9216, 3) uint8, flattened row by row: corners of 96 x 96, clockwise from the top left, each rotated to
             the top left; then edges of 48 x 192, clockwise from the top, each rotated to the top
    """
    crops = corner_and_edge_crops(rgb, quad, card_size(quad, picture_size=rgb.shape[:2]))
    shapes = [CORNER_REGION_SHAPE] * 4 + [EDGE_REGION_SHAPE] * 4
    rotated = [np.rot90(crop, index % 4) for index, crop in enumerate([*crops.corners, *crops.edges])]
    return np.stack([_resize_to_pixels(crop, shape) for crop, shape in zip(rotated, shapes, strict=True)])


def _resize_to_pixels(crop: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a crop to (height, width) and flatten it to (height * width, 3)."""
    shrinks = crop.shape[0] * crop.shape[1] > shape[0] * shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(crop), shape[::-1], interpolation=interpolation).reshape(-1, 3)


def mirror_region_crops(crops: np.ndarray) -> np.ndarray:
    """Return the region crops of the same side mirrored left to right, (8, 9216, 3).

    Left and right are exchanged; each corner is transposed, each edge flipped along its length.
    """
    corners = crops[[1, 0, 3, 2]].reshape(4, *CORNER_REGION_SHAPE, 3).swapaxes(1, 2)
    edges = crops[[4, 7, 6, 5]].reshape(4, *EDGE_REGION_SHAPE, 3)[:, :, ::-1]
    return np.concatenate([corners.reshape(4, REGION_PIXELS, 3), edges.reshape(4, REGION_PIXELS, 3)])
