"""Training targets of a batch: grade distributions, edge damage and centering."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.config import Config
from engine.data.dataset import Batch
from engine.model.heads import CLASSES


class Targets(NamedTuple):
    """Targets of B cards; the auxiliary ones are NaN where nothing was measured."""

    grade: Tensor  # (B, 10) distributions
    edge: Tensor  # (B,) damaged fraction of the edge, 0 to 1
    centering: Tensor  # (B, 2) left and top fraction of the borders, 0 to 1


def smoothed_targets(grades: Tensor, smoothing: float) -> Tensor:
    """Class indices (B,) in 0..9 -> (B, 10) distributions: `smoothing` of each label is spread over all ten classes.

    Source: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016.
    Worked: index 9 with smoothing .1 gives .91 on the tenth class and .01 on the others.
    """
    return F.one_hot(grades, CLASSES).float() * (1 - smoothing) + smoothing / CLASSES


def mix_teacher_targets(targets: Tensor, teachers: Tensor, weight: float) -> Tensor:
    """Mix label targets with the teachers' predictions, weighted `weight`; (B, 10), unchanged where teachers are NaN.

    Worked: a 9 that the teachers predict as 8 with .6 and 9 with .4, weight .5: .3 on the eighth and .7 on the ninth.
    """
    return torch.where(teachers.isnan(), targets, (1 - weight) * targets + weight * teachers)


def batch_targets(batch: Batch, present: Tensor, config: Config) -> Targets:
    """Targets of a batch, on the device of `present`, from the sides present in the network's input.

    present  (B, 2) bool: front and back as in the network's input; a hidden side contributes no target
    Edge damage is the mean over the measured sides; centering is the front's (graders weigh it more), else the back's.
    """
    device = present.device
    edge = batch["edge"].to(device).masked_fill(~present, float("nan"))
    centering = batch["centering"].to(device).masked_fill(~present[:, :, None], float("nan"))
    front_measured = ~centering[:, 0].isnan().any(dim=1, keepdim=True)
    grade = smoothed_targets(batch["grade"].to(device), config.label_smoothing)
    if "teachers" in batch:
        grade = mix_teacher_targets(grade, batch["teachers"].to(device), config.teacher_weight)
    return Targets(
        grade,
        edge.nanmean(dim=1),
        torch.where(front_measured, centering[:, 0], centering[:, 1]),
    )
