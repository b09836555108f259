"""8-bit quantization of stored weights: int8 values and one step per output channel; a quarter of the file size.

The step of a channel is its largest absolute weight / 127: no weight is clipped, the error is at most half a step.
Source: Jacob et al., "Quantization and Training of Neural Networks", CVPR 2018 (symmetric, per channel). Weights are
dequantized to float32 on loading; all computation is in float.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor

MAX_INT8 = 127
# Smaller tensors stay in float: all those of two encoders together are 0.3 MB.
MIN_WEIGHTS = 4096


class QuantizedWeights(TypedDict):
    """Quantized tensors by name: weight [c, ...] is whole[c, ...] x steps[c]."""

    whole: dict[str, Tensor]  # int8, -127 to 127, shape of the weights
    steps: dict[str, Tensor]  # float32, (channels,); 1 for a channel of zeros


def is_quantized(weights: Tensor) -> bool:
    """Return True if a tensor is stored in 8 bits: a large weight of a convolution or linear layer."""
    return weights.is_floating_point() and weights.ndim >= 2 and weights.numel() >= MIN_WEIGHTS


def quantize_tensor(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Quantize (C, ...) float weights to int8 values of the same shape and (C,) float32 steps.

    Worked: a channel (1, -0.5, 0.001) has the step 1 / 127 and becomes (127, -64, 0): ties round to even.
    """
    rows = weights.float().flatten(1)
    steps = rows.abs().amax(dim=1) / MAX_INT8
    steps = torch.where(steps > 0, steps, torch.ones_like(steps))
    whole = (rows / steps[:, None]).round().clamp(-MAX_INT8, MAX_INT8).to(torch.int8)
    return whole.reshape(weights.shape), steps


def dequantize_tensor(whole: Tensor, steps: Tensor) -> Tensor:
    """Float32 weights from the int8 values and steps of `quantize_tensor`."""
    return (whole.flatten(1).float() * steps[:, None]).reshape(whole.shape)


def quantize_state_dict(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], QuantizedWeights]:
    """Split a state dict into the tensors that stay as they are and the quantized ones."""
    quantized = {name: quantize_tensor(tensor) for name, tensor in weights.items() if is_quantized(tensor)}
    unquantized = {name: tensor for name, tensor in weights.items() if name not in quantized}
    whole, steps = ({name: pair[index] for name, pair in quantized.items()} for index in (0, 1))
    return unquantized, QuantizedWeights(whole=whole, steps=steps)


def dequantize_state_dict(unquantized: dict[str, Tensor], quantized: QuantizedWeights) -> dict[str, Tensor]:
    """State dict with all weights in float, from the two parts of `quantize_state_dict`."""
    steps = quantized["steps"]
    return unquantized | {name: dequantize_tensor(whole, steps[name]) for name, whole in quantized["whole"].items()}
