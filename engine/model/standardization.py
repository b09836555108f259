"""Standardization of features by their mean and deviation over the training cards."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# Added to the deviation of a feature, which is 0 if no training card has it. ReLU6 features are within 0 and 6.
MIN_DEVIATION = 0.01


class Standardized(nn.Module):
    """Base of a module whose features are standardized once `fit_standardization` was called, and unchanged before.

    Without it fusion layers above a frozen encoder learn slowly.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, *shape: int) -> None:
        """Shape of the features of one card."""
        super().__init__()
        self.register_buffer("center", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def fit_standardization(self, features: Tensor) -> None:
        """Set mean and deviation from (N, ...) features, NaN where missing, unless a former run has set them."""
        known = ~features.isnan()
        count = known.sum(dim=0)
        if len(features) < 2 or self.center.any():
            return
        mean = features.nan_to_num().sum(dim=0) / count.clamp(min=1)
        squares = ((features - mean).nan_to_num() ** 2).sum(dim=0)
        enough = count > 1
        self.center.copy_(torch.where(enough, mean, 0.0))
        self.scale.copy_(torch.where(enough, (squares / (count - 1).clamp(min=1)).sqrt() + MIN_DEVIATION, 1.0))

    def standardize(self, features: Tensor) -> Tensor:
        """(B, ...) features -> the same shape, standardized."""
        return (features - self.center) / self.scale

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # Earlier versions saved no mean and deviation.
        for name in ("center", "scale"):
            state_dict.setdefault(f"{prefix}{name}", getattr(self, name))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
