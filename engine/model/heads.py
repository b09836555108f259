"""Grade heads on the fused features: class logits or cumulative (ordinal) logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 10


class ClassHead(nn.Module):
    """Ten class logits, one per grade."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """(B, features) -> (B, 10) logits."""
        return self.linear(x)

    @staticmethod
    def log_probabilities(logits: Tensor) -> Tensor:
        """(B, 10) logits -> (B, 10) log-probabilities of grades 1 to 10."""
        return F.log_softmax(logits, dim=1)


class OrdinalHead(nn.Module):
    """Nine cumulative logits: entry k is the log-odds that the grade is above k + 1. Monotone by construction.

    One score per card, shared by all nine logits, plus decreasing thresholds: each is the previous one minus a
    softplus. No probability can be negative, which nine independent logits do not guarantee. Source: Cao, Mirjalili
    and Raschka, "Rank consistent ordinal regression (CORAL)", 2020; the softplus steps keep its biases ordered during
    training too, not only at the optimum.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1, bias=False)
        # The initial thresholds are evenly spaced from 6 to -6, since softplus(1.2475) = 1.5. With steps below
        # 2 log 2 = 1.39 some grades could never be the most probable: 1 and 10 include the tails and exceed their
        # neighbors at every score.
        self.first = nn.Parameter(torch.tensor(6.0))
        self.steps = nn.Parameter(torch.full((CLASSES - 2,), 1.2475))

    def forward(self, x: Tensor) -> Tensor:
        """(B, features) -> (B, 9) cumulative logits, non-increasing along a row."""
        decreases = torch.cat([self.first.new_zeros(1), F.softplus(self.steps).cumsum(0)])
        return self.score(x) + (self.first - decreases)

    @staticmethod
    def log_probabilities(logits: Tensor) -> Tensor:
        """(B, 9) cumulative logits -> (B, 10) log-probabilities of grades 1 to 10.

        P(grade = k) = P(> k - 1) - P(> k), a difference of two sigmoids, computed in log space so that a grade far from
        the score keeps a finite log-probability: log(s(a) - s(b)) = log s(a) + log s(-b) + log(1 - exp(b - a)).
        """
        above, below = F.logsigmoid(logits), F.logsigmoid(-logits)
        gap = (logits[:, 1:] - logits[:, :-1]).clamp(max=-1e-7)
        between = above[:, :-1] + below[:, 1:] + torch.log(-torch.expm1(gap))
        return torch.cat([below[:, :1], between, above[:, -1:]], dim=1)


GRADE_HEADS: dict[str, type[ClassHead] | type[OrdinalHead]] = {"ce_emd": ClassHead, "ordinal": OrdinalHead}
