"""A rectified card with a margin of its surroundings: the raster that every measurement reads.

Millimeters are counted from the card's top left corner, x to the right and y down; the surroundings are negative or
beyond the card's size. Integer pixels are pixel centers. Sides are numbered clockwise from the top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.image.card_coordinates import apply_homography, corners_mm, millimeters_to_picture
from engine.image.detection import PictureKind
from engine.image.rectify import CardSize, finest_px_per_mm, rectify

SIDES = ("top", "right", "bottom", "left")
CORNERS = ("top left", "top right", "bottom right", "bottom left")
MARGIN_MM = 2.0
# Resolution above which a picture is reduced before it is measured.
MAX_PX_PER_MM = 20.0


@dataclass(frozen=True)
class FlatCard:
    """A rectified, upright card.

    rgb                (H, W, 3) uint8, the card and its margin, at the same resolution both ways
    px_per_mm          resolution of `rgb`
    margin_mm          (2,) margin in `rgb` at the card's left and right, and at its top and bottom
    visible_margin_mm  (4,) part of the margin that the picture shows, by side; beyond it, border pixels are repeated
    homography         (3, 3) millimeters on the card to pixels of the picture
    wide_rgb           (H, W, 3) uint8, the same raster with a wider margin, to be shown; `rgb` is a view of it
    wide_margin_mm     (2,) margin in `wide_rgb`
    """

    rgb: np.ndarray
    px_per_mm: float
    margin_mm: np.ndarray
    visible_margin_mm: np.ndarray
    size: CardSize
    kind: PictureKind
    homography: np.ndarray
    wide_rgb: np.ndarray
    wide_margin_mm: np.ndarray

    def picture_px(self, points_mm: np.ndarray) -> np.ndarray:
        """Convert (N, 2) millimeters on the card to (N, 2) pixels of the picture."""
        return apply_homography(self.homography, points_mm)

    @property
    def quad(self) -> np.ndarray:
        """(4, 2) corners in pixels of the picture, clockwise from the top left; millimeters are counted from them."""
        return self.picture_px(corners_mm(self.size))

    def side_length_mm(self, side: int) -> float:
        """Length of a side: the card's width for top and bottom, its height for left and right."""
        return self.size.height_mm if side % 2 else self.size.width_mm

    def raster_px(self, points_mm: np.ndarray) -> np.ndarray:
        """Convert (..., 2) millimeters on the card to pixels of `rgb`."""
        return np.asarray((np.asarray(points_mm) + self.margin_mm) * self.px_per_mm - 0.5)

    def side_strip(self, side: int, depth_mm: float) -> SideStrip:
        """Crop the raster along one side down to a depth, rotated so that this side is on top."""
        across, down = self.margin_mm if side % 2 else self.margin_mm[::-1]
        rotated = np.rot90(self.rgb, side)
        rows = min(rotated.shape[0], round((across + depth_mm) * self.px_per_mm))
        return SideStrip(rotated[:rows], self.px_per_mm, float(across), float(down))


@dataclass(frozen=True)
class SideStrip:
    """One side of the card and its margin, rotated so that depth into the card increases downwards.

    rgb        (rows, columns, 3) uint8; columns run clockwise around the card
    outside_mm distance of the first row's upper bound outside the side
    before_mm  distance of the first column's left bound before the side's first corner
    """

    rgb: np.ndarray
    px_per_mm: float
    outside_mm: float
    before_mm: float

    @property
    def depth_mm(self) -> np.ndarray:
        """(rows,) depth of each row's center into the card."""
        return (np.arange(self.rgb.shape[0]) + 0.5) / self.px_per_mm - self.outside_mm

    def row(self, depth_mm: float) -> int:
        """Row whose upper bound is nearest to a depth."""
        return round((depth_mm + self.outside_mm) * self.px_per_mm)

    def column(self, along_mm: float) -> int:
        """Column whose left bound is nearest to a position along the side."""
        return round((along_mm + self.before_mm) * self.px_per_mm)


def points_along_side(side: int, along_mm: np.ndarray, depth_mm: np.ndarray, size: CardSize) -> np.ndarray:
    """(N, 2) mm on the card of positions along a side, clockwise from its first corner, at depths into the card."""
    along, depth = np.broadcast_arrays(np.asarray(along_mm, float), np.asarray(depth_mm, float))
    x_y = (
        (along, depth),
        (size.width_mm - depth, along),
        (size.width_mm - along, size.height_mm - depth),
        (depth, size.height_mm - along),
    )[side]
    return np.column_stack([x_y[0].ravel(), x_y[1].ravel()])


def rectify_with_margin(
    rgb: np.ndarray,
    quad: np.ndarray,
    size: CardSize,
    kind: PictureKind,
    *,
    max_px_per_mm: float = MAX_PX_PER_MM,
    wide_margin_mm: float = MARGIN_MM,
) -> FlatCard:
    """Rectify a detected card with a margin of 2 mm, at the picture's resolution but at most `max_px_per_mm`.

    rgb             (H, W, 3) uint8, the upright picture
    quad            (4, 2) pixels of the card's corners, its sides prolonged through rounded corners, clockwise from
                    the printed top left
    wide_margin_mm  margin of `wide_rgb`, to about a pixel; beyond the picture, its border pixels are repeated
    """
    card_mm = np.array([size.width_mm, size.height_mm])
    density = min(finest_px_per_mm(quad, size), max_px_per_mm)
    # A whole number of pixels both ways at exactly this resolution: the margin is adjusted, not the scale.
    shape = np.ceil((card_mm + 2 * MARGIN_MM) * density).astype(int)
    added = max(round((wide_margin_mm - MARGIN_MM) * density), 0)
    wide_shape = shape + 2 * added
    margin, wide_margin = ((pixels / density - card_mm) / 2 for pixels in (shape, wide_shape))
    homography = millimeters_to_picture(quad, size)
    (left, top), (right, bottom) = -wide_margin, card_mm + wide_margin
    bounds = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    wide = rectify(rgb, apply_homography(homography, bounds), size=(int(wide_shape[1]), int(wide_shape[0])))
    raster = wide[added : added + shape[1], added : added + shape[0]]
    visible_margin = _visible_margins(rgb, homography, size)
    return FlatCard(raster, density, margin, visible_margin, size, kind, homography, wide, wide_margin)


def _visible_margins(rgb: np.ndarray, homography: np.ndarray, size: CardSize) -> np.ndarray:
    """(4,) margin that the picture shows beyond each side, at both of its ends, in steps of 0.05 mm."""
    height, width = rgb.shape[:2]
    beyond = np.arange(0.0, MARGIN_MM + 0.01, 0.05)
    margins = []
    for side in range(4):
        length = size.height_mm if side % 2 else size.width_mm
        margin = MARGIN_MM
        for along in (0.0, length):
            points = apply_homography(homography, points_along_side(side, np.full_like(beyond, along), -beyond, size))
            inside = (points > -0.5).all(axis=1) & (points < np.array([width, height]) - 0.5).all(axis=1)
            margin = min(margin, float(beyond[inside].max(initial=0.0)))
        margins.append(margin)
    return np.array(margins)
