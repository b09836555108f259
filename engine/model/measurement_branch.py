"""The measured branch: what was measured on both sides, in millimetres and shares, to one vector a card."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.measure.side.features import FEATURES

MEASURED_FEATURES = 64


class MeasuredBranch(nn.Module):
    """Two layers over both sides' values and over which of them were measured."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4 * len(FEATURES), MEASURED_FEATURES),
            nn.ReLU(),
            nn.Linear(MEASURED_FEATURES, MEASURED_FEATURES),
            nn.ReLU(),
        )

    def forward(self, measured: Tensor) -> Tensor:
        """(B, 2, 2, F), as `told_and_seen` gives them -> (B, 64)."""
        return self.layers(measured.flatten(1))


def told_and_seen(measured: Tensor, present: Tensor) -> Tensor:
    """Values and which of them there are: 0 is also what a perfect card measures, so a gap must be told apart.

    measured  (B, 2, F) float, NaN where not measured
    present   (B, 2) bool: of a side that is not looked at, nothing was measured
    returns   (B, 2, 2, F): the values, 0 in the gaps; then 1 where there is a value, else 0
    """
    seen = ~measured.isnan() & present[:, :, None]
    return torch.stack([measured.where(seen, 0.0), seen.to(measured.dtype)], dim=2)
