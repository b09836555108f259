"""Mixup: blend the cards of a batch in pairs, inputs and targets alike."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.data.inputs import Inputs
from engine.data.targets import Targets


def mix(inputs: Inputs, targets: Targets, alpha: float, random: np.random.Generator) -> tuple[Inputs, Targets]:
    """Blend each card with a random one of the batch, at one ratio drawn from Beta(alpha, alpha); 0 changes nothing.

    Pictures, region crops, measurements and all targets are blended at the same ratio; an auxiliary target that either
    card lacks stays unknown. Cards with different sides are not blended, so no picture is mixed with a missing one.
    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    Worked: at ratio .8, a 9 blended with a 7 has the target .8 of a 9 and .2 of a 7, and pictures to match.
    """
    if alpha == 0:
        return inputs, targets
    ratio = random.beta(alpha, alpha)
    partners = torch.from_numpy(random.permutation(len(inputs.present))).to(inputs.present.device)
    same_sides = (inputs.present == inputs.present[partners]).all(dim=1)
    ratios = torch.where(same_sides, ratio, 1.0).to(inputs.front.dtype)

    def blend(values: Tensor) -> Tensor:
        weight = ratios.reshape(-1, *[1] * (values.dim() - 1))
        # At weight 1 keep the values, since 0 x NaN of a partner without a measurement is NaN.
        return torch.where(weight == 1, values, weight * values + (1 - weight) * values[partners])

    auxiliary = (None if values is None else blend(values) for values in (inputs.regions, inputs.measured))
    mixed = Inputs(blend(inputs.front), blend(inputs.back), inputs.present, *auxiliary)
    return mixed, Targets(*(blend(target) for target in targets))
