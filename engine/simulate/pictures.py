"""What the pictures on cards show: landscapes, creatures, ballplayers, crystals. Drawn from chance, nobody's art."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.noise import add_grain, smooth

Ink = tuple[int, int, int]
PALETTES: tuple[tuple[Ink, ...], ...] = (
    ((250, 214, 150), (226, 120, 78), (120, 52, 70), (38, 28, 58)),
    ((190, 226, 240), (92, 158, 190), (46, 96, 120), (18, 42, 60)),
    ((232, 236, 180), (140, 180, 92), (62, 110, 66), (22, 48, 40)),
    ((236, 200, 232), (176, 110, 190), (92, 56, 140), (34, 24, 72)),
    ((244, 240, 226), (206, 186, 150), (140, 112, 84), (62, 46, 40)),
    ((90, 120, 190), (52, 64, 130), (30, 30, 76), (10, 10, 30)),
    ((255, 226, 120), (240, 150, 40), (196, 60, 40), (80, 16, 30)),
)
SKINS: tuple[Ink, ...] = ((236, 196, 164), (214, 164, 126), (164, 112, 80), (110, 72, 52))


def draw_picture(random: Generator, height: int, width: int, *, subject: str = "") -> np.ndarray:
    """A picture, (height, width, 3) uint8: a landscape, with or without a creature or crystals, or a ballplayer.

    subject  "player", or empty for anything a game's card shows
    """
    if subject == "player":
        picture = _player(random, height, width)
    else:
        picture = _landscape(random, height, width)
        figure = random.random()
        if figure < 0.75:
            _creature(random, picture)
        elif figure < 0.9:
            _crystals(random, picture)
    add_grain(random, picture, "paper", float(random.uniform(2, 5)))
    return picture


def _palette(random: Generator) -> np.ndarray:
    return np.array(PALETTES[random.integers(len(PALETTES))], np.float32)


def _ink(colour: np.ndarray) -> tuple[float, float, float]:
    red, green, blue = np.clip(colour, 0, 255).tolist()
    return red, green, blue


def _landscape(random: Generator, height: int, width: int) -> np.ndarray:
    """Sky, a sun or moon, ridges that darken as they come nearer, sometimes a lake."""
    palette = _palette(random)
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** float(random.uniform(0.6, 1.5))
    clouds = smooth(random, height, width, int(random.integers(2, 5)), octaves=4)[..., None] - 0.5
    sky = palette[1] * (1 - fade) + palette[0] * fade + clouds * float(random.uniform(20, 90))
    picture = np.clip(sky, 0, 255).astype(np.uint8)
    sun = (int(width * random.uniform(0.15, 0.85)), int(height * random.uniform(0.1, 0.4)))
    glow = np.zeros((height // 8 + 1, width // 8 + 1), np.uint8)
    cv2.circle(glow, (sun[0] // 8, sun[1] // 8), max(2, width // 50), 150, -1)
    soft = cv2.resize(cv2.GaussianBlur(glow, (0, 0), width / 90), (width, height))
    cv2.add(picture, cv2.cvtColor(soft, cv2.COLOR_GRAY2BGR), dst=picture)
    cv2.circle(picture, sun, int(width * random.uniform(0.03, 0.08)), _ink(palette[0] * 1.15), -1, cv2.LINE_AA)
    ridges = int(random.integers(3, 6))
    x = np.arange(width)
    for ridge in range(ridges):
        near = (ridge + 1) / ridges
        knots = random.random(4 + 3 * ridge)
        rise = np.interp(x, np.linspace(0, width, len(knots)), knots)
        rise += 0.12 * np.interp(x, np.linspace(0, width, 40), random.random(40))
        top = height * (0.36 + 0.5 * near - 0.22 * rise)
        colour = palette[1] * (1 - near) * 0.8 + palette[2 + (near > 0.6)] * near
        outline = np.concatenate([np.column_stack([x, top]), [(width, height), (0, height)]]).astype(np.int32)
        cv2.fillPoly(picture, [outline], _ink(colour), cv2.LINE_AA)
    if random.random() < 0.3:
        shore = int(height * random.uniform(0.72, 0.85))
        mirrored = picture[max(0, 2 * shore - height) : shore][::-1][: height - shore]
        picture[shore : shore + len(mirrored)] = cv2.blur(mirrored, (9, 1)) // 4 * 3
    return picture


def _rounded(picture: np.ndarray, mask: np.ndarray, colour: np.ndarray, *, light: float = 1.0) -> None:
    """Paint a shape so that it swells towards the viewer, lit from the upper left, with a dark rim.

    mask  (H, W) uint8, hard
    """
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return
    part, inside = picture[y : y + height, x : x + width], np.pad(mask[y : y + height, x : x + width], 1)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    swell = np.sqrt(depth, out=depth)
    swell = cv2.GaussianBlur(swell, (0, 0), max(1.0, min(width, height) / 40))
    tone = cv2.Sobel(swell, cv2.CV_32F, 1, 0, ksize=5) + 1.3 * cv2.Sobel(swell, cv2.CV_32F, 0, 1, ksize=5)
    tone = 1 + light * 0.42 * np.clip(tone / (float(np.abs(tone).max()) * 0.45 + 1e-6), -1, 1)
    tone *= np.minimum(1.0, 0.45 + swell / 2.2)
    lit = np.clip(tone[..., None] * colour, 0, 255).astype(np.uint8)
    cv2.copyTo(lit, inside[1:-1, 1:-1], part)


def _shape(picture: np.ndarray, outline: np.ndarray) -> np.ndarray:
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    return mask


def _mirrored(outline: np.ndarray, axis: float) -> np.ndarray:
    return np.column_stack([2 * axis - outline[:, 0], outline[:, 1]])


def _creature(random: Generator, picture: np.ndarray) -> None:
    """A beast, nearly symmetrical, facing us: wings or horns or arms, a body, a head, eyes, a mouth."""
    height, width = picture.shape[:2]
    skin = _palette(random)[int(random.integers(1, 3))] * random.uniform(0.8, 1.25) + random.normal(0, 25, 3)
    skin = np.clip(skin, 40, 235).astype(np.float32)
    dark = skin * 0.55
    axis, size = width * random.uniform(0.42, 0.58), min(width, height) * random.uniform(0.26, 0.36)
    base = height * random.uniform(0.62, 0.72)
    if random.random() < 0.55:
        tips = np.array([(0.3, 0.1), (1.0, -1.3), (2.0, -1.5), (1.75, -0.6), (1.55, -0.1), (1.2, -0.25), (0.9, 0.35)])
        wing = (tips + random.normal(0, 0.12, tips.shape)) * size * random.uniform(0.7, 0.95) + (axis, base)
        for outline in (wing, _mirrored(wing, axis)):
            _rounded(picture, _shape(picture, outline), dark, light=0.8)
    _rounded(picture, _lumpy(random, picture, (axis, base + size * 0.5), size * random.uniform(0.75, 1.0)), skin)
    belly = _lumpy(random, picture, (axis, base + size * 0.62), size * 0.5)
    _rounded(picture, belly, np.clip(skin * 1.25 + 20, 0, 255), light=0.5)
    head = (axis + random.normal(0, 0.1) * size, base - size * random.uniform(0.35, 0.6))
    reach = size * random.uniform(0.5, 0.68)
    if random.random() < 0.8:
        horn = np.array([(0.35, -0.6), (0.75, -1.5), (1.05, -1.9), (0.95, -1.2), (0.75, -0.4)])
        horn = (horn + random.normal(0, 0.08, horn.shape)) * reach + head
        for outline in (horn, _mirrored(horn, head[0])):
            _rounded(picture, _shape(picture, outline), np.array([228, 216, 186], np.float32))
    _rounded(picture, _lumpy(random, picture, head, reach), skin * 1.08)
    _face(random, picture, head, reach, dark)


def _lumpy(random: Generator, picture: np.ndarray, at: tuple[float, float], radius: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    reach = np.ones(60)
    for wave in range(2, 6):
        reach += 0.09 * random.normal() * np.cos(wave * (turn - np.pi / 2))
    return _shape(picture, np.column_stack([np.cos(turn), np.sin(turn)]) * (radius * reach)[:, None] + at)


def _face(random: Generator, picture: np.ndarray, at: tuple[float, float], reach: float, dark: np.ndarray) -> None:
    iris = np.array([(240, 210, 60), (230, 70, 50), (90, 220, 190)][random.integers(3)], np.float32)
    for side in (-1, 1):
        eye = (int(at[0] + side * 0.42 * reach), int(at[1] - 0.12 * reach))
        cv2.circle(picture, eye, max(2, int(0.2 * reach)), (25, 20, 22), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, max(2, int(0.16 * reach)), _ink(iris), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, max(1, int(0.07 * reach)), (10, 10, 10), -1, cv2.LINE_AA)
        shine = (eye[0] - int(0.05 * reach), eye[1] - int(0.06 * reach))
        cv2.circle(picture, shine, max(1, int(0.035 * reach)), (255, 255, 255), -1, cv2.LINE_AA)
    teeth = int(random.integers(5, 9))
    x = np.linspace(-0.5, 0.5, 2 * teeth + 1)
    jaw = np.column_stack([x, 0.42 + 0.1 * np.cos(x * 3) + 0.1 * (np.arange(len(x)) % 2)])
    mouth = np.concatenate([jaw, np.column_stack([x[::-1], 0.66 - 0.3 * x**2])]) * reach + at
    cv2.fillPoly(picture, [mouth.astype(np.int32)], _ink(dark * 0.4), cv2.LINE_AA)


def _crystals(random: Generator, picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    hue = _palette(random)
    for _ in range(int(random.integers(4, 9))):
        foot = np.array([width * random.uniform(0.2, 0.8), height * random.uniform(0.7, 0.9)])
        tall, wide, lean = height * random.uniform(0.2, 0.5), width * random.uniform(0.03, 0.07), random.normal(0, 0.25)
        tip = foot + np.array([lean * tall, -tall])
        knee = foot + 0.75 * np.array([lean * tall, -tall])
        for side, tone in ((-1, 1.15), (1, 0.7)):
            aside = np.array([side * wide, 0.0])
            facet = np.array([foot, tip, knee + aside, foot + aside])
            colour = np.clip(hue[0] * tone + 15, 0, 255)
            cv2.fillPoly(picture, [facet.astype(np.int32)], _ink(colour), cv2.LINE_AA)
            cv2.polylines(picture, [facet.astype(np.int32)], True, (245, 245, 250), 1, cv2.LINE_AA)


def _player(random: Generator, height: int, width: int) -> np.ndarray:
    """A ballplayer's bust before a plain wall, a stadium or the sky."""
    grounds: tuple[Callable[[Generator, int, int], np.ndarray], ...] = (_wall, _wall, _stands, _landscape)
    picture = grounds[random.integers(4)](random, height, width)
    skin = np.array(SKINS[random.integers(4)], np.float32)
    team = _palette(random)[int(random.integers(1, 4))]
    shirt = np.array([228, 224, 212], np.float32) if random.random() < 0.6 else team * 1.2 + 20
    axis, unit = width * random.uniform(0.45, 0.55), height * random.uniform(0.15, 0.18)
    chin = height * random.uniform(0.52, 0.58)
    turn = float(random.normal(0, 0.12)) * unit
    trunk = np.array(
        [(-0.5, 0.2), (-1.1, 0.55), (-2.0, 1.0), (-2.5, 3.5), (2.5, 3.5), (2.0, 1.0), (1.1, 0.55), (0.5, 0.2)]
    )
    _rounded(picture, _shape(picture, trunk * unit + (axis, chin)), shirt, light=0.5)
    for stripe in np.arange(-2, 2.01, 0.33):
        line = (np.array([(stripe * 0.8, 0.7), (stripe, 3.4)]) * unit + (axis, chin)).astype(int)
        if 228 <= shirt[0] < 229 and abs(stripe) > 0.2:
            cv2.line(picture, line[0].tolist(), line[1].tolist(), _ink(team), 1, cv2.LINE_AA)
    neck = np.array([(-0.42, -0.5), (-0.5, 0.35), (0.0, 0.75), (0.5, 0.35), (0.42, -0.5)]) * unit + (axis, chin)
    _rounded(picture, _shape(picture, neck), skin * 0.86, light=0.6)
    _head(random, picture, (axis + turn, chin - 0.62 * unit), unit, (skin, team))
    return picture


