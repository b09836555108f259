"""Light, lens and sensor effects: shading, glare, shadow, defocus, motion blur, tone curve and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.capture.camera import PlaneView
from engine.simulate.print.noise import add_grain

LIGHT_MAP_STEP_PX = 32  # light maps are drawn at 1/32 of the picture's resolution
NEUTRAL_LEVEL = 128  # level of a light map that leaves the picture unchanged


def light_map_size(view: PlaneView) -> tuple[int, int]:
    """Height and width of the picture's light maps."""
    return view.height // LIGHT_MAP_STEP_PX + 2, view.width // LIGHT_MAP_STEP_PX + 2


def quad_mask(view: PlaneView, corners: np.ndarray) -> np.ndarray:
    """Coarse mask, (h, w) uint8, of a quad of the plane."""
    height, width = light_map_size(view)
    mask = np.zeros((height, width), np.uint8)
    scale = np.array([width / view.width, height / view.height])
    points = np.rint((view.project(corners) + 0.5) * scale * 16 - 8).astype(np.int32)
    cv2.fillConvexPoly(mask, points, 255, cv2.LINE_AA, 4)
    return mask


def _enlarge(coarse: np.ndarray, view: PlaneView) -> np.ndarray:
    return cv2.resize(coarse, (view.width, view.height), interpolation=cv2.INTER_LINEAR)


def cast_shadow(random: Generator, background: np.ndarray, view: PlaneView, corners: np.ndarray) -> None:
    """Darken the background around a quad of the plane, in place."""
    mask = quad_mask(view, corners)
    reach = float(random.uniform(0.4, 1.6))
    shift = np.array([(1, 0, random.normal(0, 0.6)), (0, 1, random.normal(0, 0.6))])
    moved = cv2.warpAffine(mask, shift, mask.shape[::-1])
    soft = cv2.GaussianBlur(moved, (0, 0), reach)
    dark = (NEUTRAL_LEVEL * (1 - soft.astype(np.float32) * np.float32(random.uniform(0.15, 0.6) / 255))).astype(
        np.uint8
    )
    cv2.multiply(
        background, cv2.cvtColor(_enlarge(dark, view), cv2.COLOR_GRAY2BGR), dst=background, scale=1 / NEUTRAL_LEVEL
    )


def apply_illumination(
    random: Generator, rgb: np.ndarray, view: PlaneView, warmth: np.ndarray, unevenness: float
) -> None:
    """Apply uneven, colored light, in place; `warmth` (3,) has factors around 1 for red, green and blue."""
    height, width = light_map_size(view)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope = random.normal(0, unevenness, 2).astype(np.float32)
    light = 1 + slope[0] * x + slope[1] * y - np.float32(unevenness * random.uniform(0, 0.8)) * (x * x + y * y)
    gain = np.clip(light[..., None] * warmth.astype(np.float32) * NEUTRAL_LEVEL, 0, 255).astype(np.uint8)
    cv2.multiply(rgb, _enlarge(gain, view), dst=rgb, scale=1 / NEUTRAL_LEVEL)


def add_glare(random: Generator, rgb: np.ndarray, view: PlaneView, reflectivity: np.ndarray, strength: float) -> None:
    """Add reflections of lamps or windows, in place: bright spots and bands, saturating to white.

    reflectivity  coarse (h, w) uint8 map, 255 for a fully reflecting surface
    """
    height, width = reflectivity.shape
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
    levels = np.clip(light * strength * reflectivity, 0, 255).astype(np.uint8)
    cv2.add(rgb, cv2.cvtColor(_enlarge(levels, view), cv2.COLOR_GRAY2BGR), dst=rgb)


def add_glare_bars(random: Generator, rgb: np.ndarray, view: PlaneView, reflectivity: np.ndarray, count: int) -> None:
    """Add reflections of windows or lamp tubes, in place: bright bars with straight bounds across what reflects."""
    bars = np.zeros((view.height // 4 + 1, view.width // 4 + 1), np.uint8)
    for _ in range(count):
        middle = random.uniform(0.2, 0.8, 2) * bars.shape[::-1]
        lean = random.uniform(0, np.pi)
        reach = np.array([np.cos(lean), np.sin(lean)]) * random.uniform(0.1, 0.6) * view.height / 4
        ends = np.rint([middle - reach, middle + reach]).astype(int).tolist()
        level, width = int(random.integers(40, 255)), max(1, round(random.uniform(0.005, 0.06) * view.width / 4))
        cv2.line(bars, ends[0], ends[1], level, width, cv2.LINE_AA)
    if count:
        cv2.multiply(bars, cv2.resize(reflectivity, bars.shape[::-1]), dst=bars, scale=1 / 255)
        cv2.add(rgb, cv2.cvtColor(_enlarge(bars, view), cv2.COLOR_GRAY2BGR), dst=rgb)


def blur(random: Generator, rgb: np.ndarray, focus_px: float, motion_px: float) -> np.ndarray:
    """Motion blur along a line of length `motion_px`, then a Gaussian defocus of deviation `focus_px`."""
    if motion_px > 1:
        kernel_size = 2 * int(np.ceil(motion_px / 2)) + 1
        kernel = np.zeros((kernel_size, kernel_size), np.float32)
        lean = float(random.uniform(0, np.pi))
        reach = np.array([np.cos(lean), np.sin(lean)]) * motion_px / 2
        ends = np.rint((np.array([-reach, reach]) + kernel_size // 2) * 256).astype(int)
        cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, 1, cv2.LINE_AA, 8)
        rgb = cv2.filter2D(rgb, -1, kernel / kernel.sum())
    return cv2.GaussianBlur(rgb, (0, 0), focus_px) if focus_px > 0.25 else rgb


def apply_tone_and_noise(
    random: Generator, rgb: np.ndarray, *, gamma: float, contrast: float, noise: float
) -> np.ndarray:
    """Apply the camera's tone curve, then noise of a standard deviation in levels."""
    level = np.arange(256) / 255
    curve = 255 * np.clip((level**gamma - 0.5) * contrast + 0.5, 0, 1)
    rgb = cv2.LUT(rgb, np.rint(curve).astype(np.uint8))
    add_grain(random, rgb, "white", noise)
    return rgb
