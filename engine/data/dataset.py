"""Dataset of prepared cards: pictures, inputs and targets of one card as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import torch
from numpy.typing import NDArray
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

NO_REGIONS = np.zeros((REGION_COUNT, REGION_PIXELS, 3), np.uint8)


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

    def measurements(self) -> Tensor:
        """Measured inputs of all cards, (N, 2, F), NaN where not measured; for a run that uses them."""
        measured, missing = self._auxiliary.measurements, _not_measured(len(FEATURE_NAMES))
        assert measured is not None
        sides = ((card.pair.front, card.pair.back) for card in self.cards)

        def of(side: Path | None) -> np.ndarray:
            return measured[side] if side is not None and side in self._cache else missing

        return torch.from_numpy(np.stack([[of(front), of(back)] for front, back in sides]))

    def __getitem__(self, key: tuple[int, int, int]) -> Batch:
        epoch, position, index = key
        card = self.cards[index]
        random = np.random.default_rng((self._config.seed, epoch, position, index))
        sides = [side if side in self._cache else None for side in (card.pair.front, card.pair.back)]
        if self._training:
            sides = _drop_side(sides, self._config.side_dropout, random)
        load = self._load_side if self.features is None else self._load_encoded_side
        front, back = (self._missing_side() if side is None else load(side, random) for side in sides)
        item: dict[str, Any] = {name: torch.from_numpy(np.stack([front[name], back[name]])) for name in front}
        item["present"] = torch.tensor([side is not None for side in sides])
        item["grade"] = torch.tensor(card.grade - 1)
        item["index"] = torch.tensor(index)
        if self.features is not None:
            views = [int(random.integers(cache.views)) if self._training else 0 for cache in self.features]
            item["features"] = tuple(map(_features_of, sides, self.features, views))
        if self._auxiliary.measurements and self._training and self._config.measurement_dropout > 0:
            item["measured"][torch.from_numpy(random.random(2) < self._config.measurement_dropout)] = torch.nan
        if self._auxiliary.teachers and self._training:
            item["teachers"] = torch.from_numpy(self._auxiliary.teachers[card.pair.card_id])
        return cast(Batch, item)

    def _missing_side(self) -> dict[str, np.ndarray]:
        """Arrays of a side without a picture by their name in `Batch`: zeros and NaN."""
        arrays: dict[str, np.ndarray] = {"edge": _not_measured(), "centering": _not_measured(2)}
        if self.features is None:
            arrays["canvases"] = np.zeros((*self._config.canvas_shape, 3), np.uint8)
        if self._auxiliary.regions is not None:
            arrays["regions"] = NO_REGIONS
        if self._auxiliary.measurements is not None:
            arrays["measured"] = _not_measured(len(FEATURE_NAMES))
        return arrays

    def _load_side(self, side: Path, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Arrays of a side by their name in `Batch`, with the same augmentation for its inputs and targets."""
        regions, targets, measurements = self._auxiliary.regions, self._auxiliary.targets, self._auxiliary.measurements
        augmentation = draw_augmentation(random) if self._training and self._config.augment else None
        mirrored = augmentation is not None and augmentation.mirrored
        canvas = augment_canvas(self._cache[side], augmentation) if augmentation else self._cache[side]
        if self._training and self._config.vary_photograph:
            canvas = vary_photograph(canvas, random)
        edge, left, top = _not_measured(3) if targets is None else targets[side]
        arrays = {"canvases": canvas, "edge": edge, "centering": np.array((1 - left if mirrored else left, top))}
        if regions is not None:
            arrays["regions"] = _augmented_crops(regions[side], augmentation) if side in regions else NO_REGIONS
        if measurements is not None:
            arrays["measured"] = measurements[side]
        return arrays

    def _load_encoded_side(self, side: Path, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Arrays of a side whose picture is replaced by its features."""
        measurements = self._auxiliary.measurements
        return self._missing_side() | ({} if measurements is None else {"measured": measurements[side]})


def _augmented_crops(crops: np.ndarray, augmentation: Augmentation | None) -> np.ndarray:
    if augmentation is None:
        return crops
    return apply_gamma(mirror_region_crops(crops) if augmentation.mirrored else crops, augmentation)


def _not_measured(*shape: int) -> NDArray[np.float32]:
    return np.full(shape, np.nan, np.float32)


def _features_of(side: Path | None, cache: FeatureCache, view: int) -> Tensor:
    """Features of a side, (F,); zeros if it is missing."""
    return torch.zeros(cache.size) if side is None else torch.from_numpy(cache.features(side, view))


def _drop_side(sides: list, probability: float, random: np.random.Generator) -> list:
    """Drop one side of a card that has both, with the given probability; either side is equally likely."""
    drop, dropped_side = random.random() < probability, int(random.integers(2))
    if not drop or None in sides:
        return sides
    return [None if index == dropped_side else side for index, side in enumerate(sides)]
