"""What a card lies in when its picture is taken: nothing, a scanner, a soft sleeve (slabs have a file of their own).

A plane holds the card at its own resolution with what surrounds it; colours are already multiplied by how much hides
the ground, so that laying the plane down is one multiplication and one addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.games import Grid
from engine.simulate.print.lettering import Colour
from engine.simulate.wear.masks import Patch


@dataclass
class Plane:
    """A card and what is around it, seen straight on.

    rgb     (H, W, 3) uint8, multiplied by alpha
    alpha   (H, W) uint8, 255 where nothing of the ground shows; None where that is everywhere
    corner  of the card, in whole pixels of the plane (x, y)
    card    height and width of the card in pixels
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    corner: tuple[int, int]
    card: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb.shape[0], self.rgb.shape[1]

    def card_corners(self) -> np.ndarray:
        """(4, 2) pixels of the plane, clockwise from the printed top left."""
        (x, y), (height, width) = self.corner, self.card
        return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)]) - 0.5


def laid_in(
    rgb: np.ndarray, alpha: np.ndarray | None, face: np.ndarray, outside: Sequence[Patch], corner: tuple[int, int]
) -> Plane:
    """Put a face into a plane, in place; what the card lost shows what was there before."""
    (x, y), (height, width) = corner, face.shape[:2]
    place = (slice(y, y + height), slice(x, x + width))
    before = [
        (patch.of(rgb[place]).copy(), None if alpha is None else patch.of(alpha[place]).copy()) for patch in outside
    ]
    rgb[place] = face
    if alpha is not None:
        alpha[place] = 255
    for patch, (colours, covers) in zip(outside, before, strict=True):
        gone = patch.mask.astype(np.float32)[..., None] / 255
        under = patch.of(rgb[place])
        under[:] = (under + gone * (colours.astype(np.float32) - under) + 0.5).astype(np.uint8)
        if alpha is not None and covers is not None:
            cover = patch.of(alpha[place])
            cover[:] = (cover + gone[..., 0] * (covers.astype(np.float32) - cover) + 0.5).astype(np.uint8)
    return Plane(rgb, alpha, corner, (height, width))


def bare(face: np.ndarray, outside: Sequence[Patch]) -> Plane:
    """The card by itself."""
    height, width = face.shape[:2]
    return laid_in(np.zeros_like(face), np.zeros((height, width), np.uint8), face, outside, (0, 0))


def on_lid(random: Generator, face: np.ndarray, outside: Sequence[Patch], lid: Colour, margin_px: int) -> Plane:
    """The card on a scanner's glass under its lid, with the thin shadow that its thickness throws."""
    height, width = face.shape[:2]
    rgb = np.full((height + 2 * margin_px, width + 2 * margin_px, 3), lid, np.uint8)
    reach = min(margin_px, max(1, round(height / 150)))
    dark = float(random.uniform(0.3, 0.75))
    round_off = max((patch.mask.shape[0] for patch in outside), default=0)  # no shadow where a corner is cut away
    for step in range(reach):
        depth = 1 - (1 - dark) * (1 - step / reach)
        shade = (np.array(lid) * depth).astype(np.uint8)
        right, below = margin_px + width + step, margin_px + height + step
        rgb[margin_px + round_off : below - round_off, right] = shade
        rgb[below, margin_px + round_off : right - round_off] = shade
    return laid_in(rgb, None, face, outside, (margin_px, margin_px))


def sleeved(random: Generator, face: np.ndarray, outside: Sequence[Patch], grid: Grid) -> Plane:
    """The card in a soft sleeve: a film over it and around it, its seams, a few reflections."""
    side, top, bottom = random.uniform(1.2, 2.4), random.uniform(1.0, 4.5), random.uniform(0.8, 2.0)
    left_px, top_px, bottom_px = (max(2, round(mm * grid.px_per_mm)) for mm in (side, top, bottom))
    height, width = face.shape[0] + top_px + bottom_px, face.shape[1] + 2 * left_px
    haze = float(random.uniform(0.08, 0.25))
    rgb = np.full((height, width, 3), 232 * haze, np.uint8)
    alpha = np.full((height, width), 255 * haze, np.uint8)
    plane = laid_in(rgb, alpha, face, outside, (left_px, top_px))
    film = float(random.uniform(0.02, 0.09))
    cv2.addWeighted(rgb, 1 - film, np.full_like(rgb, 236), film, 0, dst=rgb)
    seam = max(1, round(0.35 * grid.px_per_mm))
    for strip in (np.s_[:, :seam], np.s_[:, -seam:], np.s_[-seam:, :], np.s_[: max(1, seam // 2), :]):
        rgb[strip] = 150
        alpha[strip] = 175
    reflections(random, rgb, alpha)
    return plane


def reflections(random: Generator, rgb: np.ndarray, alpha: np.ndarray) -> None:
    """Soft bright streaks on film or plastic, drawn coarsely."""
    height, width = alpha.shape
    coarse = np.zeros((height // 8 + 1, width // 8 + 1), np.uint8)
    for _ in range(int(random.integers(0, 4))):
        start = random.uniform(0, 1, 2) * coarse.shape[::-1]
        end = start + random.normal(0, 0.5, 2) * coarse.shape[::-1]
        tone, thick = int(random.integers(12, 60)), int(random.integers(1, 5))
        cv2.line(coarse, start.astype(int).tolist(), end.astype(int).tolist(), tone, thick, cv2.LINE_AA)
    if coarse.any():
        streaks = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), 1.5), (width, height))
        cv2.add(rgb, cv2.cvtColor(streaks, cv2.COLOR_GRAY2BGR), dst=rgb)
        np.maximum(alpha, streaks, out=alpha)
