"""Portraits of ballplayers, as on vintage cards."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.noise import add_grain, smooth_noise
from engine.simulate.print.pictures import Color, cv_color, draw_landscape, draw_palette, paint_relief, polygon_mask

SKIN_COLORS: tuple[Color, ...] = ((236, 196, 164), (214, 164, 126), (164, 112, 80), (110, 72, 52))


def draw_player(random: Generator, height: int, width: int) -> np.ndarray:
    """Draw a picture, (height, width, 3) uint8: a ballplayer in front of a plain background, a crowd or a landscape."""
    backgrounds: tuple[Callable[[Generator, int, int], np.ndarray], ...] = (
        _draw_wall,
        _draw_wall,
        _draw_stands,
        draw_landscape,
    )
    picture = backgrounds[random.integers(4)](random, height, width)
    skin = np.array(SKIN_COLORS[random.integers(4)], np.float32)
    team = draw_palette(random)[int(random.integers(1, 4))]
    shirt = np.array([228, 224, 212], np.float32) if random.random() < 0.6 else team * 1.2 + 20
    axis, unit = width * random.uniform(0.45, 0.55), height * random.uniform(0.15, 0.18)
    chin = height * random.uniform(0.52, 0.58)
    turn = float(random.normal(0, 0.12)) * unit
    trunk = np.array(
        [(-0.5, 0.2), (-1.1, 0.55), (-2.0, 1.0), (-2.5, 3.5), (2.5, 3.5), (2.0, 1.0), (1.1, 0.55), (0.5, 0.2)]
    )
    paint_relief(picture, polygon_mask(picture, trunk * unit + (axis, chin)), shirt, light=0.5)
    for stripe in np.arange(-2, 2.01, 0.33):
        line = (np.array([(stripe * 0.8, 0.7), (stripe, 3.4)]) * unit + (axis, chin)).astype(int)
        if 228 <= shirt[0] < 229 and abs(stripe) > 0.2:
            cv2.line(picture, line[0].tolist(), line[1].tolist(), cv_color(team), 1, cv2.LINE_AA)
    neck = np.array([(-0.42, -0.5), (-0.5, 0.35), (0.0, 0.75), (0.5, 0.35), (0.42, -0.5)]) * unit + (axis, chin)
    paint_relief(picture, polygon_mask(picture, neck), skin * 0.86, light=0.6)
    _draw_head(random, picture, (axis + turn, chin - 0.62 * unit), unit, (skin, team))
    add_grain(random, picture, "paper", float(random.uniform(2, 5)))
    return picture


def _draw_head(
    random: Generator,
    picture: np.ndarray,
    centre: tuple[float, float],
    unit: float,
    colors: tuple[np.ndarray, np.ndarray],
) -> None:
    """Draw face and cap: ears, eyes, brows, nose, mouth and bill."""
    skin, team = colors
    mask = np.zeros(picture.shape[:2], np.uint8)
    for side in (-1, 1):
        ear = (int(centre[0] + side * 0.78 * unit), int(centre[1] + 0.05 * unit))
        cv2.ellipse(mask, ear, (int(0.16 * unit), int(0.26 * unit)), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (int(centre[0]), int(centre[1])), (int(0.78 * unit), int(1.05 * unit)), 0, 0, 360, 255, -1)
    paint_relief(picture, mask, skin, light=0.55)
    look = float(random.normal(0, 0.06)) * unit
    shade = cv_color(skin * 0.45)
    for side in (-1, 1):
        eye = (int(centre[0] + look + side * 0.32 * unit), int(centre[1] - 0.05 * unit))
        cv2.ellipse(picture, eye, (int(0.14 * unit), int(0.07 * unit)), 0, 0, 360, (240, 236, 228), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, max(1, int(0.065 * unit)), (40, 28, 22), -1, cv2.LINE_AA)
        brow = (eye[0], eye[1] - int(0.08 * unit))
        cv2.ellipse(
            picture, brow, (int(0.19 * unit), int(0.1 * unit)), 0, 200, 340, shade, max(1, int(unit / 18)), cv2.LINE_AA
        )
    nose = np.array([(0.0, -0.02), (-0.13, 0.34), (0.06, 0.38)]) * unit + centre + (look, 0)
    cv2.polylines(picture, [nose.astype(np.int32)], False, cv_color(skin * 0.68), max(1, int(unit / 20)), cv2.LINE_AA)
    mouth = (int(centre[0] + look), int(centre[1] + 0.55 * unit))
    cv2.ellipse(
        picture,
        mouth,
        (int(0.26 * unit), int(0.1 * unit)),
        0,
        10,
        170,
        (130, 60, 56),
        max(1, int(unit / 14)),
        cv2.LINE_AA,
    )
    cap = np.zeros_like(mask)
    crown = (int(centre[0]), int(centre[1] - 0.5 * unit))
    cv2.ellipse(cap, crown, (int(0.82 * unit), int(0.75 * unit)), 0, 180, 360, 255, -1)
    paint_relief(picture, cap, np.clip(team, 20, 220), light=0.7)
    cap[:] = 0
    cv2.ellipse(cap, crown, (int(0.98 * unit), int(0.2 * unit)), 0, 0, 360, 255, -1)
    paint_relief(picture, cap, np.clip(team * 0.8, 10, 220), light=0.8)
    letter = "BCGHKMOPRST"[int(random.integers(11))]
    badge = (crown[0] - int(0.17 * unit), crown[1] - int(0.26 * unit))
    cv2.putText(
        picture,
        letter,
        badge,
        cv2.FONT_HERSHEY_TRIPLEX,
        unit / 48,
        (240, 236, 226),
        max(1, int(unit / 26)),
        cv2.LINE_AA,
    )


def _draw_wall(random: Generator, height: int, width: int) -> np.ndarray:
    color = draw_palette(random)[int(random.integers(0, 2))]
    field = smooth_noise(random, height, width, 2, octaves=2)[..., None] - 0.5
    return np.clip(color + 50 * field, 0, 255).astype(np.uint8)


def _draw_stands(random: Generator, height: int, width: int) -> np.ndarray:
    """A crowd out of focus, above a lawn."""
    crowd = random.normal(0, 14, (height // 24 + 1, width // 16 + 1, 3)) + random.normal(
        100, 32, (1, width // 16 + 1, 1)
    )
    crowd = np.clip(crowd, 20, 220).astype(np.uint8)
    picture = cv2.GaussianBlur(cv2.resize(crowd, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), width / 90)
    lawn = int(height * random.uniform(0.5, 0.75))
    picture[lawn:] = (74, 116, 62)
    picture[lawn - height // 30 : lawn] = (46, 74, 60)
    return picture
