"""A small network's first guess: which pixels are the card, what kind of picture it is, and which way is up.

It sees the picture at 192 pixels and knows only roughly where the sides run; `sides` measures them exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from engine.detection.blocks import convolution, doubled, folded

SIDE = 192
STRIDE = 2
KINDS = ("photo", "scan", "slab")
STATUSES = ("one", "none", "many", "cut")
WEIGHTS = Path(__file__).with_name("segmentation.pt")


@dataclass(frozen=True)
class Outline:
    """What the network says of one picture.

    cover    (SIDE / 2, SIDE / 2) float32 in [0, 1]: how surely each place is card
    kind     (3,) float32, probabilities of KINDS
    status   (4,) float32, probabilities of STATUSES
    upward   (2,) float32, the direction (x, y) of the print's top; its length, 0 to about 1, says how sure that is
    scale    pixels of the letterboxed input per pixel of the picture
    offset   (2,) where the picture's upper left corner lies in the letterboxed input
    """

    cover: np.ndarray
    kind: np.ndarray
    status: np.ndarray
    upward: np.ndarray
    scale: float
    offset: np.ndarray

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) pixel centres of `cover` to pixel centres of the picture."""
        return ((points + 0.5) * STRIDE - self.offset) / self.scale - 0.5


class OutlineNetwork(nn.Module):
    """Five scales down, three up again; a mask at half the input's size and a few words about the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        self.down_2 = convolution(4, 16, 2)
        self.down_4 = nn.Sequential(convolution(16, 32, 2), convolution(32, 32))
        self.down_8 = nn.Sequential(convolution(32, 64, 2), convolution(64, 64))
        self.down_16 = nn.Sequential(convolution(64, 96, 2), convolution(96, 96))
        self.down_32 = nn.Sequential(convolution(96, 128, 2), convolution(128, 128))
        self.context = nn.Linear(128, 96)
        self.up_16 = convolution(128 + 96, 96)
        self.up_8 = convolution(96 + 64, 64)
        self.up_4 = convolution(64 + 32, 32)
        self.cover = nn.Sequential(nn.Conv2d(32, 4, 3, 1, 1), nn.PixelShuffle(2))
        self.words = nn.Sequential(nn.Linear(2 * 128, 128), nn.ReLU(), nn.Linear(128, len(KINDS) + len(STATUSES) + 2))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Look at letterboxed pictures.

        picture  (B, 4, SIDE, SIDE) float in [0, 1]: RGB, and 1 where the picture is and 0 where it was padded
        returns  cover logits (B, SIDE / 2, SIDE / 2), kind logits (B, 3), status logits (B, 4), upward (B, 2)
        """
        quarter = self.down_4(self.down_2(picture))
        eighth = self.down_8(quarter)
        sixteenth = self.down_16(eighth)
        whole = self.down_32(sixteenth)
        pooled = whole.mean(dim=(2, 3))
        context = self.context(pooled)[:, :, None, None]
        up = self.up_16(torch.cat([doubled(whole), sixteenth + context], dim=1))
        up = self.up_8(torch.cat([doubled(up), eighth], dim=1))
        up = self.up_4(torch.cat([doubled(up), quarter], dim=1))
        words = self.words(torch.cat([pooled, whole.amax(dim=(2, 3))], dim=1))
        kind, status, upward = words.split([len(KINDS), len(STATUSES), 2], dim=1)
        return self.cover(up)[:, 0], kind, status, upward


def letterbox(rgb: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """A picture scaled to fit SIDE x SIDE, centred on grey.

    rgb      (H, W, 3) uint8
    returns  (SIDE, SIDE, 4) uint8, its fourth channel 255 where the picture is; the scale; the (x, y) offset
    """
    height, width = rgb.shape[:2]
    scale = SIDE / max(height, width)
    fitted_height, fitted_width = max(1, round(height * scale)), max(1, round(width * scale))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    box = np.full((SIDE, SIDE, 4), 128, np.uint8)
    box[..., 3] = 0
    y, x = (SIDE - fitted_height) // 2, (SIDE - fitted_width) // 2
    box[y : y + fitted_height, x : x + fitted_width, :3] = cv2.resize(
        rgb, (fitted_width, fitted_height), interpolation=smooth
    )
    box[y : y + fitted_height, x : x + fitted_width, 3] = 255
    return box, scale, np.array([x, y], np.float64)


def outline(rgb: np.ndarray, whole_size: tuple[int, int]) -> Outline:
    """Look at an upright (H, W, 3) uint8 picture; `whole_size` is (height, width) of what it is a reduction of."""
    box, scale, offset = letterbox(rgb)
    scale *= max(rgb.shape[:2]) / max(whole_size)
    with torch.inference_mode():
        picture = torch.from_numpy(box).permute(2, 0, 1)[None].float() / 255
        cover, kind, status, upward = _network()(picture)
        return Outline(
            cover[0].sigmoid().numpy(),
            kind[0].softmax(0).numpy(),
            status[0].softmax(0).numpy(),
            upward[0].numpy(),
            scale,
            offset,
        )


@cache
def _network() -> OutlineNetwork:
    network = OutlineNetwork()
    network.load_state_dict(torch.load(WEIGHTS, map_location="cpu", weights_only=True))
    return folded(network)
