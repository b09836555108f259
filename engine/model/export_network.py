"""The network with every row passing every layer: no shape depends on what the rows hold, so that it can be a graph.

For each card it says what the network itself says in eval mode. There only the cards that have a side pass its encoder;
here all do, and the learned vector takes the place of what a missing side gave.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from engine.model.dual_branch import DualBranch, Side
from engine.model.region_branch import RegionBranch


class WholeSide(Side):
    """A `Side` for eval mode alone, with its weights."""

    def __init__(self, own: Side) -> None:
        super().__init__(own.encoder, own.attention, own.missing.shape[0])
        self.missing = own.missing

    def forward(self, channels: Tensor, present: Tensor) -> Tensor:
        """channels (B, 6 or 3, S, S) in [0, 1], present (B,) bool -> (B, features)."""
        return torch.where(present[:, None], self.read(channels), self.missing)


class WholeRegions(RegionBranch):
    """A `RegionBranch` for eval mode alone, with its weights."""

    def __init__(self, own: RegionBranch) -> None:
        super().__init__()
        self.load_state_dict(own.state_dict())

    def features(self, pieces: Tensor, present: Tensor) -> Tensor:
        """(B, 2, 8, 3, 9216) and (B, 2) bool -> (B, 2, 8, 64); 0 where a side is missing."""
        read = self.read(pieces.flatten(0, 1)).unflatten(0, (-1, 2))
        return torch.where(present[:, :, None, None], read + self.place, torch.zeros_like(read))


def whole(network: DualBranch) -> DualBranch:
    """A copy on the CPU, in eval mode, without a shape that depends on which sides are there."""
    copied = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format)
    copied.front, copied.back = WholeSide(copied.front), WholeSide(copied.back)
    if copied.regions is not None:
        copied.regions = WholeRegions(copied.regions)
    return copied.eval()
