"""Noise that cards and cameras need: smooth fields drawn coarse and enlarged, and fixed tiles of grain."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.random import Generator, default_rng

TILE = 2048
DEVIATION = 32  # of a tile, in levels
GREY = 128  # a tile's mean: what is above brightens, what is below darkens


def smooth(random: Generator, height: int, width: int, cells: int, *, octaves: int = 3) -> np.ndarray:
    """A smooth field, (height, width) float32 in about 0 .. 1, with `cells` swells across and ever finer ones."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across = cells * 2**octave
        down = max(2, round(across * height / width))
        coarse = random.random((down + 1, across + 1), dtype=np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.5 ** (octave + 1))
    return total / np.float32(1 - 0.5**octaves)


@cache
def grain(kind: str) -> np.ndarray:
    """A (2048, 2048) uint8 tile around 128, the same in every process: "white", "paper", "fibre" or "dots".

    Take a window anywhere in it.
    """
    random = default_rng([20, *kind.encode()])
    if kind == "dots":
        return _halftone()
    white = random.normal(0, 1, (TILE, TILE)).astype(np.float32)
    field: np.ndarray = white
    if kind == "paper":
        field = cv2.GaussianBlur(white, (0, 0), 1.1)
    elif kind == "fibre":
        field = cv2.GaussianBlur(white, (0, 0), sigmaX=2.2, sigmaY=0.6) + cv2.GaussianBlur(white.T, (0, 0), 0.8)
    scaled = field * (DEVIATION / float(field.std())) + GREY
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _halftone() -> np.ndarray:
    """A screen of dots at 45 degrees, 3.4 pixels apart: the rosettes of an offset press, one colour's worth."""
    y, x = np.mgrid[:TILE, :TILE].astype(np.float32)
    pitch = 2 * np.pi / 4.8
    wave = np.cos((x + y) * np.float32(pitch / 1.4142)) + np.cos((x - y) * np.float32(pitch / 1.4142))
    return np.clip(GREY + DEVIATION * wave, 0, 255).astype(np.uint8)


def window(random: Generator, tile: np.ndarray, height: int, width: int) -> np.ndarray:
    """A view of (height, width) anywhere in a tile; a picture larger than the tile gets it mirrored on."""
    if height > tile.shape[0] or width > tile.shape[1]:
        missing = ((0, max(0, height - tile.shape[0])), (0, max(0, width - tile.shape[1])))
        tile = np.pad(tile, missing, mode="symmetric")
    top = int(random.integers(0, tile.shape[0] - height + 1))
    left = int(random.integers(0, tile.shape[1] - width + 1))
    return tile[top : top + height, left : left + width]


def add_grain(random: Generator, rgb: np.ndarray, kind: str, deviation: float) -> None:
    """Add grain of that standard deviation in levels to a (H, W, 3) uint8 picture, in place, to all channels alike."""
    tile = cv2.cvtColor(window(random, grain(kind), *rgb.shape[:2]), cv2.COLOR_GRAY2BGR)
    cv2.addWeighted(rgb, 1.0, tile, deviation / DEVIATION, -GREY * deviation / DEVIATION, dst=rgb)
