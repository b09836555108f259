"""The region branch: encodes corner and edge crops at native resolution and pools them by attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.distributed import sum_over_ranks
from engine.preprocessing.crops import CORNER_REGION_SHAPE, EDGE_REGION_SHAPE, REGION_COUNT

REGION_FEATURES = 64
ATTENTION_FEATURES = 32


class Stage(nn.Module):
    """Convolution with stride 2, applied to corner and edge crops alike.

    Both shapes have the same number of pixels and share their batch statistics. Normalized separately, they would
    update one running mean with two distributions, and evaluation would match neither of them.
    """

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, features, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(features)

    def forward(self, corners: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """(n, C, h, h) and (n, C, h / 2, 2 h) -> the same at half their size."""
        corners, edges = self.convolution(corners), self.convolution(edges)
        crops = self.norm(torch.cat([corners, edges.reshape(corners.shape)])).relu()
        count = corners.shape[0]
        return crops[:count], crops[count:].reshape(edges.shape)


class RegionBranch(nn.Module):
    """Encode the region crops of both sides as one vector per card.

    All crops pass the same encoder, get a learned position embedding and are pooled by gated attention.
    Source: Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([Stage(3, 16), Stage(16, 32), Stage(32, 64), Stage(64, REGION_FEATURES)])
        self.place = nn.Parameter(torch.zeros(2, REGION_COUNT, REGION_FEATURES))
        self.content = nn.Linear(REGION_FEATURES, ATTENTION_FEATURES)
        self.gate = nn.Linear(REGION_FEATURES, ATTENTION_FEATURES)
        self.weigh = nn.Linear(ATTENTION_FEATURES, 1)
        self.missing = nn.Parameter(torch.zeros(REGION_FEATURES))

    def forward(self, crops: Tensor, present: Tensor) -> Tensor:
        """Encode B cards.

        crops    (B, 2, 8, 3, 9216) float in [0, 1] from `region_crops`; ignored for a missing side
        present  (B, 2) bool
        returns  (B, 64); a learned vector for a card without any side
        """
        features = self.features(crops, present)
        pooled = (self.attention(features, present)[..., None] * features).sum(dim=(1, 2))
        return torch.where(present.any(dim=1, keepdim=True), pooled, self.missing.to(pooled.dtype))

    def features(self, crops: Tensor, present: Tensor) -> Tensor:
        """(B, 2, 8, 3, 9216) and (B, 2) bool -> (B, 2, 8, 64), one vector per crop; 0 for a missing side."""
        cards, sides = present.nonzero(as_tuple=True)
        empty = self.place.new_zeros(*present.shape, REGION_COUNT, REGION_FEATURES)
        # In training all ranks must pass the stages or none: their batch-norm layers synchronize their statistics.
        if (sum_over_ranks(len(cards), cards.device) if self.training else len(cards)) == 0:
            return empty
        # The sum is float32 even under autocast, as `place` is.
        encoded = self.encode(crops[cards, sides]) + self.place[sides]
        return empty.to(encoded.dtype).index_put((cards, sides), encoded)

    def encode(self, crops: Tensor) -> Tensor:
        """(n, 8, 3, 9216), the region crops of n sides -> (n, 8, 64)."""
        corners = crops[:, :4].reshape(-1, 3, *CORNER_REGION_SHAPE)
        edges = crops[:, 4:].reshape(-1, 3, *EDGE_REGION_SHAPE)
        for stage in self.stages:
            corners, edges = stage(corners, edges)
        # Maximum instead of mean pooling: a nick covers one or two of the 36 positions.
        maxima = [maps.amax(dim=(2, 3)).reshape(-1, 4, REGION_FEATURES) for maps in (corners, edges)]
        return torch.cat(maxima, dim=1)

    def attention(self, features: Tensor, present: Tensor) -> Tensor:
        """(B, 2, 8) weights: sum to 1 over the crops of a card's present sides; 0 for missing sides.

        The weight of a crop is the softmax of w . (tanh(V h) x sigmoid(U h)) over the card's crops.
        """
        scores = self.weigh(torch.tanh(self.content(features)) * torch.sigmoid(self.gate(features))).squeeze(-1)
        mask = present[:, :, None].expand_as(scores)
        # A card without any crop is left unmasked: a softmax of only -inf would be NaN.
        masked_scores = scores.masked_fill(~mask & mask.any(dim=(1, 2), keepdim=True), float("-inf"))
        return masked_scores.flatten(1).softmax(dim=1).reshape_as(scores) * mask
