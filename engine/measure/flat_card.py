"""The card laid flat with a margin of what surrounds it: the picture that every measurement reads.

Millimetres are measured from the card's top left corner, x to the right and y down, so what surrounds the card is
negative or beyond its size. Pixels are whole numbers at pixel centres. Sides are numbered clockwise from the top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.image.card_coordinates import corners_mm, mapped, millimetres_to_picture
from engine.image.detection import Kind
from engine.image.rectify import CardSize, finest_px_per_mm, rectify

SIDES = ("top", "right", "bottom", "left")
CORNERS = ("top left", "top right", "bottom right", "bottom left")
MARGIN_MM = 2.0
MOST_PX_PER_MM = 20.0


@dataclass(frozen=True)
class Flat:
    """A card seen straight on, upright.

    rgb        (H, W, 3) uint8, the card and its surroundings, equally dense both ways
    px_per_mm  of `rgb`
    margin_mm  (2,) how far `rgb` reaches beyond the card's left and right, and beyond its top and bottom
    seen_mm    (4,) how far beyond each side of the card the picture itself reaches; past that, its last pixels repeat
    to_picture (3, 3) takes millimetres on the card to pixels of the picture
    """

    rgb: np.ndarray
    px_per_mm: float
    margin_mm: np.ndarray
    seen_mm: np.ndarray
    size: CardSize
    kind: Kind
    to_picture: np.ndarray

    def in_picture(self, points_mm: np.ndarray) -> np.ndarray:
        """(N, 2) millimetres on the card as (N, 2) pixels of the picture the card was found in."""
        return mapped(self.to_picture, points_mm)

    @property
    def quad(self) -> np.ndarray:
        """(4, 2) pixels of the picture: the corners that millimetres are counted from, clockwise from the top left."""
        return self.in_picture(corners_mm(self.size))

    def side_length_mm(self, side: int) -> float:
        """Of the card: its width for top and bottom, its height for left and right."""
        return self.size.height_mm if side % 2 else self.size.width_mm

    def px(self, points_mm: np.ndarray) -> np.ndarray:
        """(..., 2) millimetres on the card as pixels of `rgb`."""
        return np.asarray((np.asarray(points_mm) + self.margin_mm) * self.px_per_mm - 0.5)

    def seen_from(self, side: int, depth_mm: float) -> Strip:
        """The picture along one side down to a depth, turned so that this side is on top."""
        across, down = self.margin_mm if side % 2 else self.margin_mm[::-1]
        turned = np.rot90(self.rgb, side)
        rows = min(turned.shape[0], round((across + depth_mm) * self.px_per_mm))
        return Strip(turned[:rows], self.px_per_mm, float(across), float(down))


@dataclass(frozen=True)
class Strip:
    """One side of the card and what lies beyond it, turned so that the depth into the card grows downwards.

    rgb        (rows, columns, 3) uint8; along the side it runs clockwise around the card
    outside_mm how far the first row lies beyond the side
    before_mm  how far the first column lies before the side's first corner
    """

    rgb: np.ndarray
    px_per_mm: float
    outside_mm: float
    before_mm: float

    @property
    def depth_mm(self) -> np.ndarray:
        """(rows,) depth of each row's middle into the card."""
        return (np.arange(self.rgb.shape[0]) + 0.5) / self.px_per_mm - self.outside_mm

    def row(self, depth_mm: float) -> int:
        """The row whose upper bound is nearest to that depth."""
        return round((depth_mm + self.outside_mm) * self.px_per_mm)

    def column(self, along_mm: float) -> int:
        """The column whose first bound is nearest to that place along the side."""
        return round((along_mm + self.before_mm) * self.px_per_mm)


def point_at(side: int, along_mm: np.ndarray, depth_mm: np.ndarray, size: CardSize) -> np.ndarray:
    """(N, 2) mm on the card of places along a side, clockwise from its first corner, at depths into the card."""
    along, depth = np.broadcast_arrays(np.asarray(along_mm, float), np.asarray(depth_mm, float))
    x_y = (
        (along, depth),
        (size.width_mm - depth, along),
        (size.width_mm - along, size.height_mm - depth),
        (depth, size.height_mm - along),
    )[side]
    return np.column_stack([x_y[0].ravel(), x_y[1].ravel()])


def lay_flat(
    rgb: np.ndarray,
    quad: np.ndarray,
    size: CardSize,
    kind: Kind,
    *,
    most_px_per_mm: float = MOST_PX_PER_MM,
    margin_mm: float = MARGIN_MM,
) -> Flat:
    """Lay a found card flat at the picture's own resolution, at most 20 px/mm, with what surrounds it.

    rgb        (H, W, 3) uint8, the upright picture
    quad       (4, 2) pixels of the card's corners, its sides prolonged through rounded corners, clockwise from the
               printed top left
    margin_mm  how much of what surrounds it; where the picture ends before, its last pixels are repeated
    """
    width, height = size.width_mm, size.height_mm
    density = min(finest_px_per_mm(quad, size), most_px_per_mm)
    # Whole pixels both ways at exactly this density: the margin gives way, not the scale.
    shape = np.ceil((np.array([width, height]) + 2 * margin_mm) * density)
    margin = (shape / density - (width, height)) / 2
    to_picture = millimetres_to_picture(quad, size)
    bounds = np.array(
        [
            -margin,
            (width + margin[0], -margin[1]),
            (width + margin[0], height + margin[1]),
            (-margin[0], height + margin[1]),
        ]
    )
    flat = rectify(rgb, mapped(to_picture, bounds), size=(int(shape[1]), int(shape[0])))
    return Flat(flat, density, margin, _seen(rgb, to_picture, size), size, kind, to_picture)


def _seen(rgb: np.ndarray, to_picture: np.ndarray, size: CardSize) -> np.ndarray:
    """How far beyond each side the picture reaches at both of its ends, in steps of a twentieth of a millimetre."""
    height, width = rgb.shape[:2]
    beyond = np.arange(0.0, MARGIN_MM + 0.01, 0.05)
    seen = []
    for side in range(4):
        length = size.height_mm if side % 2 else size.width_mm
        reach = MARGIN_MM
        for along in (0.0, length):
            places = mapped(to_picture, point_at(side, np.full_like(beyond, along), -beyond, size))
            inside = (places > -0.5).all(axis=1) & (places < np.array([width, height]) - 0.5).all(axis=1)
            reach = min(reach, float(beyond[inside].max(initial=0.0)))
        seen.append(reach)
    return np.array(seen)
