"""CBAM: channel attention, then spatial attention with the card's rim as an extra input channel.

Source: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018; the rim mask is from the training history.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

RIM_FRACTION = 0.07
CARD_ASPECT = 63.0 / 88.0
# A cell belongs to the rim if the band covers at least a tenth of it along either axis: enough to leave out a cell that
# the band only grazes, little enough that a 3 x 3 map (96 px) still has its ring.
MIN_COVERED_FRACTION = 0.1


def rim_mask(height: int, width: int) -> Tensor:
    """Mask of the feature-map cells on the outer 7 % of a card centered in a canvas of the map's proportions.

    returns  (1, 1, height, width) float, 1 on the rim and 0 elsewhere; the card fills the canvas in one direction: of a
             square its full height and 63 / 88 of its width. From 3 x 3 on, the middle is 0 and each of the card's four
             sides has a rim.
    """
    rows, inside_rows = _band(height, min(1.0, width / height / CARD_ASPECT))
    columns, inside_columns = _band(width, min(1.0, height / width * CARD_ASPECT))
    rim = (rows[:, None] & inside_columns[None, :]) | (columns[None, :] & inside_rows[:, None])
    return rim.float()[None, None]


def _band(cells: int, span: float) -> tuple[Tensor, Tensor]:
    """Masks along one axis, (cells,) bool each: cells on the band at either end of the card, cells on the card."""
    start, end = (1 - span) / 2, (1 + span) / 2
    low = torch.arange(cells, dtype=torch.float64) / cells
    high = low + 1 / cells

    def covers(left: float, right: float) -> Tensor:
        return (high.clamp(max=right) - low.clamp(min=left)) * cells >= MIN_COVERED_FRACTION

    return covers(start, start + RIM_FRACTION * span) | covers(end - RIM_FRACTION * span, end), covers(start, end)


class ChannelAttention(nn.Module):
    """Weigh each feature channel by a gate computed from its mean and its maximum over the map."""

    def __init__(self, features: int, reduction: int = 16) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(features, features // reduction, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(features // reduction, features, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape, gated by channel."""
        mean, peak = x.mean(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.gate(mean) + self.gate(peak))


class SpatialAttention(nn.Module):
    """Weigh each position by a gate computed from the mean and maximum of its channels and, if `rim`, the rim mask."""

    def __init__(self, *, rim: bool) -> None:
        super().__init__()
        self.rim = rim
        self.gate = nn.Conv2d(2 + rim, 1, kernel_size=7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape, gated by position."""
        maps = [x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)]
        if self.rim:
            maps.append(rim_mask(*x.shape[2:]).to(x).expand(x.shape[0], -1, -1, -1))
        return x * torch.sigmoid(self.gate(torch.cat(maps, dim=1)))


class CBAM(nn.Sequential):
    """Channel attention, then spatial attention: (B, C, h, w) -> the same shape."""

    def __init__(self, features: int, *, rim: bool = True) -> None:
        super().__init__(ChannelAttention(features), SpatialAttention(rim=rim))
