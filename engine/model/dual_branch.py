"""The dual-branch network: front and back encoders, optional auxiliary branches, fusion layers and heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.config import Config, FrozenLayers, Pooling
from engine.distributed import sum_over_ranks
from engine.model.attention import CBAM
from engine.model.encoders import EARLY_LAYERS, Normalize, build_encoder, feature_count
from engine.model.heads import GRADE_HEADS, ClassHead, OrdinalHead
from engine.model.measurement_branch import MEASUREMENT_FEATURES, MeasurementBranch
from engine.model.region_branch import REGION_FEATURES, RegionBranch
from engine.model.rim_pooling import PARTS, pool
from engine.model.standardization import Standardized

FUSED_FEATURES = 512


class Scores(NamedTuple):
    """The heads' raw outputs for B cards."""

    grade: Tensor  # (B, 10) class logits or (B, 9) cumulative logits
    edge: Tensor  # (B,) logit of edge damage
    centering: Tensor  # (B, 2) left and top fraction of the borders, each in [0, 1]


# The encoders' maps of the front and back of one card, (1, C, h, w), after attention; None for a missing side.
CardMaps = tuple[Tensor | None, Tensor | None]


class SideEncoder(Standardized):
    """Encode one side of each card as a feature vector.

    Only cards that have the side pass the encoder, so a placeholder picture never affects its weights or batch
    statistics. Cards without the side get a learned vector. Features of a frozen encoder are standardized by their mean
    and deviation over the training cards, without which the fusion layers learn slowly; others are used as they are.
    """

    def __init__(self, encoder: nn.Module, attention: nn.Module, channels: int, pooling: Pooling) -> None:
        """channels: of the encoder's map."""
        features = channels * (PARTS if pooling == "rim" else 1)
        super().__init__(features)
        self.encoder = encoder
        self.attention = attention
        self.pooling = pooling
        self.missing = nn.Parameter(torch.zeros(features))
        self._has_fixed_statistics = False

    def train(self, mode: bool = True) -> SideEncoder:
        """Switch to training or inference; fixed batch statistics are used in both."""
        super().train(mode)
        if self._has_fixed_statistics:
            for module in self.encoder.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def freeze(self, layers: FrozenLayers, early_layers: int) -> None:
        """Freeze the named layers' weights and, unless there are none, the encoder's batch statistics."""
        self._has_fixed_statistics = layers != "none"
        if layers == "encoders":
            self.encoder.requires_grad_(False)
        elif layers == "early":
            trunk = [module for module in self.encoder.children() if not isinstance(module, Normalize)]
            for module in trunk[:early_layers]:
                module.requires_grad_(False)

    def forward(self, channels: Tensor, present: Tensor) -> Tensor:
        """channels (B, 6 or 3, S, S) in [0, 1] or encoded (B, features), present (B,) bool -> (B, features)."""
        rows = present.nonzero().squeeze(1)
        features = self.missing.expand(len(channels), -1)
        # In training all ranks must pass the encoder or none: its batch-norm layers synchronize their statistics.
        if (sum_over_ranks(len(rows), rows.device) if self.training else len(rows)) == 0:
            return features
        encoded = self.standardize(channels[rows]) if channels.ndim == 2 else self.encode(channels[rows])
        return features.to(encoded.dtype).index_put((rows,), encoded)

    def encode(self, channels: Tensor) -> Tensor:
        """(B, 6 or 3, H, W) -> (B, features): standardized summary of the encoder's map after attention."""
        return self.standardize(self.pool(channels))

    def pool(self, channels: Tensor) -> Tensor:
        """(B, 6 or 3, H, W) -> (B, features): summary of the encoder's map after attention."""
        return self.summarize(self.map(channels))

    def map(self, channels: Tensor) -> Tensor:
        """(B, 6 or 3, H, W) -> (B, C, h, w): the encoder's map after attention."""
        encoded: Tensor = self.attention(self.encoder(channels))
        return encoded

    def summarize(self, encoded: Tensor) -> Tensor:
        """(B, C, h, w), the encoder's map after attention -> (B, features)."""
        return pool(encoded, self.pooling)


