"""Wear painted onto a side's print, in place, changing worn pixels only."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.games import Grid
from engine.simulate.print.noise import TILE_MEAN, grain_tile, random_window
from engine.simulate.wear.masks import Patch, line_mask, polygon_mask
from engine.simulate.wear.rim import BACKWARD, FORWARD, CardRim
from engine.simulate.wear.truth import Defect, DefectKind, SideName, SideWear

INK_COLORS = ((28, 42, 120), (24, 24, 28), (120, 24, 30))
STAIN_TINTS = ((0.80, 0.68, 0.46), (0.88, 0.80, 0.62), (0.72, 0.62, 0.5))
LIGHT_DIRECTION = np.array([-0.6, -0.8])  # direction the light comes from that makes relief visible, x and y


class Painter:
    """Painter of the wear of one side; changes its print `rgb`, (H, W, 3) uint8, in place."""

    def __init__(
        self, random: Generator, rgb: np.ndarray, grid: Grid, stock: tuple[int, int, int], side: SideName
    ) -> None:
        self.random = random
        self.rgb = rgb
        self.grid = grid
        self.stock = np.array(stock, np.float32)
        # A ridge on the front is a valley on the back: its lit and its dark flank are swapped.
        self.relief = 1.0 if side == "front" else -1.0

    def paint(self, defects: list[Defect]) -> None:
        """Paint the defects, in order; those that only change the outline are skipped."""
        paint_functions: dict[DefectKind, Callable[[Defect], None]] = {
            "gloss_loss": self._paint_gloss_loss,
            "stain": self._paint_stain,
            "print_line": self._paint_print_line,
            "scratch": self._paint_scratch,
            "dimple": self._paint_dimple,
            "ink": self._paint_ink,
            "crease": self._paint_crease,
            "corner_bend": self._paint_bend,
            "edge_whitening": self._paint_bare_stock,
            "edge_chip": self._paint_bare_stock,
            "corner_whitening": self._paint_bare_stock,
            "corner_fray": self._paint_bare_stock,
        }
        for defect in defects:
            if defect.kind in paint_functions:
                paint_functions[defect.kind](defect)

    def _paint_bare_stock(self, defect: Defect) -> None:
        """Paint bare stock: the paper's color and fibres, with remains of the print."""
        patch = polygon_mask(np.array(defect.points_mm), self.grid)
        if patch is None:
            return
        fibres = random_window(self.random, grain_tile("fibre"), *patch.mask.shape).astype(np.float32) - TILE_MEAN
        clinging = random_window(self.random, grain_tile("paper"), *patch.mask.shape).astype(np.float32) - TILE_MEAN
        alpha = patch.mask.astype(np.float32) * np.clip(defect.strength + clinging / 200, 0.15, 1) / 255
        paper = self.stock * 0.97 + fibres[..., None] * 0.4
        self._blend(patch, paper, alpha)

    def _blend(self, patch: Patch, color: np.ndarray, alpha: np.ndarray) -> None:
        pixels = patch.view(self.rgb)
        mixed = pixels + alpha[..., None] * (color - pixels)
        np.clip(mixed, 0, 255, out=mixed)
        pixels[:] = (mixed + 0.5).astype(np.uint8)

    def _shift(self, patch: Patch, levels: np.ndarray) -> None:
        """Brighten or darken by signed levels, (rows, columns) float32, touching only the pixels that change."""
        rows, columns = np.nonzero(np.abs(levels) > 0.5)
        pixels = patch.view(self.rgb)
        changed = pixels[rows, columns] + levels[rows, columns][:, None]
        pixels[rows, columns] = np.clip(changed, 0, 255).astype(np.uint8)

    def _mix(self, patch: Patch, mask: np.ndarray, color: np.ndarray, opacity: float) -> None:
        """Mix a color in through a mask, touching only its nonzero pixels."""
        rows, columns = np.nonzero(mask)
        alpha = mask[rows, columns].astype(np.float32)[:, None] * np.float32(opacity / 255)
        pixels = patch.view(self.rgb)
        previous = pixels[rows, columns].astype(np.float32)
        pixels[rows, columns] = np.clip(previous + alpha * (color - previous), 0, 255).astype(np.uint8)

    def _paint_scratch(self, defect: Defect) -> None:
        """Paint a hairline without varnish: paler than the print, interrupted at shallow spots."""
        patch = line_mask(np.array(defect.points_mm), defect.width_mm, self.grid)
        if patch is not None:
            shallow = random_window(self.random, grain_tile("paper"), *patch.mask.shape)
            mask = cv2.multiply(patch.mask, shallow, scale=1 / 170)
            pale = np.array([225, 225, 222], np.float32)
            self._mix(patch, mask, pale, 0.25 + 0.45 * defect.strength)

    def _paint_print_line(self, defect: Defect) -> None:
        """Paint a line left by the press: too little or too much ink, even along its length."""
        patch = line_mask(np.array(defect.points_mm), defect.width_mm, self.grid)
        if patch is not None:
            tints = np.array([(235, 235, 235), (60, 150, 190), (200, 70, 130), (30, 30, 30)], np.float32)
            self._mix(patch, patch.mask, tints[self.random.integers(4)], 0.6 * defect.strength)

    def _paint_ink(self, defect: Defect) -> None:
        patch = line_mask(np.array(defect.points_mm), defect.width_mm, self.grid)
        if patch is not None:
            ink = np.array(INK_COLORS[self.random.integers(len(INK_COLORS))], np.float32)
            self._mix(patch, patch.mask, ink, defect.strength)

    def _paint_crease(self, defect: Defect) -> None:
        """Paint a fold: one flank lit, one in shade, and a print broken along the ridge."""
        self._paint_fold(np.array(defect.points_mm), defect.width_mm, defect.strength)

    def _paint_fold(self, line: np.ndarray, width_mm: float, strength: float) -> None:
        direction = np.gradient(line, axis=0)
        normal = np.column_stack([-direction[:, 1], direction[:, 0]])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        lit_sign = np.sign(float((normal @ LIGHT_DIRECTION).mean()) or 1.0) * self.relief
        # A fold is deepest near its middle and fades at its ends.
        position = (np.arange(len(line) - 1) + 0.5) / (len(line) - 1)
        pressure = np.minimum(1.0, 5 * np.minimum(position, 1 - position) + 0.15) * self.random.uniform(
            0.55, 1.0, len(position)
        )
        spread = max(0.7, 0.32 * width_mm * self.grid.px_per_mm)
        for sign in (1.0, -1.0):
            flank = line + normal * (0.45 * width_mm * lit_sign * sign)
            patch = line_mask(flank, 0.8 * width_mm, self.grid, pressure=pressure, margin_px=14)
            if patch is not None:
                soft = cv2.GaussianBlur(patch.mask, (0, 0), spread).astype(np.float32)
                self._shift(patch, soft * np.float32(sign * (0.1 + 0.2 * strength)))
        # The print cracks where the fold is sharp, never along its whole length.
        crack_pressure = pressure * np.clip(self.random.normal(0.2 + 0.6 * strength, 0.35, len(position)), 0, 1)
        ridge = line_mask(line, 0.12 + 0.1 * strength, self.grid, pressure=crack_pressure)
        if ridge is not None:
            rough = random_window(self.random, grain_tile("paper"), *ridge.mask.shape)
            self._mix(ridge, cv2.multiply(ridge.mask, rough, scale=1 / 150), self.stock, 0.4 + 0.5 * strength)

    def _paint_bend(self, defect: Defect) -> None:
        """Paint a corner that was folded and flattened: the fold line, and a corner at another angle to the light."""
        line = np.array(defect.points_mm)
        corner = defect.corner or 0
        vertex = CardRim(self.grid.size, (0.0,) * 4).vertex(corner)
        patch = polygon_mask(np.array([line[0], vertex, line[1]]), self.grid)
        if patch is not None:
            alignment = float((BACKWARD[corner] + FORWARD[corner]) @ LIGHT_DIRECTION)
            tone = 9.0 * defect.strength * self.relief * np.sign(alignment)
            self._shift(patch, patch.mask.astype(np.float32) * np.float32(tone / 255))
        self._paint_fold(np.linspace(line[0], line[1], 12), defect.width_mm, 0.8 * defect.strength)

    def _paint_dimple(self, defect: Defect) -> None:
        """Paint a dent: dark on the side towards the light, bright on the opposite side, fading to its rim."""
        patch = polygon_mask(np.array(defect.points_mm), self.grid, margin_px=6)
        if patch is not None:
            radius = float(np.sqrt(defect.area_mm2 / np.pi)) * self.grid.px_per_mm
            bowl = cv2.GaussianBlur(patch.mask.astype(np.float32), (0, 0), max(0.8, radius * 0.35))
            slope_x = cv2.Sobel(bowl, cv2.CV_32F, 1, 0, ksize=3)
            slope_y = cv2.Sobel(bowl, cv2.CV_32F, 0, 1, ksize=3)
            slope = slope_x * LIGHT_DIRECTION[0] + slope_y * LIGHT_DIRECTION[1]
            steepest = max(float(np.abs(slope).max()), 1e-6)
            self._shift(patch, slope * np.float32(-24 * defect.strength / steepest))

    def _paint_stain(self, defect: Defect) -> None:
        """Paint a stain: a tint, darker towards the rim, which dries last."""
        patch = polygon_mask(np.array(defect.points_mm), self.grid, margin_px=4)
        if patch is None:
            return
        soft = cv2.GaussianBlur(patch.mask, (0, 0), 1.6)
        inner = cv2.GaussianBlur(patch.mask, (0, 0), max(2.0, float(np.sqrt(defect.area_mm2)) * 1.2))
        depth = soft.astype(np.float32) * (1.25 - inner.astype(np.float32) / 400) * np.float32(defect.strength / 255)
        tint = np.array(STAIN_TINTS[self.random.integers(len(STAIN_TINTS))], np.float32)
        pixels = patch.view(self.rgb)
        pixels[:] = np.clip(pixels * (1 - depth[..., None] * (1 - tint)), 0, 255).astype(np.uint8)

    def _paint_gloss_loss(self, defect: Defect) -> None:
        """Paint rubbed-off varnish: the print fades towards grey and shows the paper's grain."""
        reach = max(3, round(5 * self.grid.px_per_mm)) | 1
        patch = polygon_mask(np.array(defect.points_mm), self.grid, margin_px=reach)
        if patch is None:
            return
        pixels = patch.view(self.rgb)
        haze = 0.10 + 0.16 * defect.strength
        scuffs = cv2.cvtColor(random_window(self.random, grain_tile("fibre"), *patch.mask.shape), cv2.COLOR_GRAY2BGR)
        rough = 0.12 * defect.strength
        dull = cv2.addWeighted(pixels, 1 - haze, scuffs, rough, 176 * haze - TILE_MEAN * rough)
        weight = cv2.blur(cv2.blur(patch.mask, (reach, reach)), (reach, reach)).astype(np.float32) / 255
        pixels[:] = cv2.blendLinear(dull, pixels, weight, 1 - weight)


def paint_wear(
    random: Generator,
    rgb: np.ndarray,
    wear: SideWear,
    grid: Grid,
    *,
    stock: tuple[int, int, int],
    side: SideName,
) -> None:
    """Paint a side's wear onto its print, (H, W, 3) uint8 of the grid's size, in place; missing parts stay printed."""
    Painter(random, rgb, grid, stock, side).paint(wear.defects)


def uncovered_patches(rim: CardRim, grid: Grid) -> list[Patch]:
    """Parts of the card's rectangle that the card does not cover: beyond its four corners, and missing pieces."""
    outlines = [rim.lost_corner(corner) for corner in range(4)]
    unbitten_rim = CardRim(rim.size, rim.radii_mm)
    outlines += [unbitten_rim.edge_strip(edge, bite.along_mm, bite.depth_mm) for edge, bite in rim.bites]
    return [patch for outline in outlines if (patch := polygon_mask(outline, grid)) is not None]
