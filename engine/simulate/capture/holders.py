"""Surroundings of a card in its picture: none, a scanner, a soft sleeve (slabs are in slab.py).

A plane contains the card and its holder at the card's resolution. Its colors are premultiplied by alpha, so that
compositing it onto the background is one multiplication and one addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.games import Grid
from engine.simulate.print.lettering import Color
from engine.simulate.wear.masks import Patch


class CardFace(NamedTuple):
    """One side of a card before it is captured.

    rgb        (H, W, 3) uint8 of the grid's size, upright, edge to edge
    uncovered  parts of that rectangle that the card does not cover: beyond rounded corners, missing pieces
    upward     True if the print shows which way is up
    """

    rgb: np.ndarray
    uncovered: Sequence[Patch]
    grid: Grid
    upward: bool = True


def no_card(grid: Grid) -> CardFace:
    """A card of which nothing is there: what is left of a capture is an empty holder, or the table."""
    everywhere = Patch(slice(0, grid.height), slice(0, grid.width), np.full((grid.height, grid.width), 255, np.uint8))
    return CardFace(np.zeros((grid.height, grid.width, 3), np.uint8), [everywhere], grid, upward=False)


@dataclass
class Plane:
    """A card and its holder, viewed from straight above.

    rgb        (H, W, 3) uint8, premultiplied by alpha
    alpha      (H, W) uint8 opacity, 255 if the background is hidden; None if it is hidden everywhere
    corner     top left corner of the card, in whole pixels of the plane (x, y)
    card_size  height and width of the card in pixels
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    corner: tuple[int, int]
    card_size: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb.shape[0], self.rgb.shape[1]

    def corners(self) -> np.ndarray:
        """Corners of the plane, (4, 2) pixels, clockwise from the top left."""
        height, width = self.size
        return np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5

    def card_corners(self) -> np.ndarray:
        """Corners of the card, (4, 2) pixels of the plane, clockwise from the printed top left."""
        (x, y), (height, width) = self.corner, self.card_size
        return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)]) - 0.5


def insert_card(
    rgb: np.ndarray, alpha: np.ndarray | None, face: np.ndarray, uncovered: Sequence[Patch], corner: tuple[int, int]
) -> Plane:
    """Insert a card into a plane, in place; uncovered parts keep the previous pixels."""
    (x, y), (height, width) = corner, face.shape[:2]
    window = (slice(y, y + height), slice(x, x + width))
    background = [
        (patch.view(rgb[window]).copy(), None if alpha is None else patch.view(alpha[window]).copy())
        for patch in uncovered
    ]
    rgb[window] = face
    if alpha is not None:
        alpha[window] = 255
    for patch, (colors, alphas) in zip(uncovered, background, strict=True):
        weight = patch.mask.astype(np.float32)[..., None] / 255
        pixels = patch.view(rgb[window])
        pixels[:] = (pixels + weight * (colors.astype(np.float32) - pixels) + 0.5).astype(np.uint8)
        if alpha is not None and alphas is not None:
            alpha_pixels = patch.view(alpha[window])
            alpha_pixels[:] = (alpha_pixels + weight[..., 0] * (alphas.astype(np.float32) - alpha_pixels) + 0.5).astype(
                np.uint8
            )
    return Plane(rgb, alpha, corner, (height, width))


def without_holder(face: np.ndarray, uncovered: Sequence[Patch]) -> Plane:
    """The card without a holder."""
    height, width = face.shape[:2]
    return insert_card(np.zeros_like(face), np.zeros((height, width), np.uint8), face, uncovered, (0, 0))


def on_scanner(
    random: Generator, face: np.ndarray, uncovered: Sequence[Patch], lid_color: Color, margin_px: int
) -> Plane:
    """The card on a scanner's glass under the lid, with the thin shadow of its edge."""
    height, width = face.shape[:2]
    rgb = np.full((height + 2 * margin_px, width + 2 * margin_px, 3), lid_color, np.uint8)
    reach = min(margin_px, max(1, round(height / 150)))
    darkness = float(random.uniform(0.3, 0.75))
    corner_px = max((patch.mask.shape[0] for patch in uncovered), default=0)  # no shadow where a corner is cut away
    for step in range(reach):
        depth = 1 - (1 - darkness) * (1 - step / reach)
        shade = (np.array(lid_color) * depth).astype(np.uint8)
        right, below = margin_px + width + step, margin_px + height + step
        rgb[margin_px + corner_px : below - corner_px, right] = shade
        rgb[below, margin_px + corner_px : right - corner_px] = shade
    return insert_card(rgb, None, face, uncovered, (margin_px, margin_px))


