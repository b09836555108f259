"""Second-stage network: per position along each side, the offset from the rough outline to the card's edge.

A printed frame, a sleeve and a case run parallel to a card's edge and often have more contrast. Only the appearance on
both sides of a line, along the whole outline, distinguishes them; so the network sees the four sides together.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.detection.blocks import conv_bn_relu, fuse_for_inference, upsample_2x
from engine.image.quads import side_directions
from engine.storage.checkpoint import load_weights

# Sampled part of a side, as fractions of its length: corners are rounded, worn, or under a finger.
SIDE_SPAN = (0.04, 0.96)
INPUT_POSITIONS = 32
POSITIONS = INPUT_POSITIONS // 2
DEPTHS = 64
WEIGHTS = Path(__file__).with_name("edge_network.pt")


class EdgeNetwork(nn.Module):
    """Three-scale encoder-decoder over the strip along each side, with one context vector for the four sides."""

    def __init__(self) -> None:
        super().__init__()
        # The attribute names are the keys of the shipped weights.
        self.fine = conv_bn_relu(4, 16)
        self.coarser = nn.Sequential(conv_bn_relu(16, 32, 2), conv_bn_relu(32, 32))
        self.coarsest = nn.Sequential(conv_bn_relu(32, 64, 2), conv_bn_relu(64, 64))
        self.summary = nn.Sequential(nn.Linear(2 * 64, 64), nn.ReLU())
        self.everywhere = nn.Linear(2 * 64, 64)
        self.across = conv_bn_relu(64, 64)
        self.up_coarser = conv_bn_relu(64 + 32, 32)
        self.up_fine = conv_bn_relu(32 + 16, 16)
        self.depth = nn.Conv2d(16, 1, 3, 1, 1)
        self.is_card = nn.Linear(64, 1)

    def forward(self, strips: Tensor) -> tuple[Tensor, Tensor]:
        """Return edge logits and card logits for the strips along the four sides of quads.

        strips   (B, 4, 4, INPUT_POSITIONS, DEPTHS) float in [0, 1]: side, then RGB and a mask, 1 inside the picture
        returns  edge logits over the depths, (B, 4, POSITIONS, DEPTHS), and logits for exactly one card, (B,)
        """
        batch_size = len(strips)
        fine = self.fine(strips.flatten(0, 1) - 0.5)
        coarser = self.coarser(fine)
        coarsest = self.coarsest(coarser)
        pooled = torch.cat([coarsest.mean(dim=(2, 3)), coarsest.amax(dim=(2, 3))], dim=1)
        card_context = self.summary(pooled).view(batch_size, 4, -1).mean(dim=1)
        context = torch.cat([self.summary(pooled), card_context.repeat_interleave(4, dim=0)], dim=1)
        coarsest = self.across(coarsest + self.everywhere(context)[:, :, None, None])
        up = self.up_coarser(torch.cat([upsample_2x(coarsest), coarser], dim=1))
        fine = F.avg_pool2d(fine, (2, 1))
        up = F.interpolate(up, scale_factor=(1.0, 2.0), mode="nearest")
        logits = self.depth(self.up_fine(torch.cat([up, fine], dim=1)))
        return logits.view(batch_size, 4, POSITIONS, DEPTHS), self.is_card(card_context)[:, 0]


def position_fractions(count: int) -> np.ndarray:
    """Return the centers of `count` equal segments of a side's sampled part: (count,) fractions of its length."""
    return SIDE_SPAN[0] + (np.arange(count) + 0.5) / count * (SIDE_SPAN[1] - SIDE_SPAN[0])


def depth_offsets_px(reach_px: float) -> np.ndarray:
    """Return the offsets of the depth bins from a side: (DEPTHS,) pixels, outward positive, centered on the side."""
    return ((np.arange(DEPTHS) + 0.5) / DEPTHS * 2 - 1) * reach_px


def sample_strips(rgb: np.ndarray, quad: np.ndarray, reach_px: float) -> np.ndarray:
    """Sample the picture in strips along the four sides of a quad.

    rgb       (H, W, 3) uint8
    quad      (4, 2) clockwise pixels
    reach_px  half the width of a strip
    returns   (4, INPUT_POSITIONS, DEPTHS, 4) uint8, depths from inside to outside; the fourth channel is 255 inside
              the picture
    """
    _, normals = side_directions(quad)
    next_corner = quad[[1, 2, 3, 0]]
    on_side = quad[:, None] + (next_corner - quad)[:, None] * position_fractions(INPUT_POSITIONS)[None, :, None]
    offsets_px = depth_offsets_px(reach_px)[None, None, :, None]
    points = (on_side[:, :, None] + normals[:, None, None] * offsets_px).astype(np.float32)
    x, y = (np.ascontiguousarray(points[..., k]).reshape(4 * INPUT_POSITIONS, DEPTHS) for k in (0, 1))
    sampled = cv2.remap(rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (x > -0.5) & (x < rgb.shape[1] - 0.5) & (y > -0.5) & (y < rgb.shape[0] - 0.5)
    strips = np.concatenate([sampled, inside[..., None].astype(np.uint8) * np.uint8(255)], axis=-1)
    return strips.reshape(4, INPUT_POSITIONS, DEPTHS, 4)


def strips_to_tensor(strips: np.ndarray) -> Tensor:
    """Convert (..., P, D, 4) uint8 strips to (..., 4, P, D) float in [0, 1]."""
    return torch.from_numpy(strips).movedim(-1, -3).float() / 255


def predict_edges(rgb: np.ndarray, quad: np.ndarray, reach_px: float) -> tuple[np.ndarray, float]:
    """Predict at which depth the card's edge is, along each side of a rough quad.

    returns  (4, POSITIONS, DEPTHS) float32 probabilities, summing to 1 over the depths, and the probability of exactly
             one card
    """
    with torch.inference_mode():
        logits, is_card = _network()(strips_to_tensor(sample_strips(rgb, quad, reach_px))[None])
        return logits[0].softmax(dim=-1).numpy(), float(is_card[0].sigmoid())


@cache
def _network() -> EdgeNetwork:
    network = EdgeNetwork()
    network.load_state_dict(load_weights(WEIGHTS))
    return fuse_for_inference(network)
