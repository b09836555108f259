"""The region branch: corners and edges at the picture's own resolution, read by one small network and pooled."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.distributed import total
from engine.preprocessing.crops import CORNER_PIECE, EDGE_PIECE, PIECES

REGION_FEATURES = 64
ATTENTION = 32


class Stage(nn.Module):
    """Half the size, of corners and edges alike.

    Both shapes have as many pixels, so their batch statistics are taken together: by themselves they would leave one
    running mean for two kinds of pieces, and evaluation would see neither as training did.
    """

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, features, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(features)

    def forward(self, corners: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """(n, C, h, h) and (n, C, h / 2, 2 h) -> the same at half their size."""
        corners, edges = self.convolution(corners), self.convolution(edges)
        both = self.norm(torch.cat([corners, edges.reshape(corners.shape)])).relu()
        pieces = corners.shape[0]
        return both[:pieces], both[pieces:].reshape(edges.shape)


class RegionBranch(nn.Module):
    """All pieces of both sides to one vector a card.

    Each piece passes the same encoder, is told where it comes from by a learned vector, and weighs by gated attention.
    Source: Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([Stage(3, 16), Stage(16, 32), Stage(32, 64), Stage(64, REGION_FEATURES)])
        self.place = nn.Parameter(torch.zeros(2, PIECES, REGION_FEATURES))
        self.content = nn.Linear(REGION_FEATURES, ATTENTION)
        self.gate = nn.Linear(REGION_FEATURES, ATTENTION)
        self.weigh = nn.Linear(ATTENTION, 1)
        self.missing = nn.Parameter(torch.zeros(REGION_FEATURES))

    def forward(self, pieces: Tensor, present: Tensor) -> Tensor:
        """Read B cards.

        pieces   (B, 2, 8, 3, 9216) float in [0, 1], as `side_pieces` cuts them; of a missing side not looked at
        present  (B, 2) bool
        returns  (B, 64); for a card without any side a learned vector
        """
        features = self.features(pieces, present)
        pooled = (self.attention(features, present)[..., None] * features).sum(dim=(1, 2))
        return torch.where(present.any(dim=1, keepdim=True), pooled, self.missing.to(pooled.dtype))

    def features(self, pieces: Tensor, present: Tensor) -> Tensor:
        """(B, 2, 8, 64): each present piece by itself; 0 where a side is missing."""
        cards, sides = present.nonzero(as_tuple=True)
        empty = self.place.new_zeros(*present.shape, PIECES, REGION_FEATURES)
        # In training all processes pass the stages or none does: their layers share their statistics between them.
        if (total(len(cards), cards.device) if self.training else len(cards)) == 0:
            return empty
        # Their sum is float32 where the stages compute in fewer bits.
        read = self.read(pieces[cards, sides]) + self.place[sides]
        return empty.to(read.dtype).index_put((cards, sides), read)

    def read(self, seen: Tensor) -> Tensor:
        """(n, 8, 3, 9216), the pieces of n sides -> (n, 8, 64)."""
        corners = seen[:, :4].reshape(-1, 3, *CORNER_PIECE)
        edges = seen[:, 4:].reshape(-1, 3, *EDGE_PIECE)
        for stage in self.stages:
            corners, edges = stage(corners, edges)
        # The strongest place and not the mean: a nick covers a place or two of 36.
        strongest = [part.amax(dim=(2, 3)).reshape(-1, 4, REGION_FEATURES) for part in (corners, edges)]
        return torch.cat(strongest, dim=1)

    def attention(self, features: Tensor, present: Tensor) -> Tensor:
        """(B, 2, 8) weights: over the pieces of a card's present sides they sum to one; 0 elsewhere.

        The weight of a piece is the softmax of w . (tanh(V h) x sigmoid(U h)) over the card's pieces.
        """
        said = self.weigh(torch.tanh(self.content(features)) * torch.sigmoid(self.gate(features))).squeeze(-1)
        there = present[:, :, None].expand_as(said)
        # A card without any piece: an even weight for each, of nothing.
        shown = said.masked_fill(~there & there.any(dim=(1, 2), keepdim=True), float("-inf"))
        return shown.flatten(1).softmax(dim=1).reshape_as(said) * there
