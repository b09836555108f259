"""Backgrounds: tables, mats, cloth and paper for photos, lid colors for scans."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.noise import add_grain, smooth_noise
from engine.simulate.print.pictures import draw_picture

TABLE_SIZE = (560, 480)  # height and width of a drawn table
CARD_PX_PER_TABLE_PX = 5.0  # the table is drawn at a fifth of the card's resolution


def draw_table(random: Generator, color: np.ndarray | None = None) -> np.ndarray:
    """Draw a table top, (560, 480, 3) uint8, one pixel per five of the card's; it can be continued by reflection.

    color  (3,) of an even table, any table if None
    """
    draw_functions = (_plain, _wood, _wood, _felt, _stone, _ruled, _mat, _printed)
    draw = draw_functions[random.integers(len(draw_functions))]
    table = draw(random) if color is None else _plain(random, color)
    add_grain(random, table, "white", float(random.uniform(1, 4)))
    return table


def draw_lid_color(random: Generator) -> tuple[int, int, int]:
    """Draw the color around a card in a scan: a white lid, a dark one, or a colored sheet."""
    kind = random.random()
    level = int(random.integers(225, 253) if kind < 0.5 else random.integers(4, 34))
    if kind > 0.88:
        red, green, blue = random.integers(20, 200, 3).tolist()
        return red, green, blue
    return level, level, level


def _draw_color(random: Generator) -> np.ndarray:
    bright = float(random.uniform(25, 225))
    return np.clip(bright + random.normal(0, 22, 3), 5, 250).astype(np.float32)


def _plain(random: Generator, color: np.ndarray | None = None) -> np.ndarray:
    field = smooth_noise(random, *TABLE_SIZE, 2, octaves=2)[..., None] - 0.5
    return np.clip((_draw_color(random) if color is None else color) + 14 * field, 0, 255).astype(np.uint8)


def _wood(random: Generator) -> np.ndarray:
    """Boards with wood grain."""
    height, width = TABLE_SIZE
    tone = np.array([(150, 104, 66), (98, 62, 40), (196, 160, 118), (70, 52, 44)][random.integers(4)], np.float32)
    along = random.normal(0, 1, (height, 6)).astype(np.float32)
    broad = random.normal(0, 0.8, (height // 6, 3)).astype(np.float32)
    grain = cv2.resize(along, (width, height), interpolation=cv2.INTER_CUBIC) + cv2.resize(broad, (width, height))
    wood = tone * (1 + 0.09 * grain[..., None])
    for seam in range(int(random.integers(20, 120)), height, int(random.integers(110, 240))):
        wood[seam : seam + 2] *= 0.45
    wood = np.clip(wood, 0, 255).astype(np.uint8)
    return wood if random.random() < 0.5 else np.ascontiguousarray(cv2.resize(np.rot90(wood), (width, height)))


def _felt(random: Generator) -> np.ndarray:
    cloth = np.full((*TABLE_SIZE, 3), _draw_color(random) * 0.7, np.float32)
    weave = random.normal(0, 11, TABLE_SIZE).astype(np.float32)
    return np.clip(cloth + weave[..., None], 0, 255).astype(np.uint8)


def _stone(random: Generator) -> np.ndarray:
    speckle = smooth_noise(random, *TABLE_SIZE, 60, octaves=2)[..., None] - 0.5
    return np.clip(_draw_color(random) + 150 * speckle, 0, 255).astype(np.uint8)


def _ruled(random: Generator) -> np.ndarray:
    """Squared or lined paper, or a cutting mat."""
    dark = random.random() < 0.4
    paper = np.full((*TABLE_SIZE, 3), (36, 70, 62) if dark else (236, 236, 230), np.uint8)
    ink = (150, 170, 120) if dark else (150, 180, 214)
    pitch = int(random.integers(12, 26))
    paper[::pitch] = ink
    if random.random() < 0.7:
        paper[:, ::pitch] = ink
    return paper


def _mat(random: Generator) -> np.ndarray:
    """A playing mat: a picture printed on rubber."""
    return cv2.GaussianBlur(draw_picture(random, *TABLE_SIZE), (0, 0), 1.5)


def _printed(random: Generator) -> np.ndarray:
    """A cloth with a repeating print."""
    background, ink = _draw_color(random), _draw_color(random)
    cloth = np.full((*TABLE_SIZE, 3), background, np.uint8)
    pitch = int(random.integers(40, 90))
    for row, y in enumerate(range(0, TABLE_SIZE[0] + pitch, pitch)):
        for x in range((row % 2) * pitch // 2, TABLE_SIZE[1] + pitch, pitch):
            cv2.circle(cloth, (x, y), pitch // 5, ink.tolist(), -1, cv2.LINE_AA)
    return cloth
