"""What light, lens and camera do to a picture: shading, glare, shadow, focus, motion, tone and noise. All in place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.capture.camera import View
from engine.simulate.print.noise import add_grain

COARSE = 32  # light is drawn this much coarser than the picture
EVEN = 128  # the level of a light map that changes nothing


def coarse_size(view: View) -> tuple[int, int]:
    """Height and width of the picture's light maps."""
    return view.height // COARSE + 2, view.width // COARSE + 2


def coarse_cover(view: View, corners: np.ndarray) -> np.ndarray:
    """Where a quad of the plane lies, as a coarse (h, w) uint8 map."""
    height, width = coarse_size(view)
    cover = np.zeros((height, width), np.uint8)
    scale = np.array([width / view.width, height / view.height])
    points = np.rint((view.project(corners) + 0.5) * scale * 16 - 8).astype(np.int32)
    cv2.fillConvexPoly(cover, points, 255, cv2.LINE_AA, 4)
    return cover


def _enlarged(coarse: np.ndarray, view: View) -> np.ndarray:
    return cv2.resize(coarse, (view.width, view.height), interpolation=cv2.INTER_LINEAR)


def cast_shadow(random: Generator, ground: np.ndarray, view: View, corners: np.ndarray) -> None:
    """Darken the ground beside what is about to be laid on it."""
    cover = coarse_cover(view, corners)
    reach = float(random.uniform(0.4, 1.6))
    shift = np.array([(1, 0, random.normal(0, 0.6)), (0, 1, random.normal(0, 0.6))])
    moved = cv2.warpAffine(cover, shift, cover.shape[::-1])
    soft = cv2.GaussianBlur(moved, (0, 0), reach)
    dark = (EVEN * (1 - soft.astype(np.float32) * np.float32(random.uniform(0.15, 0.6) / 255))).astype(np.uint8)
    cv2.multiply(ground, cv2.cvtColor(_enlarged(dark, view), cv2.COLOR_GRAY2BGR), dst=ground, scale=1 / EVEN)


def shade(random: Generator, rgb: np.ndarray, view: View, warmth: np.ndarray, unevenness: float) -> None:
    """Light that falls off across the picture, and its colour: (3,) factors around 1 for red, green and blue."""
    height, width = coarse_size(view)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope = random.normal(0, unevenness, 2).astype(np.float32)
    light = 1 + slope[0] * x + slope[1] * y - np.float32(unevenness * random.uniform(0, 0.8)) * (x * x + y * y)
    gain = np.clip(light[..., None] * warmth.astype(np.float32) * EVEN, 0, 255).astype(np.uint8)
    cv2.multiply(rgb, _enlarged(gain, view), dst=rgb, scale=1 / EVEN)


def glare(random: Generator, rgb: np.ndarray, view: View, shiny: np.ndarray, strength: float) -> None:
    """A lamp or a window mirrored in what shines: bright spots and bands, washed out towards white.

    shiny  coarse (h, w) uint8 map: 255 where a surface reflects fully
    """
    height, width = shiny.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = np.zeros((height, width), np.float32)
    for _ in range(1 + int(random.random() < 0.35)):
        lean = float(random.uniform(0, np.pi))
        across = (x - random.uniform(0.1, 0.9) * width) * np.cos(lean) + (
            y - random.uniform(0.1, 0.9) * height
        ) * np.sin(lean)
        along = -(x - width / 2) * np.sin(lean) + (y - height / 2) * np.cos(lean)
        thin, long = random.uniform(0.04, 0.2) * width, random.uniform(0.1, 0.7) * height
        light += np.exp(-((across / thin) ** 2) - (along / long) ** 2).astype(np.float32)
    levels = np.clip(light * strength * shiny, 0, 255).astype(np.uint8)
    cv2.add(rgb, cv2.cvtColor(_enlarged(levels, view), cv2.COLOR_GRAY2BGR), dst=rgb)


def blur(random: Generator, rgb: np.ndarray, focus_px: float, motion_px: float) -> np.ndarray:
    """Out of focus by a Gaussian of that deviation, and smeared along a line of that length."""
    if motion_px > 1:
        side = 2 * int(np.ceil(motion_px / 2)) + 1
        kernel = np.zeros((side, side), np.float32)
        lean = float(random.uniform(0, np.pi))
        reach = np.array([np.cos(lean), np.sin(lean)]) * motion_px / 2
        ends = np.rint((np.array([-reach, reach]) + side // 2) * 256).astype(int)
        cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, 1, cv2.LINE_AA, 8)
        rgb = cv2.filter2D(rgb, -1, kernel / kernel.sum())
    return cv2.GaussianBlur(rgb, (0, 0), focus_px) if focus_px > 0.25 else rgb


def develop(random: Generator, rgb: np.ndarray, *, gamma: float, contrast: float, noise: float) -> np.ndarray:
    """The camera's tone curve, and its noise, in levels."""
    level = np.arange(256) / 255
    curve = 255 * np.clip((level**gamma - 0.5) * contrast + 0.5, 0, 1)
    rgb = cv2.LUT(rgb, np.rint(curve).astype(np.uint8))
    add_grain(random, rgb, "white", noise)
    return rgb
