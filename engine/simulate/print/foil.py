"""Holographic foil: a rainbow pattern that changes with the angle of the light, and must not be taken for damage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.noise import smooth_noise
from engine.simulate.print.sheet import Box, Sheet

DOWNSAMPLING = 2  # the pattern is drawn at half the resolution


def draw_foil_shine(random: Generator, sheet: Sheet, window: Box) -> np.ndarray:
    """Draw the light that foil behind a window adds, (H, W, 3) uint8 of the sheet's size; black elsewhere."""
    shine = np.zeros_like(sheet.rgb)
    card_box = sheet.snap_to_pixels((0.0, 0.0, sheet.grid.size.width_mm, sheet.grid.size.height_mm))[0]
    rows, columns = sheet.window(card_box if random.random() < 0.25 else window)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    small = (max(2, height // DOWNSAMPLING), max(2, width // DOWNSAMPLING))
    pattern = (_stars, _bars, _cracked, _dots)[random.integers(4)](random, *small)
    y, x = np.mgrid[0 : small[0], 0 : small[1]].astype(np.float32)
    lean = float(random.uniform(-1.5, 1.5))
    hue = (x + lean * y) * np.float32(180 * random.uniform(1.0, 2.5) / small[1]) + 40 * smooth_noise(random, *small, 3)
    rainbow = np.empty((*small, 3), np.uint8)
    rainbow[..., 0] = hue % 180
    rainbow[..., 1] = 150
    rainbow[..., 2] = pattern
    foil = cv2.resize(cv2.cvtColor(rainbow, cv2.COLOR_HSV2RGB), (width, height), interpolation=cv2.INTER_LINEAR)
    shine[rows, columns] = foil
    return shine


def add_foil_shine(random: Generator, rgb: np.ndarray, shine: np.ndarray, strength: float) -> None:
    """Add foil under one picture's light, in place: its colors permuted, its brightness uneven."""
    order = [(0, 1, 2), (1, 2, 0), (2, 0, 1)][random.integers(3)]
    coarse = (smooth_noise(random, 24, 18, 2, octaves=2) * np.float32(255 * 1.3)).clip(0, 255).astype(np.uint8)
    band = cv2.resize(coarse, shine.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    foil = cv2.multiply(shine[..., list(order)], cv2.cvtColor(band, cv2.COLOR_GRAY2BGR), scale=strength / 255)
    cv2.add(rgb, foil, dst=rgb)


def _stars(random: Generator, height: int, width: int) -> np.ndarray:
    """Cosmos pattern: rings and glints of many sizes."""
    field = np.full((height, width), 36, np.uint8)
    for _ in range(110):
        centre = (int(random.integers(width)), int(random.integers(height)))
        radius = int(random.uniform(1, 11))
        if random.random() < 0.5:
            cv2.circle(field, centre, radius, int(random.integers(90, 200)), 1, cv2.LINE_AA)
        else:
            for arm in ((radius, 0), (0, radius)):
                ends = (centre[0] - arm[0], centre[1] - arm[1]), (centre[0] + arm[0], centre[1] + arm[1])
                cv2.line(field, *ends, int(random.integers(120, 220)), 1, cv2.LINE_AA)
    return field


def _bars(random: Generator, height: int, width: int) -> np.ndarray:
    """Refractor pattern: fine slanting lines."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pitch = float(random.uniform(5, 14))
    wave = np.sin((x + y * float(random.uniform(-1, 1))) * np.float32(2 * np.pi / pitch))
    return (80 + 60 * wave).astype(np.uint8)


def _cracked(random: Generator, height: int, width: int) -> np.ndarray:
    """Cracked-ice pattern: flat shards of different brightness."""
    seeds = random.random((70, 2)) * (width, height)
    subdivision = cv2.Subdiv2D((-1, -1, width + 2, height + 2))
    for x, y in seeds:
        subdivision.insert((float(x), float(y)))
    field = np.zeros((height, width), np.uint8)
    for shard in subdivision.getVoronoiFacetList([])[0]:
        cv2.fillConvexPoly(field, np.asarray(shard, np.int32), int(random.integers(20, 150)), cv2.LINE_AA)
    return field


def _dots(random: Generator, height: int, width: int) -> np.ndarray:
    """A grid of small dots."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pitch = np.float32(2 * np.pi / random.uniform(7, 12))
    return np.clip(40 + 150 * (np.cos(x * pitch) * np.cos(y * pitch)), 0, 255).astype(np.uint8)
