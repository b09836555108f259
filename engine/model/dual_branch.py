"""The dual-branch network: a front and a back encoder, what is asked for beside them, fused, and the heads on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.config import Config
from engine.distributed import total
from engine.model.attention import CBAM
from engine.model.encoders import FEATURES, build_encoder
from engine.model.heads import GRADE_HEADS, ClassHead, OrdinalHead
from engine.model.measurement_branch import MEASURED_FEATURES, MeasuredBranch
from engine.model.region_branch import REGION_FEATURES, RegionBranch

FUSED = 512


class Scores(NamedTuple):
    """The heads' raw outputs for B cards."""

    grade: Tensor  # (B, 10) class logits or (B, 9) cumulative logits
    edge: Tensor  # (B,) logit of edge damage
    centering: Tensor  # (B, 2) left and top share of the borders, each in [0, 1]


class Side(nn.Module):
    """One side of a card to a feature vector. Only cards that have the side pass the encoder, so that neither its
    weights nor its batch statistics ever see a made-up picture; the others get a learned vector."""

    def __init__(self, encoder: nn.Module, attention: nn.Module, features: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.attention = attention
        self.missing = nn.Parameter(torch.zeros(features))

    def forward(self, channels: Tensor, present: Tensor) -> Tensor:
        """channels (B, 6 or 3, S, S) in [0, 1], present (B,) bool -> (B, features)."""
        rows = present.nonzero().squeeze(1)
        features = self.missing.expand(len(channels), -1)
        # In training all processes pass the encoder or none does: its layers share their statistics between them.
        if (total(len(rows), rows.device) if self.training else len(rows)) == 0:
            return features
        seen = self.read(channels[rows])
        return features.to(seen.dtype).index_put((rows,), seen)

    def read(self, channels: Tensor) -> Tensor:
        """(B, 6 or 3, S, S) -> (B, features): the encoder's map, weighed by attention, its mean."""
        return self.attention(self.encoder(channels)).mean(dim=(2, 3))


class DualBranch(nn.Module):
    """Front and back to the ten grades, edge damage and centering."""

    def __init__(self, config: Config, *, pretrained: str = "none") -> None:
        super().__init__()
        front, back = FEATURES[config.front_encoder], FEATURES[config.back_encoder]
        attention = nn.Identity() if config.attention == "none" else CBAM(back, rim=config.attention == "cbam_rim")
        self.front = Side(build_encoder(config.front_encoder, pretrained, config.channels), nn.Identity(), front)
        self.back = Side(build_encoder(config.back_encoder, pretrained, config.channels), attention, back)
        self.regions = RegionBranch() if config.regions else None
        self.measured = MeasuredBranch() if config.measured_inputs else None
        beside = REGION_FEATURES * config.regions + MEASURED_FEATURES * config.measured_inputs
        self.fusion_weight = config.fusion_weight
        self.fuse = nn.Sequential(
            nn.Linear(front + back + beside, FUSED),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(FUSED, FUSED),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )
        self.grade: ClassHead | OrdinalHead = GRADE_HEADS[config.loss](FUSED)
        self.edge = nn.Linear(FUSED, 1)
        self.centering = nn.Linear(FUSED, 2)

    def forward(
        self,
        front: Tensor,
        back: Tensor,
        present: Tensor,
        regions: Tensor | None = None,
        measured: Tensor | None = None,
    ) -> Scores:
        """Grade B cards.

        front, back  (B, 6 or 3, S, S) float in [0, 1]; where a side is missing its values are not looked at
        present      (B, 2) bool: has the card a front, has it a back
        regions      (B, 2, 8, 3, 9216) float in [0, 1], for a network with a region branch
        measured     (B, 2, 2, F) float, as `told_and_seen` gives them, for a network with a measured branch
        """
        sides = self.front(front, present[:, 0]), self.back(back, present[:, 1])
        return self.read_off(*sides, self.read_beside(present, regions, measured))

    def read_beside(self, present: Tensor, regions: Tensor | None, measured: Tensor | None) -> list[Tensor]:
        """The features, (B, 64) each, of what the network reads beside the two sides; none for most networks."""
        read = [] if self.regions is None else [self.regions(regions, present)]
        return read if self.measured is None else [*read, self.measured(measured)]

    def read_off(self, front_features: Tensor, back_features: Tensor, beside: Sequence[Tensor] = ()) -> Scores:
        """Fuse the two sides' features, (B, F) each, and those of `read_beside`, and read the heads."""
        parts = [self.fusion_weight * back_features, (1 - self.fusion_weight) * front_features, *beside]
        fused = self.fuse(torch.cat(parts, dim=1))
        return Scores(self.grade(fused), self.edge(fused).squeeze(1), torch.sigmoid(self.centering(fused)))
