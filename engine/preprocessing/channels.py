"""An upright picture to the six channels the model sees: lightness after CLAHE, colour, and how sharply it changes."""

from __future__ import annotations

import threading

import cv2
import numpy as np

CHANNELS = ("lightness", "a", "b", "sobel_x", "sobel_y", "laplacian")
CLIP_LIMIT = 2.0
TILES = 8


class _Workspace(threading.local):
    """Buffers and the CLAHE object of one thread: neither may be shared between threads."""

    def __init__(self) -> None:
        self.clahe = cv2.createCLAHE(clipLimit=CLIP_LIMIT, tileGridSize=(TILES, TILES))
        self.lab = np.empty((0, 0, 3), np.uint8)
        self.planes: list[np.ndarray] = []
        self.signed: list[np.ndarray] = []

    def sized(self, height: int, width: int) -> _Workspace:
        """The same workspace with its buffers at this size; a run of equal pictures allocates once."""
        if self.lab.shape[:2] != (height, width):
            self.lab = np.empty((height, width, 3), np.uint8)
            self.planes = [np.empty((height, width), np.uint8) for _ in range(4)]
            self.signed = [np.empty((height, width), np.int16) for _ in range(3)]
        return self


_workspace = _Workspace()


def six_channels(rgb: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """The model's input channels of one picture; resize first, then derive.

    rgb      (H, W, 3) uint8
    out      (6, H, W) float32 to write into, or None to allocate it (first use of fresh memory can cost as much
             as the arithmetic)
    returns  (6, H, W) float32 in [0, 1]: L after CLAHE (clip limit 2.0, 8 x 8 tiles), a, b, |Sobel x| and
             |Sobel y| (3 x 3) and |Laplacian| (the 4-neighbour kernel) of the equalised L. Derivatives are
             saturated at 255, borders are reflected without the edge pixel (reflect-101).
    """
    height, width = rgb.shape[:2]
    work = _workspace.sized(height, width)
    cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB, dst=work.lab)
    lightness, a, b, change = work.planes
    cv2.split(work.lab, [lightness, a, b])
    work.clahe.apply(lightness, lightness)
    channels = np.empty((6, height, width), np.float32) if out is None else out
    for plane, channel in zip((lightness, a, b), channels[:3], strict=True):
        _as_share(plane, channel)
    # |d| of 8-bit input fits 16-bit integers exactly (at most 1020), so nothing is lost before the saturation.
    across, down, bend = work.signed
    cv2.spatialGradient(lightness, across, down, ksize=3)
    cv2.Laplacian(lightness, cv2.CV_16S, dst=bend, ksize=1)
    for derivative, channel in zip(work.signed, channels[3:], strict=True):
        cv2.convertScaleAbs(derivative, dst=change)
        _as_share(change, channel)
    return channels


def _as_share(plane: np.ndarray, channel: np.ndarray) -> None:
    np.multiply(plane, np.float32(1 / 255), out=channel, dtype=np.float32)
