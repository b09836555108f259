"""First-stage network: a segmentation mask of the card, the kind and status of the picture, the print's up direction.

Its input is 192 pixels wide, so the mask gives a rough outline only; `subpixel_edges` measures the sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from engine.detection.blocks import conv_bn_relu, fuse_for_inference, upsample_2x
from engine.image.detection import PictureKind
from engine.storage.checkpoint import load_weights

INPUT_SIDE = 192
MASK_STRIDE = 2
KINDS: tuple[PictureKind, ...] = ("photo", "scan", "slab")
STATUSES = ("one", "none", "many", "cut")
WEIGHTS = Path(__file__).with_name("segmentation.pt")


@dataclass(frozen=True)
class Segmentation:
    """Output of the network for one picture.

    mask     (INPUT_SIDE / 2, INPUT_SIDE / 2) float32 in [0, 1], probability of card
    kind     (3,) float32, probabilities of KINDS
    status   (4,) float32, probabilities of STATUSES
    upward   (2,) float32, direction (x, y) of the print's top; its length, 0 to about 1, is its confidence
    scale    pixels of the letterboxed input per pixel of the picture
    offset   (2,) position of the picture's upper left corner in the letterboxed input
    """

    mask: np.ndarray
    kind: np.ndarray
    status: np.ndarray
    upward: np.ndarray
    scale: float
    offset: np.ndarray

    @property
    def picture_kind(self) -> PictureKind:
        """Most probable kind of the picture."""
        return KINDS[int(self.kind.argmax())]

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Convert (N, 2) pixel centers of `mask` to pixel centers of the picture."""
        return ((points + 0.5) * MASK_STRIDE - self.offset) / self.scale - 0.5


class SegmentationNetwork(nn.Module):
    """Encoder of five scales and decoder of three: a mask at half the input's size, and picture-level outputs."""

    def __init__(self) -> None:
        super().__init__()
        # The attribute names are the keys of the shipped weights.
        self.down_2 = conv_bn_relu(4, 16, 2)
        self.down_4 = nn.Sequential(conv_bn_relu(16, 32, 2), conv_bn_relu(32, 32))
        self.down_8 = nn.Sequential(conv_bn_relu(32, 64, 2), conv_bn_relu(64, 64))
        self.down_16 = nn.Sequential(conv_bn_relu(64, 96, 2), conv_bn_relu(96, 96))
        self.down_32 = nn.Sequential(conv_bn_relu(96, 128, 2), conv_bn_relu(128, 128))
        self.context = nn.Linear(128, 96)
        self.up_16 = conv_bn_relu(128 + 96, 96)
        self.up_8 = conv_bn_relu(96 + 64, 64)
        self.up_4 = conv_bn_relu(64 + 32, 32)
        self.cover = nn.Sequential(nn.Conv2d(32, 4, 3, 1, 1), nn.PixelShuffle(2))
        self.words = nn.Sequential(nn.Linear(2 * 128, 128), nn.ReLU(), nn.Linear(128, len(KINDS) + len(STATUSES) + 2))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return mask logits and picture-level outputs of letterboxed pictures.

        picture  (B, 4, INPUT_SIDE, INPUT_SIDE) float in [0, 1]: RGB, and 1 on the picture and 0 on the padding
        returns  mask logits (B, INPUT_SIDE / 2, INPUT_SIDE / 2), kind logits (B, 3), status logits (B, 4),
                 upward (B, 2)
        """
        quarter = self.down_4(self.down_2(picture))
        eighth = self.down_8(quarter)
        sixteenth = self.down_16(eighth)
        thirty_second = self.down_32(sixteenth)
        pooled = thirty_second.mean(dim=(2, 3))
        context = self.context(pooled)[:, :, None, None]
        up = self.up_16(torch.cat([upsample_2x(thirty_second), sixteenth + context], dim=1))
        up = self.up_8(torch.cat([upsample_2x(up), eighth], dim=1))
        up = self.up_4(torch.cat([upsample_2x(up), quarter], dim=1))
        picture_outputs = self.words(torch.cat([pooled, thirty_second.amax(dim=(2, 3))], dim=1))
        kind, status, upward = picture_outputs.split([len(KINDS), len(STATUSES), 2], dim=1)
        return self.cover(up)[:, 0], kind, status, upward


def letterbox(rgb: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Scale a picture to fit INPUT_SIDE x INPUT_SIDE, centered on gray.

    rgb      (H, W, 3) uint8
    returns  (INPUT_SIDE, INPUT_SIDE, 4) uint8, its fourth channel 255 on the picture; the scale; the (x, y) offset
    """
    height, width = rgb.shape[:2]
    scale = INPUT_SIDE / max(height, width)
    fitted_height, fitted_width = max(1, round(height * scale)), max(1, round(width * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    box = np.full((INPUT_SIDE, INPUT_SIDE, 4), 128, np.uint8)
    box[..., 3] = 0
    y, x = (INPUT_SIDE - fitted_height) // 2, (INPUT_SIDE - fitted_width) // 2
    box[y : y + fitted_height, x : x + fitted_width, :3] = cv2.resize(
        rgb, (fitted_width, fitted_height), interpolation=interpolation
    )
    box[y : y + fitted_height, x : x + fitted_width, 3] = 255
    return box, scale, np.array([x, y], np.float64)


def segment(rgb: np.ndarray, picture_size: tuple[int, int]) -> Segmentation:
    """Segment an upright (H, W, 3) uint8 picture, a reduced copy of one of (height, width) `picture_size`."""
    box, scale, offset = letterbox(rgb)
    scale *= max(rgb.shape[:2]) / max(picture_size)
    with torch.inference_mode():
        picture = torch.from_numpy(box).permute(2, 0, 1)[None].float() / 255
        mask, kind, status, upward = _network()(picture)
        return Segmentation(
            mask[0].sigmoid().numpy(),
            kind[0].softmax(0).numpy(),
            status[0].softmax(0).numpy(),
            upward[0].numpy(),
            scale,
            offset,
        )


@cache
def _network() -> SegmentationNetwork:
    network = SegmentationNetwork()
    network.load_state_dict(load_weights(WEIGHTS))
    return fuse_for_inference(network)
