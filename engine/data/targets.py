"""Training targets of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.config import Config
from engine.data.dataset import Batch
from engine.model.heads import CLASSES


class Targets(NamedTuple):
    """What B cards are learned towards; the auxiliary ones are NaN where nothing was measured."""

    grade: Tensor  # (B, 10) distributions
    edge: Tensor  # (B,) share of damaged edge, 0 to 1
    centering: Tensor  # (B, 2) left and top share of the borders, 0 to 1


def soft_targets(grades: Tensor, smoothing: float, width: float = 0.0) -> Tensor:
    """Class indices (B,) in 0..9 -> (B, 10) distributions: soft ordinal labels, then smoothing.

    width      0 puts all on the class itself; above, a class at a distance of d grades gets exp(-d / width), shares
               of one: the softmax of minus the distance. Source: Diaz and Marathe, "Soft Labels for Ordinal
               Regression", CVPR 2019, with the absolute distance.
    smoothing  share of each spread evenly over all ten. Source: Szegedy et al., "Rethinking the Inception
               Architecture", CVPR 2016.
    Worked: index 9 with smoothing .1 gives .91 on the tenth and .01 on the others; with width 1 instead .632 on the
    tenth, .233 on the ninth, .086 on the eighth.
    """
    if width == 0:
        labels = F.one_hot(grades, CLASSES).float()
    else:
        distance = (grades[:, None] - torch.arange(CLASSES, device=grades.device)).abs()
        labels = F.softmax(-distance / width, dim=1)
    return labels * (1 - smoothing) + smoothing / CLASSES


def taught(targets: Tensor, teachers: Tensor, share: float) -> Tensor:
    """(B, 10) targets of labels with `share` of each given to its teachers' word, (B, 10), NaN where there is none.

    Worked: a 9 that the teachers hold for an 8 by .6 and a 9 by .4, share .5: .3 on the eighth and .7 on the ninth.
    """
    return torch.where(teachers.isnan(), targets, (1 - share) * targets + share * teachers)


def targets_of(batch: Batch, present: Tensor, config: Config) -> Targets:
    """The targets of a batch, on the device of `present`, from the sides that the network is shown.

    present  (B, 2) bool: front and back as the network's input has them, so that a hidden side teaches nothing
    Edge damage is the mean over the sides measured; centering is the front's, that graders weigh more, else the back's.
    """
    device = present.device
    edge = batch["edge"].to(device).masked_fill(~present, float("nan"))
    centering = batch["centering"].to(device).masked_fill(~present[:, :, None], float("nan"))
    front_known = ~centering[:, 0].isnan().any(dim=1, keepdim=True)
    grade = soft_targets(batch["grade"].to(device), config.label_smoothing, config.soft_label_width)
    if "teachers" in batch:
        grade = taught(grade, batch["teachers"].to(device), config.teachers_share)
    return Targets(
        grade,
        edge.nanmean(dim=1),
        torch.where(front_known, centering[:, 0], centering[:, 1]),
    )
