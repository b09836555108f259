"""An exportable copy of the network: no shape depends on which sides are present, as a static graph requires.

The outputs equal those of the network in eval mode. There only the cards that have a side pass its encoder; here all
cards pass it, and the learned vector replaces the features of a missing side.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from engine.model.dual_branch import DualBranch, SideEncoder
from engine.model.region_branch import RegionBranch


class ExportSide(SideEncoder):
    """A `SideEncoder` for eval mode only; shares the weights of `side`."""

    def __init__(self, side: SideEncoder) -> None:
        super().__init__(side.encoder, side.attention, 0, side.pooling)
        self.missing, self.center, self.scale = side.missing, side.center, side.scale

    def forward(self, channels: Tensor, present: Tensor) -> Tensor:
        """channels (B, 6 or 3, S, S) in [0, 1], present (B,) bool -> (B, features)."""
        return torch.where(present[:, None], self.encode(channels), self.missing)


class ExportRegions(RegionBranch):
    """A `RegionBranch` for eval mode only, with a copy of the weights of `branch`."""

    def __init__(self, branch: RegionBranch) -> None:
        super().__init__()
        self.load_state_dict(branch.state_dict())

    def features(self, crops: Tensor, present: Tensor) -> Tensor:
        """(B, 2, 8, 3, 9216) and (B, 2) bool -> (B, 2, 8, 64); 0 for a missing side."""
        encoded = self.encode(crops.flatten(0, 1)).unflatten(0, (-1, 2))
        return torch.where(present[:, :, None, None], encoded + self.place, torch.zeros_like(encoded))


def to_exportable(network: DualBranch) -> DualBranch:
    """Copy the network to the CPU, in eval mode, without a shape that depends on which sides are present."""
    exportable = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format)
    exportable.front, exportable.back = ExportSide(exportable.front), ExportSide(exportable.back)
    if exportable.regions is not None:
        exportable.regions = ExportRegions(exportable.regions)
    return exportable.eval()
