"""The card's rim unrolled into a strip: clockwise from the middle of the left side, from outside into the border."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.card_edges import CardEdge
from engine.measure.flat_card import FlatCard, points_along_side

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Depths that the strip covers, outside and inside of the edge.
OUTSIDE_MM = 0.6
DEPTH_MM = 2.4
# Length of the straight edge next to an arc that still counts as the corner.
CORNER_MARGIN_MM = 0.6


@dataclass(frozen=True)
class UnrolledRim:
    """The unrolled rim.

    rgb             (rows, columns, 3) float32
    depth_mm        (rows,) into the card, negative outside
    area_mm2        (rows, columns) area of the card per pixel; 0 outside and where two sides would overlap
    along_mm        (columns,) position along the side, clockwise from its first corner; half of an arc is on each side
    length_mm       (columns,) length of that side
    side            (columns,) index of the side
    corner          (columns,) index of the corner whose zone the column is in, or -1
    outer_mm        (columns, 2) point on the card where the column meets the edge
    inward          (columns, 2) unit vector into the card
    corner_middles  (4,) column in the middle of each corner
    pixel_mm        width and height of a pixel
    """

    rgb: np.ndarray
    depth_mm: np.ndarray
    area_mm2: np.ndarray
    along_mm: np.ndarray
    length_mm: np.ndarray
    side: np.ndarray
    corner: np.ndarray
    outer_mm: np.ndarray
    inward: np.ndarray
    corner_middles: tuple[int, ...]
    pixel_mm: float

    def point_mm(self, column: int, depth_mm: float) -> tuple[float, float]:
        """(x, y) in mm on the card of a column at a depth."""
        x, y = self.outer_mm[column] + self.inward[column] * depth_mm
        return float(x), float(y)


def unroll_rim(card: FlatCard, edges: list[CardEdge], radii_mm: list[float]) -> UnrolledRim:
    """Unroll a card's rim along its edges and corner arcs.

    radii_mm  of the four corners, clockwise from the top left
    """
    step = 1 / card.px_per_mm
    parts = []
    for side, edge in enumerate(edges):
        parts.append(_arc(card, edges, side, radii_mm[side], step))
        parts.append(_straight(card, edge, radii_mm[side], radii_mm[(side + 1) % 4], step))
    # The strip starts in the middle of the left side, so that no corner is cut by the ends of the strip.
    begin = len(parts[-1][0]) // 2
    outer, inward, along, sides, corners, radii = (
        np.roll(np.concatenate(column), begin, axis=0) for column in zip(*parts, strict=True)
    )
    depth = np.arange(-OUTSIDE_MM, DEPTH_MM, step) + step / 2
    points_mm = outer[None] + depth[:, None, None] * inward[None]
    px = card.raster_px(points_mm).astype(np.float32)
    rgb = cv2.remap(card.rgb, px[..., 0], px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    width = np.where(radii > 0, 1 - depth[:, None] / np.where(radii > 0, radii, 1.0), 1.0)
    lengths = np.array([edge.length_mm for edge in edges])[sides]
    to_vertex = np.where(radii > 0, np.inf, np.minimum(along, lengths - along))
    is_card = (depth[:, None] > 0) & (depth[:, None] <= to_vertex) & (width > 0)
    starts = np.cumsum([begin, *(len(part[0]) for part in parts)])
    middles = tuple(int(starts[2 * corner] + len(parts[2 * corner][0]) // 2) for corner in range(4))
    return UnrolledRim(
        rgb.astype(np.float32),
        depth,
        np.where(is_card, width, 0) * step * step,
        along,
        lengths,
        sides,
        corners,
        outer,
        inward,
        middles,
        step,
    )


# outer_mm, inward, along_mm, side, corner and radius of each column.
RimPart = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _straight(card: FlatCard, edge: CardEdge, first_radius: float, last_radius: float, step: float) -> RimPart:
    """Columns along the straight part of a side."""
    along = np.arange(first_radius + step / 2, edge.length_mm - last_radius, step)
    outer = points_along_side(edge.side, along, edge.depth_at(along), card.size)
    inward = np.tile(((0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0))[edge.side], (len(along), 1))
    corner = np.where(along < first_radius + CORNER_MARGIN_MM, edge.side, -1)
    corner = np.where(along > edge.length_mm - last_radius - CORNER_MARGIN_MM, (edge.side + 1) % 4, corner)
    return outer, inward, along, np.full(len(along), edge.side), corner, np.zeros(len(along))


def _arc(card: FlatCard, edges: list[CardEdge], corner: int, radius: float, step: float) -> RimPart:
    """Columns along the arc from the end of the side before a corner to the start of the side after it."""
    after, before = edges[corner], edges[corner - 1]
    angle = (np.arange(max(0, round(radius * np.pi / 2 / step))) + 0.5) / max(radius, 1e-9) * step
    back, ahead = radius * (1 - np.sin(angle)), radius * (1 - np.cos(angle))
    # With the side after the corner on top: `ahead` is along that side, `back` is down the side before it.
    down = back + after.depth_at(ahead)
    across = ahead + before.depth_at(before.length_mm - back)
    outer = points_along_side(corner, across, down, card.size)
    center = points_along_side(corner, np.full_like(across, radius), np.full_like(across, radius), card.size)
    inward = center - outer
    inward = inward / np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-9)
    first_half = ahead < back
    along = np.where(first_half, before.length_mm - back, ahead)
    sides = np.where(first_half, before.side, after.side)
    return outer, inward, along, sides, np.full(len(angle), corner), np.full(len(angle), radius)
