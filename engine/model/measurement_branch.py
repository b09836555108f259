"""The measurement branch: encodes the measurements of both sides as one vector per card."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.measure.side.features import FEATURE_NAMES
from engine.model.standardization import Standardized

MEASUREMENT_FEATURES = 64


class MeasurementBranch(Standardized):
    """Two linear layers over the measurements of both sides and their missing mask.

    Beside frozen encoders the measurements are standardized, as the encoders' features are.
    """

    def __init__(self) -> None:
        super().__init__(2, len(FEATURE_NAMES))
        self.layers = nn.Sequential(
            nn.Linear(4 * len(FEATURE_NAMES), MEASUREMENT_FEATURES),
            nn.ReLU(),
            nn.Linear(MEASUREMENT_FEATURES, MEASUREMENT_FEATURES),
            nn.ReLU(),
        )

    def forward(self, measured: Tensor) -> Tensor:
        """(B, 2, 2, F) from `with_missing_mask` -> (B, 64)."""
        values, available = measured.unbind(dim=2)
        return self.layers(torch.stack([self.standardize(values) * available, available], dim=2).flatten(1))


def with_missing_mask(measured: Tensor, present: Tensor) -> Tensor:
    """Stack the measurements with a mask of the available ones: 0 is also the value of a perfect card.

    measured  (B, 2, F) float, NaN where not measured
    present   (B, 2) bool; all measurements of an absent side are masked
    returns   (B, 2, 2, F): the values, 0 where missing; then the mask, 1 where there is a value, else 0
    """
    available = ~measured.isnan() & present[:, :, None]
    return torch.stack([measured.where(available, 0.0), available.to(measured.dtype)], dim=2)
