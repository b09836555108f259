"""Random pictures for game cards: landscapes, creatures, crystals; no copyrighted art."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.print.noise import add_grain, smooth_noise

Color = tuple[int, int, int]
PALETTES: tuple[tuple[Color, ...], ...] = (
    ((250, 214, 150), (226, 120, 78), (120, 52, 70), (38, 28, 58)),
    ((190, 226, 240), (92, 158, 190), (46, 96, 120), (18, 42, 60)),
    ((232, 236, 180), (140, 180, 92), (62, 110, 66), (22, 48, 40)),
    ((236, 200, 232), (176, 110, 190), (92, 56, 140), (34, 24, 72)),
    ((244, 240, 226), (206, 186, 150), (140, 112, 84), (62, 46, 40)),
    ((90, 120, 190), (52, 64, 130), (30, 30, 76), (10, 10, 30)),
    ((255, 226, 120), (240, 150, 40), (196, 60, 40), (80, 16, 30)),
)


def draw_picture(random: Generator, height: int, width: int) -> np.ndarray:
    """Draw a picture, (height, width, 3) uint8: a landscape, usually with a creature or crystals."""
    picture = draw_landscape(random, height, width)
    figure = random.random()
    if figure < 0.75:
        _draw_creature(random, picture)
    elif figure < 0.9:
        _draw_crystals(random, picture)
    add_grain(random, picture, "paper", float(random.uniform(2, 5)))
    return picture


def draw_noise_card(random: Generator, height: int, width: int) -> np.ndarray:
    """Draw a card like no game's, (height, width, 3) uint8: frames of random colors around smooth color noise."""
    color = random.choice([random.integers(0, 256, 3), np.full(3, random.integers(0, 40)), np.full(3, 235)])
    card = np.full((height, width, 3), color, np.uint8)
    inset = 0.0
    for _ in range(int(random.integers(1, 4))):
        inset += float(random.uniform(0.02, 0.07)) * width
        frame = card[round(inset) : height - round(inset), round(inset) : width - round(inset)]
        frame[:] = random.integers(0, 256, 3)
    art = frame[: round(len(frame) * random.uniform(0.5, 1.0))]
    planes = [smooth_noise(random, len(art), art.shape[1], int(random.integers(2, 12)), octaves=4) for _ in range(3)]
    noise = (np.stack(planes, axis=2) - 0.5) * float(random.uniform(150, 500)) + random.integers(40, 216, 3)
    art[:] = np.clip(noise, 0, 255).astype(np.uint8)
    return card


def draw_palette(random: Generator) -> np.ndarray:
    """Draw a palette of four matching colors, light to dark, (4, 3) float32."""
    return np.array(PALETTES[random.integers(len(PALETTES))], np.float32)


def cv_color(color: np.ndarray) -> tuple[float, float, float]:
    """Convert a color to a tuple for OpenCV, clipped to 0 .. 255."""
    red, green, blue = np.clip(color, 0, 255).tolist()
    return red, green, blue


