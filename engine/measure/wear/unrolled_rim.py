"""The card's rim unrolled: along it clockwise from the middle of the left side, down from outside into the border."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.measure.card_edges import Edge
from engine.measure.flat_card import Flat, point_at

OUTSIDE_MM = 0.6
DEPTH_MM = 2.4
# Of the straight part next to an arc, what still belongs to the corner.
BESIDE_ARC_MM = 0.6


@dataclass(frozen=True)
class Rim:
    """The unrolled rim.

    rgb         (rows, columns, 3) float32
    depth_mm    (rows,) into the card, negative outside
    area_mm2    (rows, columns) of the card that each pixel stands for; 0 outside and where two sides would overlap
    along_mm    (columns,) place along the side, clockwise from its first corner; arcs count to half on both sides
    length_mm   (columns,) of that side
    side        (columns,) the side a column belongs to
    corner      (columns,) the corner whose zone it lies in, or -1
    outer_mm    (columns, 2) where on the card the column meets the edge
    inward      (columns, 2) direction into the card
    middles     column in the middle of each corner
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
    middles: tuple[int, ...]
    step_mm: float

    def place(self, column: int, depth_mm: float) -> tuple[float, float]:
        """(x, y) in mm on the card of a column at a depth."""
        x, y = self.outer_mm[column] + self.inward[column] * depth_mm
        return float(x), float(y)


def unroll(flat: Flat, edges: list[Edge], radii_mm: list[float]) -> Rim:
    """Unroll a card's rim.

    radii_mm  of the four corners, clockwise from the top left
    """
    step = 1 / flat.px_per_mm
    parts = []
    for side, edge in enumerate(edges):
        parts.append(_arc(flat, edges, side, radii_mm[side], step))
        parts.append(_straight(flat, edge, radii_mm[side], radii_mm[(side + 1) % 4], step))
    # Beginning in the middle of the left side, no corner lies where the unrolled rim ends.
    begin = len(parts[-1][0]) // 2
    outer, inward, along, sides, corners, radii = (
        np.roll(np.concatenate(column), begin, axis=0) for column in zip(*parts, strict=True)
    )
    depth = np.arange(-OUTSIDE_MM, DEPTH_MM, step) + step / 2
    place = outer[None] + depth[:, None, None] * inward[None]
    px = flat.px(place).astype(np.float32)
    rgb = cv2.remap(flat.rgb, px[..., 0], px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    width = np.where(radii > 0, 1 - depth[:, None] / np.where(radii > 0, radii, 1.0), 1.0)
    lengths = np.array([edge.length_mm for edge in edges])[sides]
    to_vertex = np.where(radii > 0, np.inf, np.minimum(along, lengths - along))
    counts = (depth[:, None] > 0) & (depth[:, None] <= to_vertex) & (width > 0)
    starts = np.cumsum([begin, *(len(part[0]) for part in parts)])
    middles = tuple(int(starts[2 * corner] + len(parts[2 * corner][0]) // 2) for corner in range(4))
    return Rim(
        rgb.astype(np.float32),
        depth,
        np.where(counts, width, 0) * step * step,
        along,
        lengths,
        sides,
        corners,
        outer,
        inward,
        middles,
        step,
    )


Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _straight(flat: Flat, edge: Edge, first_radius: float, last_radius: float, step: float) -> Part:
    along = np.arange(first_radius + step / 2, edge.length_mm - last_radius, step)
    outer = point_at(edge.side, along, edge.depth_at(along), flat.size)
    inward = np.tile(((0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0))[edge.side], (len(along), 1))
    corner = np.where(along < first_radius + BESIDE_ARC_MM, edge.side, -1)
    corner = np.where(along > edge.length_mm - last_radius - BESIDE_ARC_MM, (edge.side + 1) % 4, corner)
    return outer, inward, along, np.full(len(along), edge.side), corner, np.zeros(len(along))


def _arc(flat: Flat, edges: list[Edge], corner: int, radius: float, step: float) -> Part:
    """The arc from the end of the side before a corner to the start of the side after it."""
    after, before = edges[corner], edges[corner - 1]
    turn = (np.arange(max(0, round(radius * np.pi / 2 / step))) + 0.5) / max(radius, 1e-9) * step
    back, ahead = radius * (1 - np.sin(turn)), radius * (1 - np.cos(turn))
    # Seen with the side after it on top: `ahead` along that side, `back` down the side before it.
    down = back + after.depth_at(ahead)
    across = ahead + before.depth_at(before.length_mm - back)
    outer = point_at(corner, across, down, flat.size)
    middle = point_at(corner, np.full_like(across, radius), np.full_like(across, radius), flat.size)
    inward = middle - outer
    inward = inward / np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-9)
    first = ahead < back
    along = np.where(first, before.length_mm - back, ahead)
    sides = np.where(first, before.side, after.side)
    return outer, inward, along, sides, np.full(len(turn), corner), np.full(len(turn), radius)
