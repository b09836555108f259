"""Clear holders around a card: toploader, one-touch case, semi-rigid sleeve and a pocket of a binder page.

Sizes are those of common holders for cards of 63 x 88 mm. A larger holder shows table, card and its own rims at once,
so that several nested rectangles are parallel to the card's edges.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.capture.holders import Plane, add_reflections, draw_ring, insert_card, round_corners
from engine.simulate.print.games import Grid
from engine.simulate.print.pictures import draw_picture
from engine.simulate.wear.masks import Patch

TOPLOADER_MM, ONE_TOUCH_MM, SEMI_RIGID_MM = (76.2, 101.6), (82.5, 124.0), (83.0, 122.0)
SEAM_MM = 2.2


def in_toploader(random: Generator, face: np.ndarray, uncovered: Sequence[Patch], grid: Grid) -> Plane:
    """The card in a toploader: two rails, a seam at the bottom, an open top with or without a thumb notch."""
    clear = _ClearCase(random, TOPLOADER_MM, grid, haze=random.uniform(0.05, 0.35))
    width, height = TOPLOADER_MM
    rail, seam = random.uniform(2.5, 4.5), random.uniform(1.5, 3.5)
    clear.ring((0, 0, width, height), 0.4)
    for x in (rail, width - rail):
        clear.ring((x - 0.2, 0, x + 0.2, height), 0.4)
    clear.ring((0, height - seam - 0.2, width, height - seam + 0.2), 0.4)
    middle = width / 2 + random.uniform(-1.5, 1.5)
    if random.random() < 0.5:
        clear.thumb_notch(width / 2)
    top = height - seam - grid.size.height_mm - abs(random.normal(0, 1.2))
    return clear.insert(face, uncovered, (middle - grid.size.width_mm / 2, top), radius_mm=random.uniform(1.5, 4))


def in_one_touch(random: Generator, face: np.ndarray, uncovered: Sequence[Patch], grid: Grid) -> Plane:
    """The card in the well of a magnetic one-touch case: frosted rims, posts at the corners, a magnet above."""
    clear = _ClearCase(random, ONE_TOUCH_MM, grid, haze=random.uniform(0.05, 0.4))
    width, height = ONE_TOUCH_MM
    card = np.array([grid.size.width_mm, grid.size.height_mm])
    left, top = (width - card[0]) / 2, 22 + random.uniform(-2, 2)
    gap = random.uniform(0.5, 1.8)
    well = (left - gap, top - gap, left + card[0] + gap, top + card[1] + gap)
    clear.ring((0, 0, width, height), random.uniform(0.5, 1.5))
    clear.ring((3, 3, width - 3, height - 3), 0.4)
    clear.ring(well, random.uniform(0.3, 0.8))
    for x in (well[0], well[2]):
        for y in (well[1], well[3]):
            clear.ring((x - 2.5, y - 1.5, x + 2.5, y + 1.5), 0.5)
    clear.magnet((width / 2, 10.0))
    offset = random.uniform(-gap, gap, 2) * 0.8
    return clear.insert(face, uncovered, (left + offset[0], top + offset[1]), radius_mm=2.0)


def in_semi_rigid(random: Generator, face: np.ndarray, uncovered: Sequence[Patch], grid: Grid) -> Plane:
    """The card in a semi-rigid sleeve: thin seams on three sides, and a lip at the open top."""
    clear = _ClearCase(random, SEMI_RIGID_MM, grid, haze=random.uniform(0.08, 0.3))
    width, height = SEMI_RIGID_MM
    seam = random.uniform(1.5, 5.0)
    clear.ring((0, 0, width, height), 0.4)
    clear.ring((seam, -9, width - seam, height - seam), 0.4)
    lip = random.uniform(8, 14)
    clear.ring((0, lip - 0.2, width, lip + 0.2), 0.4)
    left = (width - grid.size.width_mm) / 2 + random.uniform(-4, 4)
    top = height - seam - grid.size.height_mm - abs(random.normal(0, 1.5))
    return clear.insert(face, uncovered, (left, top), radius_mm=random.uniform(0.5, 3))


def in_binder(random: Generator, face: np.ndarray, uncovered: Sequence[Patch], grid: Grid) -> Plane:
    """The card in a pocket of a binder page, with parts of the cards in the pockets next to it."""
    card = np.array([grid.size.width_mm, grid.size.height_mm])
    pocket = card + random.uniform(1.5, 4.0, 2)
    visible = random.uniform(4.0, 16.0)
    size = tuple((pocket + 2 * (SEAM_MM + visible)).tolist())
    clear = _ClearCase(random, size, grid, haze=random.uniform(0.1, 0.3))
    inset = SEAM_MM + visible
    for direction in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        if random.random() < 0.7:
            corner = inset + np.array(direction) * (pocket + SEAM_MM) + (pocket - card) / 2
            clear.neighbor(corner, card)
    clear.ring((inset, inset, inset + pocket[0], inset + pocket[1]), 0.5)
    clear.ring((visible, visible, size[0] - visible, size[1] - visible), 0.5)
    left, top = inset + random.uniform(0.1, 0.9, 2) * (pocket - card)
    return clear.insert(face, uncovered, (left, top), radius_mm=0.5)


class _ClearCase:
    """A transparent holder under construction, in millimeters from its top left corner."""

    def __init__(self, random: Generator, size_mm: tuple[float, float], grid: Grid, *, haze: float) -> None:
        self.random, self.density = random, grid.px_per_mm
        width, height = (round(mm * self.density) for mm in size_mm)
        tone = int(random.integers(190, 240))
        self.rgb = np.full((height, width, 3), tone * haze, np.uint8)
        self.alpha = np.full((height, width), 255 * haze, np.uint8)

    def ring(self, box_mm: tuple[float, float, float, float], thickness_mm: float) -> None:
        """Draw a rim around a box (left, top, right, bottom): a bright or a dark line, more or less opaque."""
        level = int(self.random.choice([self.random.integers(20, 130), self.random.integers(190, 256)]))
        cover = int(self.random.integers(50, 210))
        left, top, right, bottom = box_mm
        clipped = (max(left, 0.0), max(top, 0.0), right, bottom)
        draw_ring(self.rgb, self.alpha, clipped, thickness_mm, (level, cover), self.density)

    def thumb_notch(self, x_mm: float) -> None:
        """Cut a half disc out of the top edge, without plastic."""
        center, radius = (round(x_mm * self.density), 0), round(8 * self.density)
        for layer in (self.rgb, self.alpha):
            cv2.circle(layer, center, radius, (0, 0, 0), -1, cv2.LINE_AA)

    def magnet(self, center_mm: tuple[float, float]) -> None:
        """Draw a round magnet of metal."""
        center = tuple(round(mm * self.density) for mm in center_mm)
        for radius_mm, level in ((4.0, 225), (2.6, 140), (2.3, 190)):
            cv2.circle(self.rgb, center, round(radius_mm * self.density), (level, level, level - 20), -1, cv2.LINE_AA)
            cv2.circle(self.alpha, center, round(radius_mm * self.density), 255, -1, cv2.LINE_AA)

    def neighbor(self, corner_mm: np.ndarray, card_mm: np.ndarray) -> None:
        """Draw the visible part of another card whose top left corner is anywhere."""
        (left, top), (width, height) = (np.rint(values * self.density).astype(int) for values in (corner_mm, card_mm))
        border = round(float(self.random.uniform(0, 4)) * self.density)
        card = np.full((height, width, 3), int(self.random.choice([25, 235])), np.uint8)
        art = draw_picture(self.random, height // 4, width // 4)
        card[border : height - border, border : width - border] = cv2.resize(
            art, (width - 2 * border, height - 2 * border), interpolation=cv2.INTER_LINEAR
        )
        rows = slice(max(top, 0), min(top + height, len(self.rgb)))
        columns = slice(max(left, 0), min(left + width, self.rgb.shape[1]))
        part = card[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        self.rgb[rows, columns], self.alpha[rows, columns] = part, 255

    def insert(
        self, face: np.ndarray, uncovered: Sequence[Patch], corner_mm: tuple[float, float], *, radius_mm: float
    ) -> Plane:
        """Put the card behind the front sheet; the holder's own corners are round."""
        x, y = (round(mm * self.density) for mm in corner_mm)
        plane = insert_card(self.rgb, self.alpha, face, uncovered, (x, y))
        film = float(self.random.uniform(0.0, 0.09))
        cv2.addWeighted(self.rgb, 1 - film, np.full_like(self.rgb, 236), film, 0, dst=self.rgb)
        # The film over the table reflects as well: it is no brighter than it is opaque.
        np.maximum(self.alpha, np.uint8(255 * film), out=self.alpha)
        add_reflections(self.random, self.rgb, self.alpha)
        round_corners(self.rgb, self.alpha, max(1, round(radius_mm * self.density)))
        return plane