def draw_landscape(random: Generator, height: int, width: int) -> np.ndarray:
    """Draw sky, a sun or moon, ridges that are darker the nearer they are, sometimes a lake."""
    tones = draw_palette(random)
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** float(random.uniform(0.6, 1.5))
    clouds = smooth_noise(random, height, width, int(random.integers(2, 5)), octaves=4)[..., None] - 0.5
    sky = tones[1] * (1 - fade) + tones[0] * fade + clouds * float(random.uniform(20, 90))
    picture = np.clip(sky, 0, 255).astype(np.uint8)
    sun = (int(width * random.uniform(0.15, 0.85)), int(height * random.uniform(0.1, 0.4)))
    glow = np.zeros((height // 8 + 1, width // 8 + 1), np.uint8)
    cv2.circle(glow, (sun[0] // 8, sun[1] // 8), max(2, width // 50), 150, -1)
    soft = cv2.resize(cv2.GaussianBlur(glow, (0, 0), width / 90), (width, height))
    cv2.add(picture, cv2.cvtColor(soft, cv2.COLOR_GRAY2BGR), dst=picture)
    cv2.circle(picture, sun, int(width * random.uniform(0.03, 0.08)), cv_color(tones[0] * 1.15), -1, cv2.LINE_AA)
    ridges = int(random.integers(3, 6))
    x = np.arange(width)
    for ridge in range(ridges):
        nearness = (ridge + 1) / ridges
        knots = random.random(4 + 3 * ridge)
        rise = np.interp(x, np.linspace(0, width, len(knots)), knots)
        rise += 0.12 * np.interp(x, np.linspace(0, width, 40), random.random(40))
        top = height * (0.36 + 0.5 * nearness - 0.22 * rise)
        color = tones[1] * (1 - nearness) * 0.8 + tones[2 + (nearness > 0.6)] * nearness
        outline = np.concatenate([np.column_stack([x, top]), [(width, height), (0, height)]]).astype(np.int32)
        cv2.fillPoly(picture, [outline], cv_color(color), cv2.LINE_AA)
    if random.random() < 0.3:
        shore = int(height * random.uniform(0.72, 0.85))
        reflection = picture[max(0, 2 * shore - height) : shore][::-1][: height - shore]
        picture[shore : shore + len(reflection)] = cv2.blur(reflection, (9, 1)) // 4 * 3
    return picture


def paint_relief(picture: np.ndarray, mask: np.ndarray, color: np.ndarray, *, light: float = 1.0) -> None:
    """Paint a shape as a raised relief, lit from the upper left, with a dark rim.

    mask  (H, W) uint8, 0 or 255
    """
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return
    part, padded_mask = picture[y : y + height, x : x + width], np.pad(mask[y : y + height, x : x + width], 1)
    depth = cv2.distanceTransform(padded_mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
    relief = np.sqrt(depth, out=depth)
    relief = cv2.GaussianBlur(relief, (0, 0), max(1.0, min(width, height) / 40))
    tone = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=5) + 1.3 * cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=5)
    tone = 1 + light * 0.42 * np.clip(tone / (float(np.abs(tone).max()) * 0.45 + 1e-6), -1, 1)
    tone *= np.minimum(1.0, 0.45 + relief / 2.2)
    shaded = np.clip(tone[..., None] * color, 0, 255).astype(np.uint8)
    cv2.copyTo(shaded, padded_mask[1:-1, 1:-1], part)


def polygon_mask(picture: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Mask, without antialiasing, of a polygon, (N, 2) pixels, in the size of the picture."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    return mask


def _mirrored(outline: np.ndarray, axis: float) -> np.ndarray:
    return np.column_stack([2 * axis - outline[:, 0], outline[:, 1]])


def _draw_creature(random: Generator, picture: np.ndarray) -> None:
    """Draw a nearly symmetrical creature, seen from the front: wings, body, head, horns, eyes, mouth."""
    height, width = picture.shape[:2]
    skin = draw_palette(random)[int(random.integers(1, 3))] * random.uniform(0.8, 1.25) + random.normal(0, 25, 3)
    skin = np.clip(skin, 40, 235).astype(np.float32)
    dark = skin * 0.55
    axis, size = width * random.uniform(0.42, 0.58), min(width, height) * random.uniform(0.26, 0.36)
    base = height * random.uniform(0.62, 0.72)
    if random.random() < 0.55:
        tips = np.array([(0.3, 0.1), (1.0, -1.3), (2.0, -1.5), (1.75, -0.6), (1.55, -0.1), (1.2, -0.25), (0.9, 0.35)])
        wing = (tips + random.normal(0, 0.12, tips.shape)) * size * random.uniform(0.7, 0.95) + (axis, base)
        for outline in (wing, _mirrored(wing, axis)):
            paint_relief(picture, polygon_mask(picture, outline), dark, light=0.8)
    paint_relief(
        picture, _lumpy_mask(random, picture, (axis, base + size * 0.5), size * random.uniform(0.75, 1.0)), skin
    )
    belly = _lumpy_mask(random, picture, (axis, base + size * 0.62), size * 0.5)
    paint_relief(picture, belly, np.clip(skin * 1.25 + 20, 0, 255), light=0.5)
    head = (axis + random.normal(0, 0.1) * size, base - size * random.uniform(0.35, 0.6))
    reach = size * random.uniform(0.5, 0.68)
    if random.random() < 0.8:
        horn = np.array([(0.35, -0.6), (0.75, -1.5), (1.05, -1.9), (0.95, -1.2), (0.75, -0.4)])
        horn = (horn + random.normal(0, 0.08, horn.shape)) * reach + head
        for outline in (horn, _mirrored(horn, head[0])):
            paint_relief(picture, polygon_mask(picture, outline), np.array([228, 216, 186], np.float32))
    paint_relief(picture, _lumpy_mask(random, picture, head, reach), skin * 1.08)
    _draw_face(random, picture, head, reach, dark)


def _lumpy_mask(random: Generator, picture: np.ndarray, centre: tuple[float, float], radius: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    reach = np.ones(60)
    for wave in range(2, 6):
        reach += 0.09 * random.normal() * np.cos(wave * (turn - np.pi / 2))
    return polygon_mask(picture, np.column_stack([np.cos(turn), np.sin(turn)]) * (radius * reach)[:, None] + centre)


def _draw_face(
    random: Generator, picture: np.ndarray, centre: tuple[float, float], reach: float, dark: np.ndarray
) -> None:
    iris = np.array([(240, 210, 60), (230, 70, 50), (90, 220, 190)][random.integers(3)], np.float32)
    for side in (-1, 1):
        eye = (int(centre[0] + side * 0.42 * reach), int(centre[1] - 0.12 * reach))
        cv2.circle(picture, eye, max(2, int(0.2 * reach)), (25, 20, 22), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, max(2, int(0.16 * reach)), cv_color(iris), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, max(1, int(0.07 * reach)), (10, 10, 10), -1, cv2.LINE_AA)
        shine = (eye[0] - int(0.05 * reach), eye[1] - int(0.06 * reach))
        cv2.circle(picture, shine, max(1, int(0.035 * reach)), (255, 255, 255), -1, cv2.LINE_AA)
    teeth = int(random.integers(5, 9))
    x = np.linspace(-0.5, 0.5, 2 * teeth + 1)
    jaw = np.column_stack([x, 0.42 + 0.1 * np.cos(x * 3) + 0.1 * (np.arange(len(x)) % 2)])
    mouth = np.concatenate([jaw, np.column_stack([x[::-1], 0.66 - 0.3 * x**2])]) * reach + centre
    cv2.fillPoly(picture, [mouth.astype(np.int32)], cv_color(dark * 0.4), cv2.LINE_AA)


def _draw_crystals(random: Generator, picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    colors = draw_palette(random)
    for _ in range(int(random.integers(4, 9))):
        foot = np.array([width * random.uniform(0.2, 0.8), height * random.uniform(0.7, 0.9)])
        crystal_height, half_width, lean = (
            height * random.uniform(0.2, 0.5),
            width * random.uniform(0.03, 0.07),
            random.normal(0, 0.25),
        )
        tip = foot + np.array([lean * crystal_height, -crystal_height])
        knee = foot + 0.75 * np.array([lean * crystal_height, -crystal_height])
        for side, tone in ((-1, 1.15), (1, 0.7)):
            offset = np.array([side * half_width, 0.0])
            facet = np.array([foot, tip, knee + offset, foot + offset])
            color = np.clip(colors[0] * tone + 15, 0, 255)
            cv2.fillPoly(picture, [facet.astype(np.int32)], cv_color(color), cv2.LINE_AA)
            cv2.polylines(picture, [facet.astype(np.int32)], True, (245, 245, 250), 1, cv2.LINE_AA)
