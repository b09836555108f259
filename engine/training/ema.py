"""Exponential moving average (EMA) of the network's weights, which is validated and saved."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import nn


class ModelEma:
    """EMA over training steps; with decay 0, the network itself at no cost.

    The running statistics of batch normalization are averaged like the weights; integer tensors are copied. The decay
    is at most (1 + steps) / (10 + steps), so that the average of a short run does not stay near its random initial
    weights (as in TensorFlow's ExponentialMovingAverage).
    Worked: decay .999 is .1 after 0 steps, .91 after 90, .999 after 8990.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._source, self._decay = network, decay
        self.module = deepcopy(network).requires_grad_(False) if decay else network

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Add the network's weights after a training step; `steps` is the number of steps before it."""
        if self.module is self._source:
            return
        weight = 1 - min(self._decay, (1 + steps) / (10 + steps))
        for mean, new in zip(self.module.state_dict().values(), self._source.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(new, weight)
            else:
                mean.copy_(new)

    def state_dict(self) -> dict[str, Any]:
        """Averaged weights; empty if the average is the network itself."""
        return {} if self.module is self._source else self.module.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of state_dict."""
        if self.module is not self._source:
            self.module.load_state_dict(state)
