"""The composite loss per card: grade (two families), edge damage and centering."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import Config
from engine.model.dual_branch import Scores
from engine.model.heads import CLASSES, ClassHead, OrdinalHead


def class_weights(counts: Tensor, cap: float = 0.0) -> Tensor:
    """Weight of each grade: N / (10 n), 0 for an absent grade, at most `cap` if `cap` is above 0.

    counts  (10,) cards per grade;  returns (10,) float
    Source: King and Zeng, "Logistic Regression in Rare Events Data", 2001; class_weight="balanced" in scikit-learn.
    Worked: counts (1, 0, ..., 0, 9) give weights (1.0, 0, ..., 0, 0.111).
    """
    weights = torch.where(counts > 0, counts.sum() / (CLASSES * counts.clamp(min=1)), 0.0)
    return weights.clamp(max=cap) if cap > 0 else weights


def cross_entropy(log_probabilities: Tensor, targets: Tensor, weights: Tensor, focal_gamma: float = 0.0) -> Tensor:
    """Weighted cross-entropy per card, (B, 10) and (B, 10) -> (B,); focal if gamma is above 0.

    Focal: each term is scaled by (1 - p) ** gamma (Lin et al., "Focal Loss for Dense Object Detection", 2017).
    Worked: p = .9 on the right grade, weight 1: .1054; with gamma 2: .1054 * .01 = .00105.
    """
    modulation = (1 - log_probabilities.exp()).clamp(min=0) ** focal_gamma
    return -(targets * weights * modulation * log_probabilities).sum(dim=1)


def emd(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """Squared earth mover's distance per card: mean squared difference of the cumulative distributions, (B,).

    Source: Hou, Yu and Samaras, "Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks", 2016.
    Worked: all mass one grade off gives 1 / 10 = .1; two grades off gives .2.
    """
    difference = log_probabilities.exp().cumsum(dim=1) - targets.cumsum(dim=1)
    return difference.square().mean(dim=1)


def cumulative_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor, focal_gamma: float = 0.0) -> Tensor:
    """Ordinal loss per card: mean binary cross-entropy of the nine questions "above grade k?", (B, 9) -> (B,).

    targets (B, 10) distributions; weights (10,) of the grades. If gamma is above 0, each binary term is focal: an
    answer with probability p is scaled by (1 - p) ** gamma.
    Source: Cao et al., CORAL, 2020; Lin et al., "Focal Loss for Dense Object Detection", 2017, for the scaling.
    Worked: nine logits of 0 give log 2 = .693 for any grade; with gamma 2, a quarter of it.
    """
    above = 1 - targets.cumsum(dim=1)[:, :-1]
    log_yes, log_no = F.logsigmoid(logits), F.logsigmoid(-logits)
    # (1 - p) ** gamma is computed from log(1 - p), so that its gradient stays finite at p = 1.
    losses = -above * (focal_gamma * log_no).exp() * log_yes - (1 - above) * (focal_gamma * log_yes).exp() * log_no
    return losses.mean(dim=1) * (targets * weights).sum(dim=1)


class Objective(nn.Module):
    """Total loss per card: grade loss + beta_edge x edge loss + beta_center x centering loss.

    Edge and centering targets that were not measured (NaN) are ignored.
    """

    weights: Tensor

    def __init__(self, config: Config, counts: Tensor) -> None:
        super().__init__()
        balanced_weights = class_weights(counts, config.class_weight_cap)
        self.register_buffer("weights", balanced_weights if config.class_weights == "balanced" else torch.ones(CLASSES))
        self.config = config
        self.log_probabilities = (
            OrdinalHead.log_probabilities if config.loss == "ordinal" else ClassHead.log_probabilities
        )

    def forward(self, scores: Scores, targets: Tensor, edge: Tensor, centering: Tensor) -> Tensor:
        """targets (B, 10) distributions, edge (B,) in [0, 1] or NaN, centering (B, 2) in [0, 1] or NaN -> (B,)."""
        edge_loss = _masked_loss(F.binary_cross_entropy_with_logits, scores.edge, edge)
        centering_loss = _masked_loss(F.mse_loss, scores.centering, centering).mean(dim=1)
        auxiliary = self.config.beta_edge * edge_loss + self.config.beta_center * centering_loss
        return self._grade_loss(scores.grade, targets) + auxiliary

    def _grade_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.config.loss == "ordinal":
            return cumulative_cross_entropy(logits, targets, self.weights, self.config.focal_gamma)
        log_probabilities = self.log_probabilities(logits)
        entropy = cross_entropy(log_probabilities, targets, self.weights, self.config.focal_gamma)
        return entropy + self.config.alpha_emd * emd(log_probabilities, targets)


def _masked_loss(loss: Callable[..., Tensor], output: Tensor, target: Tensor) -> Tensor:
    """Element-wise loss; 0, without gradient, where the target is NaN."""
    mask = ~target.isnan()
    return loss(output, torch.where(mask, target, output.detach().clamp(0, 1)), reduction="none") * mask
