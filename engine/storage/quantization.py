"""Weights in 8 bits: whole numbers from -127 to 127 and one step for each output channel; a quarter of the file.

A channel's step is its largest weight / 127, so that no weight is cut off and none is further than half a step from
what it was. Source: Jacob et al., "Quantization and Training of Neural Networks", CVPR 2018 (symmetric, per channel).
They are read back as float32 before anything computes with them: only the file knows of it.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor

MOST = 127
# A tensor of less is not worth a rounding: all of those of two encoders together are 0.3 MB.
LEAST_WEIGHTS = 4096


class EightBits(TypedDict):
    """Rounded tensors by name: weight [c, ...] is whole[c, ...] x steps[c]."""

    whole: dict[str, Tensor]  # int8, -127 to 127, the tensor's own shape
    steps: dict[str, Tensor]  # float32, (channels,); 1 for a channel of noughts


def is_rounded(weights: Tensor) -> bool:
    """Whether a tensor is one that is stored in 8 bits: a large one of a convolution or a linear layer."""
    return weights.is_floating_point() and weights.ndim >= 2 and weights.numel() >= LEAST_WEIGHTS


def rounded(weights: Tensor) -> tuple[Tensor, Tensor]:
    """(C, ...) float -> the whole numbers, int8 of the same shape, and the steps, (C,) float32.

    Worked: a channel (1, -0.5, 0.001) has the step 1 / 127 and becomes (127, -64, 0): ties go to the even number.
    """
    rows = weights.float().flatten(1)
    steps = rows.abs().amax(dim=1) / MOST
    steps = torch.where(steps > 0, steps, torch.ones_like(steps))
    whole = (rows / steps[:, None]).round().clamp(-MOST, MOST).to(torch.int8)
    return whole.reshape(weights.shape), steps


def restored(whole: Tensor, steps: Tensor) -> Tensor:
    """The float32 weights that `rounded` left."""
    return (whole.flatten(1).float() * steps[:, None]).reshape(whole.shape)


def packed(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], EightBits]:
    """A network's tensors by name -> those that stay as they are, and those in 8 bits."""
    chosen = {name: rounded(tensor) for name, tensor in weights.items() if is_rounded(tensor)}
    kept = {name: tensor for name, tensor in weights.items() if name not in chosen}
    whole, steps = ({name: pair[part] for name, pair in chosen.items()} for part in (0, 1))
    return kept, EightBits(whole=whole, steps=steps)


def unpacked(kept: dict[str, Tensor], eight_bits: EightBits) -> dict[str, Tensor]:
    """What `packed` took, all of it in float again."""
    return kept | {name: restored(whole, eight_bits["steps"][name]) for name, whole in eight_bits["whole"].items()}
