"""The moving average of a network's weights: what is validated and saved."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import nn


class Average:
    """An exponential moving average over training steps; with decay 0 it is the network itself, and costs nothing.

    The running statistics of batch normalisation are averaged like the weights, so that the two belong together; whole
    numbers are copied. Early on the decay is (1 + steps) / (10 + steps) where that is lower, so that a short run's
    average is not held back at the random weights it began with (as in TensorFlow's ExponentialMovingAverage).
    Worked: decay .999 after 0 steps counts as .1, after 90 as .91, after 8990 as .999.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._source, self._decay = network, decay
        self.module = deepcopy(network).requires_grad_(False) if decay else network

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take in the network's weights after one more step, `steps` having been taken before it."""
        if self.module is self._source:
            return
        share = 1 - min(self._decay, (1 + steps) / (10 + steps))
        for mean, new in zip(self.module.state_dict().values(), self._source.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(new, share)
            else:
                mean.copy_(new)

    def state_dict(self) -> dict[str, Any]:
        """What load_state_dict needs to go on exactly; nothing where the average is the network."""
        return {} if self.module is self._source else self.module.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where state_dict was taken."""
        if self.module is not self._source:
            self.module.load_state_dict(state)
