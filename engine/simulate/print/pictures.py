"""What the pictures on game cards show: landscapes, creatures, crystals. Drawn from chance, nobody's art."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.noise import add_grain, smooth

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


def draw_picture(random: Generator, height: int, width: int) -> np.ndarray:
    """A picture, (height, width, 3) uint8: a landscape, mostly with a creature or crystals in it."""
    picture = landscape(random, height, width)
    figure = random.random()
    if figure < 0.75:
        _creature(random, picture)
    elif figure < 0.9:
        _crystals(random, picture)
    add_grain(random, picture, "paper", float(random.uniform(2, 5)))
    return picture


def palette(random: Generator) -> np.ndarray:
    """Four colours that go together, light to dark, (4, 3) float32."""
    return np.array(PALETTES[random.integers(len(PALETTES))], np.float32)


def ink(colour: np.ndarray) -> tuple[float, float, float]:
    """A colour as OpenCV draws with it."""
    red, green, blue = np.clip(colour, 0, 255).tolist()
    return red, green, blue


def landscape(random: Generator, height: int, width: int) -> np.ndarray:
    """Sky, a sun or moon, ridges that darken as they come nearer, sometimes a lake."""
    tones = palette(random)
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** float(random.uniform(0.6, 1.5))
    clouds = smooth(random, height, width, int(random.integers(2, 5)), octaves=4)[..., None] - 0.5
    sky = tones[1] * (1 - fade) + tones[0] * fade + clouds * float(random.uniform(20, 90))
    picture = np.clip(sky, 0, 255).astype(np.uint8)
    sun = (int(width * random.uniform(0.15, 0.85)), int(height * random.uniform(0.1, 0.4)))
    glow = np.zeros((height // 8 + 1, width // 8 + 1), np.uint8)
    cv2.circle(glow, (sun[0] // 8, sun[1] // 8), max(2, width // 50), 150, -1)
    soft = cv2.resize(cv2.GaussianBlur(glow, (0, 0), width / 90), (width, height))
    cv2.add(picture, cv2.cvtColor(soft, cv2.COLOR_GRAY2BGR), dst=picture)
    cv2.circle(picture, sun, int(width * random.uniform(0.03, 0.08)), ink(tones[0] * 1.15), -1, cv2.LINE_AA)
    ridges = int(random.integers(3, 6))
    x = np.arange(width)
    for ridge in range(ridges):
        near = (ridge + 1) / ridges
        knots = random.random(4 + 3 * ridge)
        rise = np.interp(x, np.linspace(0, width, len(knots)), knots)
        rise += 0.12 * np.interp(x, np.linspace(0, width, 40), random.random(40))
        top = height * (0.36 + 0.5 * near - 0.22 * rise)
        colour = tones[1] * (1 - near) * 0.8 + tones[2 + (near > 0.6)] * near
        outline = np.concatenate([np.column_stack([x, top]), [(width, height), (0, height)]]).astype(np.int32)
        cv2.fillPoly(picture, [outline], ink(colour), cv2.LINE_AA)
    if random.random() < 0.3:
        shore = int(height * random.uniform(0.72, 0.85))
        mirrored = picture[max(0, 2 * shore - height) : shore][::-1][: height - shore]
        picture[shore : shore + len(mirrored)] = cv2.blur(mirrored, (9, 1)) // 4 * 3
    return picture


def swollen(picture: np.ndarray, mask: np.ndarray, colour: np.ndarray, *, light: float = 1.0) -> None:
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


def shape(picture: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """A polygon, (N, 2) pixels, as a hard mask of the picture's size."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    return mask


def _mirrored(outline: np.ndarray, axis: float) -> np.ndarray:
    return np.column_stack([2 * axis - outline[:, 0], outline[:, 1]])