def _head(
    random: Generator,
    picture: np.ndarray,
    at: tuple[float, float],
    unit: float,
    colours: tuple[np.ndarray, np.ndarray],
) -> None:
    """Face and cap: the bill, brows, eyes, nose and mouth."""
    skin, team = colours
    mask = np.zeros(picture.shape[:2], np.uint8)
    for side in (-1, 1):
        ear = (int(at[0] + side * 0.78 * unit), int(at[1] + 0.05 * unit))
        cv2.ellipse(mask, ear, (int(0.16 * unit), int(0.26 * unit)), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (int(at[0]), int(at[1])), (int(0.78 * unit), int(1.05 * unit)), 0, 0, 360, 255, -1)
    _rounded(picture, mask, skin, light=0.55)
    look = float(random.normal(0, 0.06)) * unit
    shade = _ink(skin * 0.45)
    for side in (-1, 1):
        eye = (int(at[0] + look + side * 0.32 * unit), int(at[1] - 0.05 * unit))
        cv2.ellipse(picture, eye, (int(0.14 * unit), int(0.07 * unit)), 0, 0, 360, (240, 236, 228), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, max(1, int(0.065 * unit)), (40, 28, 22), -1, cv2.LINE_AA)
        brow = (eye[0], eye[1] - int(0.08 * unit))
        cv2.ellipse(
            picture, brow, (int(0.19 * unit), int(0.1 * unit)), 0, 200, 340, shade, max(1, int(unit / 18)), cv2.LINE_AA
        )
    nose = np.array([(0.0, -0.02), (-0.13, 0.34), (0.06, 0.38)]) * unit + at + (look, 0)
    cv2.polylines(picture, [nose.astype(np.int32)], False, _ink(skin * 0.68), max(1, int(unit / 20)), cv2.LINE_AA)
    mouth = (int(at[0] + look), int(at[1] + 0.55 * unit))
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
    crown = (int(at[0]), int(at[1] - 0.5 * unit))
    cv2.ellipse(cap, crown, (int(0.82 * unit), int(0.75 * unit)), 0, 180, 360, 255, -1)
    _rounded(picture, cap, np.clip(team, 20, 220), light=0.7)
    cap[:] = 0
    cv2.ellipse(cap, crown, (int(0.98 * unit), int(0.2 * unit)), 0, 0, 360, 255, -1)
    _rounded(picture, cap, np.clip(team * 0.8, 10, 220), light=0.8)
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


def _wall(random: Generator, height: int, width: int) -> np.ndarray:
    colour = _palette(random)[int(random.integers(0, 2))]
    field = smooth(random, height, width, 2, octaves=2)[..., None] - 0.5
    return np.clip(colour + 50 * field, 0, 255).astype(np.uint8)


def _stands(random: Generator, height: int, width: int) -> np.ndarray:
    """A crowd out of focus above a lawn."""
    crowd = random.normal(0, 14, (height // 24 + 1, width // 16 + 1, 3)) + random.normal(
        100, 32, (1, width // 16 + 1, 1)
    )
    crowd = np.clip(crowd, 20, 220).astype(np.uint8)
    picture = cv2.GaussianBlur(cv2.resize(crowd, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), width / 90)
    lawn = int(height * random.uniform(0.5, 0.75))
    picture[lawn:] = (74, 116, 62)
    picture[lawn - height // 30 : lawn] = (46, 74, 60)
    return picture
