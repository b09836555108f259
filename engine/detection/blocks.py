"""The pieces that the finder's two networks are made of."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3 x 3, normalised, rectified."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def doubled(features: Tensor) -> Tensor:
    """Twice as high and wide, each cell repeated."""
    return F.interpolate(features, scale_factor=2, mode="nearest")


def folded(network: Network) -> Network:
    """Ready for looking only: evaluation mode, with every normalisation folded into the convolution before it.

    Channels last in memory: a fifth to two fifths less time on one thread.
    """
    network.eval()
    for block in network.modules():
        if not isinstance(block, nn.Sequential):
            continue
        first, second = block[0], block[1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            block[0], block[1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return network.to(memory_format=torch.channels_last)
