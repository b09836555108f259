"""Noise for cards and cameras: smooth random fields, and fixed tiles of grain."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.random import Generator, default_rng

TILE_SIZE = 2048
TILE_DEVIATION = 32  # standard deviation of a tile, in levels
TILE_MEAN = 128  # higher levels brighten, lower levels darken


def smooth_noise(random: Generator, height: int, width: int, cells: int, *, octaves: int = 3) -> np.ndarray:
    """Smooth random field, (height, width) float32 in about 0 .. 1; its coarsest octave has `cells` cells across."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across = cells * 2**octave
        down = max(2, round(across * height / width))
        coarse = random.random((down + 1, across + 1), dtype=np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.5 ** (octave + 1))
    return total / np.float32(1 - 0.5**octaves)


@cache
def grain_tile(kind: str) -> np.ndarray:
    """Tile of grain, (2048, 2048) uint8 around 128, the same in every process: "white", "paper", "fibre" or "dots".

    Use a random window of it.
    """
    random = default_rng([20, *kind.encode()])
    if kind == "dots":
        return _halftone()
    white = random.normal(0, 1, (TILE_SIZE, TILE_SIZE)).astype(np.float32)
    field: np.ndarray = white
    if kind == "paper":
        field = cv2.GaussianBlur(white, (0, 0), 1.1)
    elif kind == "fibre":
        field = cv2.GaussianBlur(white, (0, 0), sigmaX=2.2, sigmaY=0.6) + cv2.GaussianBlur(white.T, (0, 0), 0.8)
    scaled = field * (TILE_DEVIATION / float(field.std())) + TILE_MEAN
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _halftone() -> np.ndarray:
    """Halftone screen of an offset press, for one ink: dots at 45 degrees, 3.4 pixels apart."""
    y, x = np.mgrid[:TILE_SIZE, :TILE_SIZE].astype(np.float32)
    pitch = 2 * np.pi / 4.8
    wave = np.cos((x + y) * np.float32(pitch / 1.4142)) + np.cos((x - y) * np.float32(pitch / 1.4142))
    return np.clip(TILE_MEAN + TILE_DEVIATION * wave, 0, 255).astype(np.uint8)


def random_window(random: Generator, tile: np.ndarray, height: int, width: int) -> np.ndarray:
    """View of a random (height, width) window of a tile, which is extended by reflection if it is too small."""
    if height > tile.shape[0] or width > tile.shape[1]:
        missing = ((0, max(0, height - tile.shape[0])), (0, max(0, width - tile.shape[1])))
        tile = np.pad(tile, missing, mode="symmetric")
    top = int(random.integers(0, tile.shape[0] - height + 1))
    left = int(random.integers(0, tile.shape[1] - width + 1))
    return tile[top : top + height, left : left + width]


def add_grain(random: Generator, rgb: np.ndarray, kind: str, deviation: float) -> None:
    """Add grain, the same in all channels, of a standard deviation in levels to a (H, W, 3) uint8 picture, in place."""
    tile = cv2.cvtColor(random_window(random, grain_tile(kind), *rgb.shape[:2]), cv2.COLOR_GRAY2BGR)
    cv2.addWeighted(rgb, 1.0, tile, deviation / TILE_DEVIATION, -TILE_MEAN * deviation / TILE_DEVIATION, dst=rgb)
