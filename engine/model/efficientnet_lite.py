"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6, so that it quantizes and exports well.

Source: Tan and Le, "EfficientNet", ICML 2019; the lite variants are those of TensorFlow's `efficientnet/lite` (2020).
"""

from __future__ import annotations

from math import ceil, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Repeats, kernel size, stride of the first block, expansion, output channels; width and depth 1.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
# Width and depth of the variants; stem, head and the repeats of the first and last stage do not scale.
SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite2": (1.1, 1.2)}
# Channel counts are multiples of this, and at least .9 of the exact value.
DIVISOR = 8


class SamePaddingConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: ceil(size / stride) outputs, the odd padding pixel at the end."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', ceil(H / stride), ceil(W / stride))."""
        if self.groups > 1 and features.is_cpu and (features.requires_grad or self.weight.requires_grad):
            # On a CPU the backward pass of a depthwise bf16 convolution takes most of the time of a step.
            with torch.autocast("cpu", enabled=False):
                return self._convolve(features.float()).to(features.dtype)
        return self._convolve(features)

    def _convolve(self, features: Tensor) -> Tensor:
        sizes = zip(features.shape[-2:], self.kernel_size, self.stride, strict=True)
        vertical, horizontal = (_same_padding(size, kernel, stride) for size, kernel, stride in sizes)
        padding = vertical[0], horizontal[0]
        if padding != (vertical[1], horizontal[1]):
            features, padding = F.pad(features, (*horizontal, *vertical)), (0, 0)
        # Equal padding is left to the convolution: a padded copy took a tenth of the time of the network.
        return F.conv2d(features, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and linear projection, with a shortcut if the shape is kept.

    Source: Sandler et al., "MobileNetV2", CVPR 2018.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = _conv_bn_relu(inputs, hidden, 1) if expansion > 1 else ()
        depthwise = _conv_bn_relu(hidden, hidden, kernel_size, stride=stride, groups=hidden)
        project = (SamePaddingConv2d(hidden, outputs, 1, bias=False), _batch_norm(outputs))
        self.layers = nn.Sequential(*expand, *depthwise, *project)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        return features + self.layers(features) if self.has_shortcut else self.layers(features)


def efficientnet_lite(name: str) -> nn.Sequential:
    """Build the trunk of a variant of SCALES: (B, 3, H, W) -> (B, 1280, ceil(H / 32), ceil(W / 32)).

    Its tensors are in the order of TensorFlow's network: stem, blocks, head.
    """
    width, depth = SCALES[name]
    layers: list[nn.Module] = [*_conv_bn_relu(3, STEM_CHANNELS, 3, stride=2)]
    channels = STEM_CHANNELS
    for index, (repeats, kernel_size, stride, expansion, base_channels) in enumerate(STAGES):
        outputs = _scaled_channels(base_channels, width)
        count = repeats if index in (0, len(STAGES) - 1) else ceil(depth * repeats)
        for block in range(count):
            first_stride = stride if block == 0 else 1
            layers.append(
                InvertedResidual(channels, outputs, kernel_size=kernel_size, stride=first_stride, expansion=expansion)
            )
            channels = outputs
    trunk = nn.Sequential(*layers, *_conv_bn_relu(channels, HEAD_CHANNELS, 1))
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            # He initialization by fan-out; of a depthwise convolution each group counts by itself.
            fan_out = module.weight[:, 0].numel() / module.groups
            nn.init.normal_(module.weight, std=sqrt(2 / fan_out))
    return trunk


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after. Worked: 224 pixels, kernel 3, stride 2: (0, 1)."""
    total = max((ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _conv_bn_relu(
    inputs: int, outputs: int, kernel_size: int, *, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = SamePaddingConv2d(inputs, outputs, kernel_size, stride=stride, groups=groups, bias=False)
    return convolution, _batch_norm(outputs), nn.ReLU6(inplace=True)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _scaled_channels(channels: int, width: float) -> int:
    """Nearest multiple of DIVISOR. Worked: 24 channels, width 1.1: 26.4 -> 24."""
    exact = channels * width
    rounded = max(DIVISOR, int(exact + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * exact else rounded
