"""Holographic foil: a pattern in rainbow colours that comes and goes with the angle of the light, and is no damage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.noise import smooth
from engine.simulate.print.sheet import Box, Sheet

COARSER = 2  # the pattern is drawn at half the resolution; foil's own grain is added when it is lit


def draw_foil(random: Generator, sheet: Sheet, window: Box) -> np.ndarray:
    """What the foil behind a window adds when lit, (H, W, 3) uint8 of the sheet's size; black elsewhere."""
    shine = np.zeros_like(sheet.rgb)
    whole = sheet.frame_mm((0.0, 0.0, sheet.grid.size.width_mm, sheet.grid.size.height_mm))[0]
    rows, columns = sheet.window(whole if random.random() < 0.25 else window)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    small = (max(2, height // COARSER), max(2, width // COARSER))
    pattern = (_stars, _bars, _cracked, _dots)[random.integers(4)](random, *small)
    y, x = np.mgrid[0 : small[0], 0 : small[1]].astype(np.float32)
    lean = float(random.uniform(-1.5, 1.5))
    hue = (x + lean * y) * np.float32(180 * random.uniform(1.0, 2.5) / small[1]) + 40 * smooth(random, *small, 3)
    rainbow = np.empty((*small, 3), np.uint8)
    rainbow[..., 0] = hue % 180
    rainbow[..., 1] = 150
    rainbow[..., 2] = pattern
    lit = cv2.resize(cv2.cvtColor(rainbow, cv2.COLOR_HSV2RGB), (width, height), interpolation=cv2.INTER_LINEAR)
    shine[rows, columns] = lit
    return shine


def light_up(random: Generator, rgb: np.ndarray, shine: np.ndarray, strength: float) -> None:
    """Add foil as the light of one picture finds it, in place: its colours turned round, brighter on one side."""
    order = [(0, 1, 2), (1, 2, 0), (2, 0, 1)][random.integers(3)]
    coarse = (smooth(random, 24, 18, 2, octaves=2) * np.float32(255 * 1.3)).clip(0, 255).astype(np.uint8)
    band = cv2.resize(coarse, shine.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    lit = cv2.multiply(shine[..., list(order)], cv2.cvtColor(band, cv2.COLOR_GRAY2BGR), scale=strength / 255)
    cv2.add(rgb, lit, dst=rgb)


def _stars(random: Generator, height: int, width: int) -> np.ndarray:
    """Cosmos: rings and glints of many sizes."""
    field = np.full((height, width), 36, np.uint8)
    for _ in range(110):
        at = (int(random.integers(width)), int(random.integers(height)))
        radius = int(random.uniform(1, 11))
        if random.random() < 0.5:
            cv2.circle(field, at, radius, int(random.integers(90, 200)), 1, cv2.LINE_AA)
        else:
            for reach in ((radius, 0), (0, radius)):
                ends = (at[0] - reach[0], at[1] - reach[1]), (at[0] + reach[0], at[1] + reach[1])
                cv2.line(field, *ends, int(random.integers(120, 220)), 1, cv2.LINE_AA)
    return field


def _bars(random: Generator, height: int, width: int) -> np.ndarray:
    """Refractor: fine slanting lines."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pitch = float(random.uniform(5, 14))
    wave = np.sin((x + y * float(random.uniform(-1, 1))) * np.float32(2 * np.pi / pitch))
    return (80 + 60 * wave).astype(np.uint8)


def _cracked(random: Generator, height: int, width: int) -> np.ndarray:
    """Cracked ice: flat shards, each at its own angle."""
    seeds = random.random((70, 2)) * (width, height)
    plan = cv2.Subdiv2D((-1, -1, width + 2, height + 2))
    for x, y in seeds:
        plan.insert((float(x), float(y)))
    field = np.zeros((height, width), np.uint8)
    for shard in plan.getVoronoiFacetList([])[0]:
        cv2.fillConvexPoly(field, np.asarray(shard, np.int32), int(random.integers(20, 150)), cv2.LINE_AA)
    return field


def _dots(random: Generator, height: int, width: int) -> np.ndarray:
    """A grid of small dots."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pitch = np.float32(2 * np.pi / random.uniform(7, 12))
    return np.clip(40 + 150 * (np.cos(x * pitch) * np.cos(y * pitch)), 0, 255).astype(np.uint8)
