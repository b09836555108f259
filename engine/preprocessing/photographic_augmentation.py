"""Photographic augmentation: the same card in another resolution, sharpness, compression, light and color."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Range of each change. A card may be photographed with a third of the canvas's resolution and still show its wear.
MIN_RESOLUTION = 0.35
MAX_BLUR_PX = 1.2
MAX_NOISE = 5.0
JPEG_QUALITIES = (30, 95)
# Probability of each change, and standard deviation of the logarithm of each factor.
P_RESOLUTION, P_BLUR, P_NOISE, P_JPEG, P_GRAY = 0.6, 0.4, 0.5, 0.6, 0.1
CHANNEL_GAIN, EXPOSURE, GAMMA, CONTRAST, SATURATION = 0.12, 0.18, 0.2, 0.15, 0.3
BRIGHTNESS = 8.0
MAX_CORNER_SHIFT = 0.02


def vary_photograph(canvas: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Change a rectified card, (H, W, 3) uint8, as another camera and another light would.

    In order: the corners move by up to 2 % of a side, as an inexact card detection does; blur; a lower resolution; in
    it, white balance, exposure, gamma, contrast, brightness, saturation, noise and JPEG compression; the old size.
    """
    height, width = canvas.shape[:2]
    picture = _move_corners(canvas, random)
    if random.random() < P_BLUR:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.3, MAX_BLUR_PX))
    if random.random() < P_RESOLUTION:
        scale = np.exp(random.uniform(np.log(MIN_RESOLUTION), 0))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    picture = _change_light(picture.astype(np.float32), random)
    if random.random() < P_NOISE:
        picture += random.standard_normal(picture.shape, np.float32) * np.float32(random.uniform(0, MAX_NOISE))
    picture = picture.clip(0, 255).astype(np.uint8)
    if random.random() < P_JPEG:
        quality = int(random.integers(*JPEG_QUALITIES))
        encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    if picture.shape[:2] == (height, width):
        return picture
    interpolation = cv2.INTER_CUBIC if random.random() < 0.5 else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, height), interpolation=interpolation)


def _move_corners(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    height, width = picture.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    moved = corners + random.uniform(-MAX_CORNER_SHIFT, MAX_CORNER_SHIFT, (4, 2)).astype(np.float32) * (width, height)
    homography = cv2.getPerspectiveTransform(moved.astype(np.float32), corners)
    return cv2.warpPerspective(picture, homography, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _change_light(rgb: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Change white balance, exposure, gamma, contrast, brightness and saturation of values 0 to 255."""

    def factor(deviation: float, count: int = 1) -> NDArray[np.float32]:
        return np.exp(random.normal(0, deviation, count)).astype(np.float32)

    gains = factor(CHANNEL_GAIN, 3) * factor(EXPOSURE)
    exposed = 255 * ((rgb * gains).clip(0, 255) / 255) ** factor(GAMMA)
    mean = exposed.mean()
    rgb = (exposed - mean) * factor(CONTRAST) + mean + np.float32(random.normal(0, BRIGHTNESS))
    gray = rgb.mean(axis=2, keepdims=True)
    saturation = np.float32(0) if random.random() < P_GRAY else factor(SATURATION)
    return gray + (rgb - gray) * saturation
