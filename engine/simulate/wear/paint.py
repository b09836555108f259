"""Wear painted onto a side's print, in place, at the card's own resolution; only where there is wear."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.games import Grid
from engine.simulate.print.noise import GREY, grain, window
from engine.simulate.wear.masks import Patch, drawn, filled
from engine.simulate.wear.rim import BACKWARD, FORWARD, Rim
from engine.simulate.wear.truth import Defect, DefectKind, SideName, SideWear

INKS = ((28, 42, 120), (24, 24, 28), (120, 24, 30))
STAINS = ((0.80, 0.68, 0.46), (0.88, 0.80, 0.62), (0.72, 0.62, 0.5))
LIGHT = np.array([-0.6, -0.8])  # where the light that shows relief comes from, x and y


class Painter:
    """One side's print being worn down; `rgb` (H, W, 3) uint8 is changed in place."""

    def __init__(
        self, random: Generator, rgb: np.ndarray, grid: Grid, stock: tuple[int, int, int], side: SideName
    ) -> None:
        self.random = random
        self.rgb = rgb
        self.grid = grid
        self.stock = np.array(stock, np.float32)
        # What is a ridge on the front is a valley on the back: its lit and its dark flank change places.
        self.relief = 1.0 if side == "front" else -1.0

    def paint(self, defects: list[Defect]) -> None:
        """Each defect in the order given."""
        ways: dict[DefectKind, Callable[[Defect], None]] = {
            "gloss_loss": self._gloss,
            "stain": self._stain,
            "print_line": self._print_line,
            "scratch": self._scratch,
            "dimple": self._dimple,
            "ink": self._ink,
            "crease": self._crease,
            "corner_bend": self._bend,
            "edge_whitening": self._bare,
            "edge_chip": self._bare,
            "corner_whitening": self._bare,
            "corner_fray": self._bare,
        }
        for defect in defects:
            if defect.kind in ways:
                ways[defect.kind](defect)

    def _bare(self, defect: Defect) -> None:
        """Stock laid bare: the paper's own colour and fibres, the print clinging on here and there."""
        patch = filled(np.array(defect.points_mm), self.grid)
        if patch is None:
            return
        fibres = window(self.random, grain("fibre"), *patch.mask.shape).astype(np.float32) - GREY
        clinging = window(self.random, grain("paper"), *patch.mask.shape).astype(np.float32) - GREY
        alpha = patch.mask.astype(np.float32) * np.clip(defect.strength + clinging / 200, 0.15, 1) / 255
        paper = self.stock * 0.97 + fibres[..., None] * 0.4
        self._blend(patch, paper, alpha)

    def _blend(self, patch: Patch, colour: np.ndarray, alpha: np.ndarray) -> None:
        under = patch.of(self.rgb)
        mixed = under + alpha[..., None] * (colour - under)
        np.clip(mixed, 0, 255, out=mixed)
        under[:] = (mixed + 0.5).astype(np.uint8)

    def _shift(self, patch: Patch, levels: np.ndarray) -> None:
        """Brighten or darken by signed levels, (rows, columns) float32, touching only the pixels that change."""
        rows, columns = np.nonzero(np.abs(levels) > 0.5)
        under = patch.of(self.rgb)
        changed = under[rows, columns] + levels[rows, columns][:, None]
        under[rows, columns] = np.clip(changed, 0, 255).astype(np.uint8)

    def _towards(self, patch: Patch, mask: np.ndarray, colour: np.ndarray, opacity: float) -> None:
        """Mix a colour in where the mask is set, touching only those pixels."""
        rows, columns = np.nonzero(mask)
        alpha = mask[rows, columns].astype(np.float32)[:, None] * np.float32(opacity / 255)
        under = patch.of(self.rgb)
        before = under[rows, columns].astype(np.float32)
        under[rows, columns] = np.clip(before + alpha * (colour - before), 0, 255).astype(np.uint8)

    def _scratch(self, defect: Defect) -> None:
        """A hairline that has lost its varnish: paler than the print, broken where it was shallow."""
        patch = drawn(np.array(defect.points_mm), defect.width_mm, self.grid)
        if patch is not None:
            shallow = window(self.random, grain("paper"), *patch.mask.shape)
            mask = cv2.multiply(patch.mask, shallow, scale=1 / 170)
            pale = np.array([225, 225, 222], np.float32)
            self._towards(patch, mask, pale, 0.25 + 0.45 * defect.strength)

    def _print_line(self, defect: Defect) -> None:
        """A line the press left: ink missing or too much of it, even along its whole length."""
        patch = drawn(np.array(defect.points_mm), defect.width_mm, self.grid)
        if patch is not None:
            tints = np.array([(235, 235, 235), (60, 150, 190), (200, 70, 130), (30, 30, 30)], np.float32)
            self._towards(patch, patch.mask, tints[self.random.integers(4)], 0.6 * defect.strength)

    def _ink(self, defect: Defect) -> None:
        patch = drawn(np.array(defect.points_mm), defect.width_mm, self.grid)
        if patch is not None:
            ink = np.array(INKS[self.random.integers(len(INKS))], np.float32)
            self._towards(patch, patch.mask, ink, defect.strength)

    def _crease(self, defect: Defect) -> None:
        """A fold: one flank catches the light, the other lies in shade, and the print breaks along the ridge."""
        self._fold(np.array(defect.points_mm), defect.width_mm, defect.strength)

    def _fold(self, line: np.ndarray, width_mm: float, strength: float) -> None:
        along = np.gradient(line, axis=0)
        across = np.column_stack([-along[:, 1], along[:, 0]])
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
        facing = np.sign(float((across @ LIGHT).mean()) or 1.0) * self.relief
        # A fold is deepest somewhere in its middle and runs out at its ends.
        at = (np.arange(len(line) - 1) + 0.5) / (len(line) - 1)
        pressure = np.minimum(1.0, 5 * np.minimum(at, 1 - at) + 0.15) * self.random.uniform(0.55, 1.0, len(at))
        spread = max(0.7, 0.32 * width_mm * self.grid.px_per_mm)
        for sign in (1.0, -1.0):
            flank = line + across * (0.45 * width_mm * facing * sign)
            patch = drawn(flank, 0.8 * width_mm, self.grid, pressure=pressure, margin_px=14)
            if patch is not None:
                soft = cv2.GaussianBlur(patch.mask, (0, 0), spread).astype(np.float32)
                self._shift(patch, soft * np.float32(sign * (0.1 + 0.2 * strength)))
        # Where the fold is sharp the print cracks open, never along all of it.
        cracked = pressure * np.clip(self.random.normal(0.2 + 0.6 * strength, 0.35, len(at)), 0, 1)
        ridge = drawn(line, 0.12 + 0.1 * strength, self.grid, pressure=cracked)
        if ridge is not None:
            rough = window(self.random, grain("paper"), *ridge.mask.shape)
            self._towards(ridge, cv2.multiply(ridge.mask, rough, scale=1 / 150), self.stock, 0.4 + 0.5 * strength)

    def _bend(self, defect: Defect) -> None:
        """A corner that was folded and pressed flat again: its line, and a corner that lies at another angle."""
        line = np.array(defect.points_mm)
        corner = defect.corner or 0
        vertex = Rim(self.grid.size, (0.0,) * 4).vertex(corner)
        patch = filled(np.array([line[0], vertex, line[1]]), self.grid)
        if patch is not None:
            out = float((BACKWARD[corner] + FORWARD[corner]) @ LIGHT)
            tone = 9.0 * defect.strength * self.relief * np.sign(out)
            self._shift(patch, patch.mask.astype(np.float32) * np.float32(tone / 255))
        self._fold(np.linspace(line[0], line[1], 12), defect.width_mm, 0.8 * defect.strength)

    def _dimple(self, defect: Defect) -> None:
        """A dent: shaded on the side towards the light, lit on the other, fading to its rim."""
        patch = filled(np.array(defect.points_mm), self.grid, margin_px=6)
        if patch is not None:
            radius = float(np.sqrt(defect.area_mm2 / np.pi)) * self.grid.px_per_mm
            bowl = cv2.GaussianBlur(patch.mask.astype(np.float32), (0, 0), max(0.8, radius * 0.35))
            slope_x = cv2.Sobel(bowl, cv2.CV_32F, 1, 0, ksize=3)
            slope_y = cv2.Sobel(bowl, cv2.CV_32F, 0, 1, ksize=3)
            slope = slope_x * LIGHT[0] + slope_y * LIGHT[1]
            steepest = max(float(np.abs(slope).max()), 1e-6)
            self._shift(patch, slope * np.float32(-24 * defect.strength / steepest))

    def _stain(self, defect: Defect) -> None:
        """What soaked in and dried: a tint, darker towards the rim where it dried last."""
        patch = filled(np.array(defect.points_mm), self.grid, margin_px=4)
        if patch is None:
            return
        soft = cv2.GaussianBlur(patch.mask, (0, 0), 1.6)
        inner = cv2.GaussianBlur(patch.mask, (0, 0), max(2.0, float(np.sqrt(defect.area_mm2)) * 1.2))
        depth = soft.astype(np.float32) * (1.25 - inner.astype(np.float32) / 400) * np.float32(defect.strength / 255)
        tint = np.array(STAINS[self.random.integers(len(STAINS))], np.float32)
        under = patch.of(self.rgb)
        under[:] = np.clip(under * (1 - depth[..., None] * (1 - tint)), 0, 255).astype(np.uint8)

    def _gloss(self, defect: Defect) -> None:
        """Varnish rubbed off: the print pales towards grey and shows the paper's grain."""
        reach = max(3, round(5 * self.grid.px_per_mm)) | 1
        patch = filled(np.array(defect.points_mm), self.grid, margin_px=reach)
        if patch is None:
            return
        under = patch.of(self.rgb)
        haze = 0.10 + 0.16 * defect.strength
        scuffs = cv2.cvtColor(window(self.random, grain("fibre"), *patch.mask.shape), cv2.COLOR_GRAY2BGR)
        rough = 0.12 * defect.strength
        dull = cv2.addWeighted(under, 1 - haze, scuffs, rough, 176 * haze - GREY * rough)
        weight = cv2.blur(cv2.blur(patch.mask, (reach, reach)), (reach, reach)).astype(np.float32) / 255
        under[:] = cv2.blendLinear(dull, under, weight, 1 - weight)


def wear_down(
    random: Generator,
    rgb: np.ndarray,
    wear: SideWear,
    grid: Grid,
    *,
    stock: tuple[int, int, int],
    side: SideName,
) -> None:
    """Paint a side's wear onto its print, (H, W, 3) uint8 of the grid's size, in place; what is cut off stays."""
    Painter(random, rgb, grid, stock, side).paint(wear.defects)


def outside(rim: Rim, grid: Grid) -> list[Patch]:
    """What the card does not cover of its own rectangle: its four corners, and pieces that are missing."""
    gone = [rim.corner_outside(corner) for corner in range(4)]
    intact = Rim(rim.size, rim.radii_mm)
    gone += [intact.edge_strip(edge, bite.along_mm, bite.depth_mm) for edge, bite in rim.bites]
    return [patch for outline in gone if (patch := filled(outline, grid)) is not None]
