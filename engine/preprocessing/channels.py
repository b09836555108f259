"""Six input channels of a picture: LAB with CLAHE on the lightness, and its Sobel and Laplacian derivatives."""

from __future__ import annotations

import threading

import cv2
import numpy as np

CHANNELS = ("lightness", "a", "b", "sobel_x", "sobel_y", "laplacian")
CLIP_LIMIT = 2.0
TILES = 8


class _Workspace(threading.local):
    """Buffers and CLAHE object of one thread; neither may be shared between threads."""

    def __init__(self) -> None:
        self.clahe = cv2.createCLAHE(clipLimit=CLIP_LIMIT, tileGridSize=(TILES, TILES))
        self.lab = np.empty((0, 0, 3), np.uint8)
        self.planes: list[np.ndarray] = []
        self.signed: list[np.ndarray] = []

    def sized(self, height: int, width: int) -> _Workspace:
        """Resize the buffers if needed and return self; pictures of equal size allocate once."""
        if self.lab.shape[:2] != (height, width):
            self.lab = np.empty((height, width, 3), np.uint8)
            self.planes = [np.empty((height, width), np.uint8) for _ in range(4)]
            self.signed = [np.empty((height, width), np.int16) for _ in range(3)]
        return self


_workspace = _Workspace()


def six_channels(rgb: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Derive the model's input channels from one picture, after it was resized.

    rgb      (H, W, 3) uint8
    out      (6, H, W) float32 to write into, or None to allocate it (first use of fresh memory can cost as much
             as the arithmetic)
    returns  (6, H, W) float32 in [0, 1]: L after CLAHE (clip limit 2.0, 8 x 8 tiles), a, b, |Sobel x| and
             |Sobel y| (3 x 3) and |Laplacian| (the 4-neighbor kernel) of the equalized L. Derivatives are
             saturated at 255, borders are reflected without the edge pixel (reflect-101).
    """
    height, width = rgb.shape[:2]
    work = _workspace.sized(height, width)
    cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB, dst=work.lab)
    lightness, a, b, magnitude = work.planes
    cv2.split(work.lab, [lightness, a, b])
    work.clahe.apply(lightness, lightness)
    channels = np.empty((6, height, width), np.float32) if out is None else out
    for plane, channel in zip((lightness, a, b), channels[:3], strict=True):
        _to_unit_range(plane, channel)
    # |d| of 8-bit input fits 16-bit integers exactly (at most 1020), so nothing is lost before the saturation.
    sobel_x, sobel_y, laplacian = work.signed
    cv2.spatialGradient(lightness, sobel_x, sobel_y, ksize=3)
    cv2.Laplacian(lightness, cv2.CV_16S, dst=laplacian, ksize=1)
    for derivative, channel in zip(work.signed, channels[3:], strict=True):
        cv2.convertScaleAbs(derivative, dst=magnitude)
        _to_unit_range(magnitude, channel)
    return channels


def _to_unit_range(plane: np.ndarray, channel: np.ndarray) -> None:
    np.multiply(plane, np.float32(1 / 255), out=channel, dtype=np.float32)
