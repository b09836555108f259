"""Exponential moving average (EMA) of the network's weights, which is validated and saved."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def average_weights(network: nn.Module, decay: float) -> AveragedModel:
    """EMA of a network's weights over training steps, added by `update_parameters(network)`.

    The running statistics of batch normalization are averaged like the weights; integer tensors are copied. The decay
    is at most n / (n + 9) at the n-th step, so that the average of a short run does not stay near its random initial
    weights (as in TensorFlow's ExponentialMovingAverage).
    Worked: decay .999 is .1 at the first step, .91 at the 91st, .999 from the 8991st.
    """

    @torch.no_grad()
    def average(means: Tensors, weights: Tensors, steps: Tensor | int) -> None:
        if means[0].is_floating_point():
            torch._foreach_lerp_(means, weights, 1 - min(decay, int(steps) / (int(steps) + 9)))
        else:
            torch._foreach_copy_(means, weights)

    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    set_steps(averaged, 0)
    return averaged.requires_grad_(False)


def set_steps(averaged: AveragedModel, steps: int) -> None:
    """Set the number of steps averaged so far, as for an average loaded from a checkpoint."""
    # Counted from 1: at 0, torch replaces the average by the weights instead of averaging both.
    averaged.n_averaged.fill_(steps + 1)