def _creature(random: Generator, picture: np.ndarray) -> None:
    """A beast, nearly symmetrical, facing us: wings or horns or arms, a body, a head, eyes, a mouth."""
    height, width = picture.shape[:2]
    skin = palette(random)[int(random.integers(1, 3))] * random.uniform(0.8, 1.25) + random.normal(0, 25, 3)
    skin = np.clip(skin, 40, 235).astype(np.float32)
    dark = skin * 0.55
    axis, size = width * random.uniform(0.42, 0.58), min(width, height) * random.uniform(0.26, 0.36)
    base = height * random.uniform(0.62, 0.72)
    if random.random() < 0.55:
        tips = np.array([(0.3, 0.1), (1.0, -1.3), (2.0, -1.5), (1.75, -0.6), (1.55, -0.1), (1.2, -0.25), (0.9, 0.35)])
        wing = (tips + random.normal(0, 0.12, tips.shape)) * size * random.uniform(0.7, 0.95) + (axis, base)
        for outline in (wing, _mirrored(wing, axis)):
            swollen(picture, shape(picture, outline), dark, light=0.8)
    swollen(picture, _lumpy(random, picture, (axis, base + size * 0.5), size * random.uniform(0.75, 1.0)), skin)
    belly = _lumpy(random, picture, (axis, base + size * 0.62), size * 0.5)
    swollen(picture, belly, np.clip(skin * 1.25 + 20, 0, 255), light=0.5)
    head = (axis + random.normal(0, 0.1) * size, base - size * random.uniform(0.35, 0.6))
    reach = size * random.uniform(0.5, 0.68)
    if random.random() < 0.8:
        horn = np.array([(0.35, -0.6), (0.75, -1.5), (1.05, -1.9), (0.95, -1.2), (0.75, -0.4)])
        horn = (horn + random.normal(0, 0.08, horn.shape)) * reach + head
        for outline in (horn, _mirrored(horn, head[0])):
            swollen(picture, shape(picture, outline), np.array([228, 216, 186], np.float32))
    swollen(picture, _lumpy(random, picture, head, reach), skin * 1.08)
    _face(random, picture, head, reach, dark)


def _lumpy(random: Generator, picture: np.ndarray, at: tuple[float, float], radius: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    reach = np.ones(60)
    for wave in range(2, 6):
        reach += 0.09 * random.normal() * np.cos(wave * (turn - np.pi / 2))
    return shape(picture, np.column_stack([np.cos(turn), np.sin(turn)]) * (radius * reach)[:, None] + at)


def _face(random: Generator, picture: np.ndarray, at: tuple[float, float], reach: float, dark: np.ndarray) -> None:
    iris = np.array([(240, 210, 60), (230, 70, 50), (90, 220, 190)][random.integers(3)], np.float32)
    for side in (-1, 1):
        eye = (int(at[0] + side * 0.42 * reach), int(at[1] - 0.12 * reach))
        cv2.circle(picture, eye, max(2, int(0.2 * reach)), (25, 20, 22), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, max(2, int(0.16 * reach)), ink(iris), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, max(1, int(0.07 * reach)), (10, 10, 10), -1, cv2.LINE_AA)
        shine = (eye[0] - int(0.05 * reach), eye[1] - int(0.06 * reach))
        cv2.circle(picture, shine, max(1, int(0.035 * reach)), (255, 255, 255), -1, cv2.LINE_AA)
    teeth = int(random.integers(5, 9))
    x = np.linspace(-0.5, 0.5, 2 * teeth + 1)
    jaw = np.column_stack([x, 0.42 + 0.1 * np.cos(x * 3) + 0.1 * (np.arange(len(x)) % 2)])
    mouth = np.concatenate([jaw, np.column_stack([x[::-1], 0.66 - 0.3 * x**2])]) * reach + at
    cv2.fillPoly(picture, [mouth.astype(np.int32)], ink(dark * 0.4), cv2.LINE_AA)


def _crystals(random: Generator, picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    hue = palette(random)
    for _ in range(int(random.integers(4, 9))):
        foot = np.array([width * random.uniform(0.2, 0.8), height * random.uniform(0.7, 0.9)])
        tall, wide, lean = height * random.uniform(0.2, 0.5), width * random.uniform(0.03, 0.07), random.normal(0, 0.25)
        tip = foot + np.array([lean * tall, -tall])
        knee = foot + 0.75 * np.array([lean * tall, -tall])
        for side, tone in ((-1, 1.15), (1, 0.7)):
            aside = np.array([side * wide, 0.0])
            facet = np.array([foot, tip, knee + aside, foot + aside])
            colour = np.clip(hue[0] * tone + 15, 0, 255)
            cv2.fillPoly(picture, [facet.astype(np.int32)], ink(colour), cv2.LINE_AA)
            cv2.polylines(picture, [facet.astype(np.int32)], True, (245, 245, 250), 1, cv2.LINE_AA)
