"""Mixup: cards blended in pairs, both sides alike, and their targets with them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.data import Inputs


def mix(inputs: Inputs, targets: Tensor, alpha: float, random: np.random.Generator) -> tuple[Inputs, Tensor]:
    """Blend every card with another of the batch by one share drawn from Beta(alpha, alpha); alpha 0 changes nothing.

    targets (B, 10) distributions. A card is blended only with one that has the same sides, so that no picture is
    mixed with nothing. Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    """
    if alpha == 0:
        return inputs, targets
    share = random.beta(alpha, alpha)
    other = torch.from_numpy(random.permutation(len(targets))).to(targets.device)
    same_sides = (inputs.present == inputs.present[other]).all(dim=1)
    own = torch.where(same_sides, share, 1.0).to(targets.dtype)
    picture = own[:, None, None, None]
    front = picture * inputs.front + (1 - picture) * inputs.front[other]
    back = picture * inputs.back + (1 - picture) * inputs.back[other]
    return Inputs(front, back, inputs.present), own[:, None] * targets + (1 - own[:, None]) * targets[other]
