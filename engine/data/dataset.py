"""Dataset of prepared cards: pictures, inputs and targets of one card as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from engine.config import Config
from engine.data.distillation import TeacherPredictions
from engine.data.feature_cache import FeatureCache
from engine.data.measurement_cache import MeasurementCache
from engine.data.picture_cache import PixelCache
from engine.data.region_cache import RegionCache
from engine.data.selection import LabelledCard
from engine.measure.side.features import FEATURE_NAMES
from engine.preprocessing.augmentation import Augmentation, apply_gamma, augment_canvas, draw_augmentation
from engine.preprocessing.crops import REGION_COUNT, REGION_PIXELS, mirror_region_crops
from engine.preprocessing.photographic_augmentation import vary_photograph


class PictureBatch(TypedDict):
    """Pictures and measurements of B cards; sides in the order front, back."""

    canvases: NotRequired[Tensor]  # (B, 2, S, S, 3) uint8, zeros where a side is missing
    features: NotRequired[tuple[Tensor, Tensor]]  # in place of canvases: (B, F) of each side, by a frozen encoder
    present: Tensor  # (B, 2) bool
    regions: NotRequired[Tensor]  # (B, 2, 8, 9216, 3) uint8 by `region_crops`, zeros where a side is missing
    measured: NotRequired[Tensor]  # (B, 2, F) float in the order of FEATURE_NAMES, NaN where not measured


class Batch(PictureBatch):
    """A batch of B cards from the data loader."""

    grade: Tensor  # (B,) int64, 0 .. 9
    teachers: NotRequired[Tensor]  # (B, 10) float, mean probabilities of the teachers; NaN without any
    edge: Tensor  # (B, 2) float, damaged fraction of the edge of each side, NaN where not measured
    centering: Tensor  # (B, 2, 2) float, left and top fraction of each side, NaN where not measured
    index: Tensor  # (B,) int64, position in the list of cards


@dataclass(frozen=True)
class AuxiliaryInputs:
    """Auxiliary inputs and targets of a run's cards: region crops, measurements, teachers; None if unused."""

    regions: RegionCache | None = None
    targets: MeasurementCache | None = None
    measurements: MeasurementCache | None = None
    teachers: TeacherPredictions | None = None


class CardArrays(NamedTuple):
    """Arrays of one card, front first, filled in side by side; described in `Batch`."""

    canvases: np.ndarray
    regions: np.ndarray
    edge: np.ndarray
    centering: np.ndarray
    measurements: np.ndarray


class CardDataset(Dataset):
    """Prepared cards, indexed by (epoch, position, index).

    The key and the seed determine all randomness, in any worker process. The position in the epoch's order is part of
    the key, so that a card sampled twice in an epoch is augmented differently each time.
    """

    def __init__(
        self,
        cards: Sequence[LabelledCard],
        cache: PixelCache,
        config: Config,
        *,
        training: bool,
        auxiliary: AuxiliaryInputs = AuxiliaryInputs(),
    ) -> None:
        """`features`, set later, replaces the pictures by features of frozen encoders, one cache per side."""
        self.features: tuple[FeatureCache, FeatureCache] | None = None
        self.cards = cards
        self._cache = cache
        self._config = config
        self._training = training
        self._auxiliary = auxiliary

    def __len__(self) -> int:
        return len(self.cards)

    def __getitem__(self, key: tuple[int, int, int]) -> Batch:
        epoch, position, index = key
        card = self.cards[index]
        sides = [side if side in self._cache else None for side in (card.pair.front, card.pair.back)]
        if self._training:
            random = np.random.default_rng((self._config.seed, epoch, position, index))
            sides = _drop_side(sides, self._config.side_dropout, random)
        height, width = self._config.canvas_shape
        arrays = CardArrays(
            canvases=np.zeros((2, height, width, 3), np.uint8),
            regions=np.zeros((2, REGION_COUNT, REGION_PIXELS, 3), np.uint8),
            edge=np.full(2, np.nan, np.float32),
            centering=np.full((2, 2), np.nan, np.float32),
            measurements=np.full((2, len(FEATURE_NAMES)), np.nan, np.float32),
        )
        for row, side in enumerate(sides):
            if side is not None and self.features is None:
                augmentation = draw_augmentation(random) if self._training and self._config.augment else None
                self._load_side(side, augmentation, arrays, row)
                if self._training and self._config.vary_photograph:
                    arrays.canvases[row] = vary_photograph(arrays.canvases[row], random)
        item: Batch = {
            "present": torch.tensor([side is not None for side in sides]),
            "grade": torch.tensor(card.grade - 1),
            "edge": torch.from_numpy(arrays.edge),
            "centering": torch.from_numpy(arrays.centering),
            "index": torch.tensor(index),
        }
        if self.features is None:
            item["canvases"] = torch.from_numpy(arrays.canvases)
        else:
            views = [int(random.integers(cache.views)) if self._training else 0 for cache in self.features]
            item["features"] = (
                self._features_of(sides[0], self.features[0], views[0]),
                self._features_of(sides[1], self.features[1], views[1]),
            )
        if self._auxiliary.regions:
            item["regions"] = torch.from_numpy(arrays.regions)
        if self._auxiliary.measurements:
            if self._training and self._config.measurement_dropout > 0:
                arrays.measurements[random.random(2) < self._config.measurement_dropout] = np.nan
            item["measured"] = torch.from_numpy(arrays.measurements)
        if self._auxiliary.teachers and self._training:
            item["teachers"] = torch.from_numpy(self._auxiliary.teachers[card.pair.card_id])
        return item

    @staticmethod
    def _features_of(side: Path | None, cache: FeatureCache, view: int) -> Tensor:
        """Features of a side, (F,); zeros if it is missing."""
        return torch.zeros(cache.size) if side is None else torch.from_numpy(cache.features(side, view))

    def _load_side(self, side: Path, augmentation: Augmentation | None, arrays: CardArrays, row: int) -> None:
        """Fill in the arrays of one side, with the same augmentation for its inputs and targets."""
        canvas, regions, targets = self._cache[side], self._auxiliary.regions, self._auxiliary.targets
        arrays.canvases[row] = augment_canvas(canvas, augmentation) if augmentation else canvas
        mirrored = augmentation is not None and augmentation.mirrored
        if regions is not None and side in regions:
            crops = mirror_region_crops(regions[side]) if mirrored else regions[side]
            arrays.regions[row] = apply_gamma(crops, augmentation) if augmentation else crops
        if targets is not None:
            edge, left, top = targets[side]
            arrays.edge[row], arrays.centering[row] = edge, (1 - left if mirrored else left, top)
        if self._auxiliary.measurements is not None:
            arrays.measurements[row] = self._auxiliary.measurements[side]


def _drop_side(sides: list, probability: float, random: np.random.Generator) -> list:
    """Drop one side of a card that has both, with the given probability; either side is equally likely."""
    drop, dropped_side = random.random() < probability, int(random.integers(2))
    if not drop or None in sides:
        return sides
    return [None if index == dropped_side else side for index, side in enumerate(sides)]
