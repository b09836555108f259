"""A second small network's look along each side of a rough outline: at which depth does the card end there?

A printed frame, a sleeve and a case run along a card's edge and are often the clearer line. Which line is the card's
is a question of what lies on both sides of it, all around; so the four sides are looked at together.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.detection.blocks import convolution, doubled, folded
from engine.image.quads import directions

# Positions along a side, as shares of its length: corners are rounded, worn, or under a finger.
ALONG = (0.04, 0.96)
SEEN_POSITIONS = 32
POSITIONS = SEEN_POSITIONS // 2
DEPTHS = 64
WEIGHTS = Path(__file__).with_name("edge_network.pt")


class EndsNetwork(nn.Module):
    """Three scales over a strip along a side; the four sides of a card share one summary."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = convolution(4, 16)
        self.coarser = nn.Sequential(convolution(16, 32, 2), convolution(32, 32))
        self.coarsest = nn.Sequential(convolution(32, 64, 2), convolution(64, 64))
        self.summary = nn.Sequential(nn.Linear(2 * 64, 64), nn.ReLU())
        self.everywhere = nn.Linear(2 * 64, 64)
        self.across = convolution(64, 64)
        self.up_coarser = convolution(64 + 32, 32)
        self.up_fine = convolution(32 + 16, 16)
        self.depth = nn.Conv2d(16, 1, 3, 1, 1)
        self.is_card = nn.Linear(64, 1)

    def forward(self, strips: Tensor) -> tuple[Tensor, Tensor]:
        """Look at the strips along the four sides of outlines.

        strips   (B, 4, 4, SEEN_POSITIONS, DEPTHS) float in [0, 1]: sides, then RGB and 1 where the picture is
        returns  logits over the depths, (B, 4, POSITIONS, DEPTHS), and of one card being there, (B,)
        """
        pictures = len(strips)
        fine = self.fine(strips.flatten(0, 1) - 0.5)
        coarser = self.coarser(fine)
        coarsest = self.coarsest(coarser)
        own = torch.cat([coarsest.mean(dim=(2, 3)), coarsest.amax(dim=(2, 3))], dim=1)
        shared = self.summary(own).view(pictures, 4, -1).mean(dim=1)
        told = torch.cat([self.summary(own), shared.repeat_interleave(4, dim=0)], dim=1)
        coarsest = self.across(coarsest + self.everywhere(told)[:, :, None, None])
        up = self.up_coarser(torch.cat([doubled(coarsest), coarser], dim=1))
        fine = F.avg_pool2d(fine, (2, 1))
        up = F.interpolate(up, scale_factor=(1.0, 2.0), mode="nearest")
        logits = self.depth(self.up_fine(torch.cat([up, fine], dim=1)))
        return logits.view(pictures, 4, POSITIONS, DEPTHS), self.is_card(shared)[:, 0]


def positions(count: int) -> np.ndarray:
    """Where the centres of `count` equal pieces of a side's straight part lie: (count,) shares of its length."""
    return ALONG[0] + (np.arange(count) + 0.5) / count * (ALONG[1] - ALONG[0])


def depths(reach_px: float) -> np.ndarray:
    """The depths that are told apart: (DEPTHS,) pixels outward, their middle on the side itself."""
    return ((np.arange(DEPTHS) + 0.5) / DEPTHS * 2 - 1) * reach_px


def strips_along(rgb: np.ndarray, quad: np.ndarray, reach_px: float) -> np.ndarray:
    """What the network sees around a quad.

    rgb      (H, W, 3) uint8
    quad     (4, 2) clockwise pixels
    returns  (4, SEEN_POSITIONS, DEPTHS, 4) uint8, outward last; its fourth channel 255 inside the picture
    """
    _, normals = directions(quad)
    onward = quad[[1, 2, 3, 0]]
    at = quad[:, None] + (onward - quad)[:, None] * positions(SEEN_POSITIONS)[None, :, None]
    at = (at[:, :, None] + normals[:, None, None] * depths(reach_px)[None, None, :, None]).astype(np.float32)
    x, y = (np.ascontiguousarray(at[..., k]).reshape(4 * SEEN_POSITIONS, DEPTHS) for k in (0, 1))
    seen = cv2.remap(rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (x > -0.5) & (x < rgb.shape[1] - 0.5) & (y > -0.5) & (y < rgb.shape[0] - 0.5)
    strips = np.concatenate([seen, inside[..., None].astype(np.uint8) * np.uint8(255)], axis=-1)
    return strips.reshape(4, SEEN_POSITIONS, DEPTHS, 4)


def as_input(strips: np.ndarray) -> Tensor:
    """(..., P, D, 4) uint8 strips to (..., 4, P, D) float in [0, 1]."""
    return torch.from_numpy(strips).movedim(-1, -3).float() / 255


def likely_ends(rgb: np.ndarray, quad: np.ndarray, reach_px: float) -> tuple[np.ndarray, float]:
    """How likely the card ends at each depth along each side of a rough quad.

    returns  (4, POSITIONS, DEPTHS) float32 probabilities, each position's summing to 1, and that of one card in there
    """
    with torch.inference_mode():
        logits, is_card = _network()(as_input(strips_along(rgb, quad, reach_px))[None])
        return logits[0].softmax(dim=-1).numpy(), float(is_card[0].sigmoid())


@cache
def _network() -> EndsNetwork:
    network = EndsNetwork()
    network.load_state_dict(torch.load(WEIGHTS, map_location="cpu", weights_only=True))
    return folded(network)