class DualBranch(nn.Module):
    """Predict grade, edge damage and centering from the front and the back."""

    def __init__(self, config: Config, *, pretrained: str = "none") -> None:
        super().__init__()
        stage = config.feature_stage
        front_channels, back_channels = (
            feature_count(name, stage) for name in (config.front_encoder, config.back_encoder)
        )
        has_rim = config.attention == "cbam_rim"
        attention = nn.Identity() if config.attention == "none" else CBAM(back_channels, rim=has_rim)
        front_encoder = build_encoder(config.front_encoder, pretrained, config.channels, stage)
        self.front = SideEncoder(front_encoder, nn.Identity(), front_channels, config.pooling)
        back_encoder = build_encoder(config.back_encoder, pretrained, config.channels, stage)
        self.back = SideEncoder(back_encoder, attention, back_channels, config.pooling)
        self.regions = RegionBranch() if config.regions else None
        self.measured = MeasurementBranch() if config.use_measurements else None
        auxiliary_size = REGION_FEATURES * config.regions + MEASUREMENT_FEATURES * config.use_measurements
        self.config = config
        self.fusion_weight = config.fusion_weight
        self.fuse = nn.Sequential(
            nn.Linear(self.front.missing.numel() + self.back.missing.numel() + auxiliary_size, FUSED_FEATURES),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(FUSED_FEATURES, FUSED_FEATURES),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )
        self.grade: ClassHead | OrdinalHead = GRADE_HEADS[config.loss](FUSED_FEATURES)
        self.edge = nn.Linear(FUSED_FEATURES, 1)
        self.centering = nn.Linear(FUSED_FEATURES, 2)

    def forward(
        self,
        front: Tensor,
        back: Tensor,
        present: Tensor,
        regions: Tensor | None = None,
        measured: Tensor | None = None,
    ) -> Scores:
        """Grade B cards.

        front, back  (B, 6 or 3, S, S) float in [0, 1]; ignored for a missing side
        present      (B, 2) bool: the card has a front, a back
        regions      (B, 2, 8, 3, 9216) float in [0, 1], for a network with a region branch
        measured     (B, 2, 2, F) float from `with_missing_mask`, for a network with a measurement branch
        """
        sides = self.side_features(front, back, self._with_pixels(present))
        return self.fuse_and_score(*sides, self.auxiliary_features(present, regions, measured))

    def _with_pixels(self, present: Tensor) -> Tensor:
        """(B, 2) bool: the sides whose pixels are used; in training those of some cards are hidden."""
        if not (self.training and self.measured is not None and self.config.pixel_dropout):
            return present
        return present & (torch.rand(len(present), 1, device=present.device) >= self.config.pixel_dropout)

    def side_features(self, front: Tensor, back: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Features of front and back, (B, F) each, from the arguments of `forward`."""
        return self.front(front, present[:, 0]), self.back(back, present[:, 1])

    def card_maps(self, front: Tensor, back: Tensor, present: Tensor) -> CardMaps:
        """The encoders' maps of one card, from the arguments of `forward`."""
        has_front, has_back = present[0].tolist()
        return self.front.map(front) if has_front else None, self.back.map(back) if has_back else None

    def features_of_maps(self, maps: CardMaps) -> tuple[Tensor, Tensor]:
        """Features of front and back, (1, F) each, as `side_features` computes them, from the maps of one card."""
        front, back = (
            side.missing.expand(1, -1) if encoded is None else side.standardize(side.summarize(encoded))
            for side, encoded in zip((self.front, self.back), maps, strict=True)
        )
        return front, back

    def set_trainable(self, phase: int) -> None:
        """Choose the parameters trained in a phase: the front's only in phase 2, and never those of frozen layers."""
        self.front.requires_grad_(phase == 2)
        self.front.freeze(self.config.frozen_layers, EARLY_LAYERS[self.config.front_encoder])
        self.back.freeze(self.config.frozen_layers, EARLY_LAYERS[self.config.back_encoder])

    def auxiliary_features(self, present: Tensor, regions: Tensor | None, measured: Tensor | None) -> list[Tensor]:
        """Features of the region and measurement branches, (B, 64) each; empty for a network without them."""
        features = [] if self.regions is None else [self.regions(regions, present)]
        return features if self.measured is None else [*features, self.measured(measured)]

    def fuse_and_score(self, front_features: Tensor, back_features: Tensor, auxiliary: Sequence[Tensor] = ()) -> Scores:
        """Fuse the features of the sides, (B, F) each, with those of `auxiliary_features`, and apply the heads."""
        parts = [self.fusion_weight * back_features, (1 - self.fusion_weight) * front_features, *auxiliary]
        fused = self.fuse(torch.cat(parts, dim=1))
        return Scores(self.grade(fused), self.edge(fused).squeeze(1), torch.sigmoid(self.centering(fused)))
