"""Building blocks of the two detection networks."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def conv_bn_relu(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Build a 3 x 3 convolution, batch normalization and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def upsample_2x(features: Tensor) -> Tensor:
    """Double the height and the width by nearest-neighbor interpolation."""
    return F.interpolate(features, scale_factor=2, mode="nearest")


def fuse_for_inference(network: Network) -> Network:
    """Prepare a network for inference, in place: eval mode, each batch normalization fused into its convolution.

    The channels-last memory format saves 20 to 40 % of the time on one thread.
    """
    network.eval()
    for block in network.modules():
        if not isinstance(block, nn.Sequential):
            continue
        first, second = block[0], block[1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            block[0], block[1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return network.to(memory_format=torch.channels_last)