def in_sleeve(random: Generator, face: np.ndarray, uncovered: Sequence[Patch], grid: Grid) -> Plane:
    """The card in a soft sleeve: film, seams and a few reflections."""
    side, top, bottom = random.uniform(1.2, 2.4), random.uniform(1.0, 4.5), random.uniform(0.8, 2.0)
    left_px, top_px, bottom_px = (max(2, round(mm * grid.px_per_mm)) for mm in (side, top, bottom))
    height, width = face.shape[0] + top_px + bottom_px, face.shape[1] + 2 * left_px
    haze = float(random.uniform(0.08, 0.25))
    rgb = np.full((height, width, 3), 232 * haze, np.uint8)
    alpha = np.full((height, width), 255 * haze, np.uint8)
    plane = insert_card(rgb, alpha, face, uncovered, (left_px, top_px))
    film = float(random.uniform(0.02, 0.09))
    cv2.addWeighted(rgb, 1 - film, np.full_like(rgb, 236), film, 0, dst=rgb)
    seam = max(1, round(0.35 * grid.px_per_mm))
    for strip in (np.s_[:, :seam], np.s_[:, -seam:], np.s_[-seam:, :], np.s_[: max(1, seam // 2), :]):
        rgb[strip] = 150
        alpha[strip] = 175
    add_reflections(random, rgb, alpha)
    return plane


def add_reflections(random: Generator, rgb: np.ndarray, alpha: np.ndarray) -> None:
    """Add soft bright streaks on film or plastic, in place, drawn at 1/8 of the resolution."""
    height, width = alpha.shape
    coarse = np.zeros((height // 8 + 1, width // 8 + 1), np.uint8)
    for _ in range(int(random.integers(0, 4))):
        start = random.uniform(0, 1, 2) * coarse.shape[::-1]
        end = start + random.normal(0, 0.5, 2) * coarse.shape[::-1]
        tone, thickness = int(random.integers(12, 60)), int(random.integers(1, 5))
        cv2.line(coarse, start.astype(int).tolist(), end.astype(int).tolist(), tone, thickness, cv2.LINE_AA)
    if coarse.any():
        streaks = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), 1.5), (width, height))
        cv2.add(rgb, cv2.cvtColor(streaks, cv2.COLOR_GRAY2BGR), dst=rgb)
        np.maximum(alpha, streaks, out=alpha)


def draw_ring(
    rgb: np.ndarray,
    alpha: np.ndarray,
    box_mm: tuple[float, float, float, float],
    thickness_mm: float,
    level_and_cover: tuple[int, int],
    density: float,
) -> None:
    """Draw the four strips of a rim inside a box (left, top, right, bottom), in place: its level and its opacity."""
    level, cover = level_and_cover
    left, top, right, bottom = (round(mm * density) for mm in box_mm)
    thickness = max(1, round(thickness_mm * density))
    for strip in (
        np.s_[top : top + thickness, left:right],
        np.s_[bottom - thickness : bottom, left:right],
        np.s_[top:bottom, left : left + thickness],
        np.s_[top:bottom, right - thickness : right],
    ):
        rgb[strip] = level * cover // 255
        alpha[strip] = cover


def round_corners(rgb: np.ndarray, alpha: np.ndarray, radius: int) -> None:
    """Round the case's corners, in place."""
    offsets = np.arange(radius) + 0.5
    coverage = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(radius - offsets, radius - offsets)), 0, 1).astype(
        np.float32
    )
    for rows, flip in ((slice(0, radius), 1), (slice(-radius, None), -1)):
        for columns, mirror in ((slice(0, radius), 1), (slice(-radius, None), -1)):
            mask = coverage[::flip, ::mirror]
            rgb[rows, columns] = (rgb[rows, columns] * mask[..., None]).astype(np.uint8)
            alpha[rows, columns] = (alpha[rows, columns] * mask).astype(np.uint8)
