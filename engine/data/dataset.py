"""Dataset of prepared cards: one card to tensors."""

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
from engine.data.distillation import Teachers
from engine.data.measurement_cache import MeasuredSides
from engine.data.picture_cache import PixelCache
from engine.data.region_cache import RegionCache
from engine.data.selection import Trainable
from engine.measure.side.features import FEATURES
from engine.preprocessing.augmentation import Change, changed, draw_change, relit
from engine.preprocessing.crops import PIECE_PIXELS, PIECES, mirrored_pieces


class Pictures(TypedDict):
    """What is seen of B cards; sides in the order front, back."""

    canvases: Tensor  # (B, 2, S, S, 3) uint8, zeros where a side is missing
    present: Tensor  # (B, 2) bool
    regions: NotRequired[Tensor]  # (B, 2, 8, 9216, 3) uint8 as `side_pieces` cuts them, zeros where a side is missing
    measured: NotRequired[Tensor]  # (B, 2, F) float in the order of FEATURES, NaN where not measured


class Batch(Pictures):
    """B cards as the loader gives them."""

    grade: Tensor  # (B,) int64, 0 .. 9
    teachers: NotRequired[Tensor]  # (B, 10) float, what other models say; NaN where they say nothing
    edge: Tensor  # (B, 2) float, share of damaged edge of each side, NaN where not measured
    centering: Tensor  # (B, 2, 2) float, left and top share of each side, NaN where not measured
    index: Tensor  # (B,) int64, place in the list of cards


@dataclass(frozen=True)
class Beside:
    """What stands beside the canvases of a run's cards, where it is asked for."""

    regions: RegionCache | None = None
    targets: MeasuredSides | None = None
    features: MeasuredSides | None = None
    teachers: Teachers | None = None


class Shown(NamedTuple):
    """One card's arrays, front first, to be filled in; each as `Batch` describes it."""

    canvases: np.ndarray
    pieces: np.ndarray
    edge: np.ndarray
    centering: np.ndarray
    measured: np.ndarray


class Cards(Dataset):
    """Prepared cards. A key is (epoch, place, index): with the seed it decides all chance, whoever loads the card.

    The place in the epoch's order is part of it, so that a card drawn twice in an epoch is not seen twice alike.
    """

    def __init__(
        self,
        cards: Sequence[Trainable],
        cache: PixelCache,
        config: Config,
        *,
        training: bool,
        beside: Beside = Beside(),
    ) -> None:
        self.cards = cards
        self._cache = cache
        self._config = config
        self._training = training
        self._beside = beside

    def __len__(self) -> int:
        return len(self.cards)

    def __getitem__(self, key: tuple[int, int, int]) -> Batch:
        epoch, place, index = key
        card = self.cards[index]
        sides = [side if side in self._cache else None for side in (card.pair.front, card.pair.back)]
        if self._training:
            random = np.random.default_rng((self._config.seed, epoch, place, index))
            sides = _drop_side(sides, self._config.side_dropout, random)
        size = self._config.image_size
        shown = Shown(
            canvases=np.zeros((2, size, size, 3), np.uint8),
            pieces=np.zeros((2, PIECES, PIECE_PIXELS, 3), np.uint8),
            edge=np.full(2, np.nan, np.float32),
            centering=np.full((2, 2), np.nan, np.float32),
            measured=np.full((2, len(FEATURES)), np.nan, np.float32),
        )
        for row, side in enumerate(sides):
            if side is not None:
                self._see(side, draw_change(random) if self._training and self._config.augment else None, shown, row)
        item: Batch = {
            "canvases": torch.from_numpy(shown.canvases),
            "present": torch.tensor([side is not None for side in sides]),
            "grade": torch.tensor(card.grade - 1),
            "edge": torch.from_numpy(shown.edge),
            "centering": torch.from_numpy(shown.centering),
            "index": torch.tensor(index),
        }
        if self._beside.regions:
            item["regions"] = torch.from_numpy(shown.pieces)
        if self._beside.features:
            if self._training and self._config.measured_dropout > 0:
                shown.measured[random.random(2) < self._config.measured_dropout] = np.nan
            item["measured"] = torch.from_numpy(shown.measured)
        if self._beside.teachers and self._training:
            item["teachers"] = torch.from_numpy(self._beside.teachers[card.pair.card_id])
        return item

    def _see(self, side: Path, change: Change | None, shown: Shown, row: int) -> None:
        """Fill in one side, all that is known of it changed alike."""
        canvas, regions, targets = self._cache[side], self._beside.regions, self._beside.targets
        shown.canvases[row] = changed(canvas, change) if change else canvas
        if regions is not None and side in regions:
            pieces = mirrored_pieces(regions[side]) if change and change.mirrored else regions[side]
            shown.pieces[row] = relit(pieces, change) if change else pieces
        if targets is not None:
            edge, left, top = targets[side]
            shown.edge[row], shown.centering[row] = edge, (1 - left if change and change.mirrored else left, top)
        if self._beside.features is not None:
            shown.measured[row] = self._beside.features[side]


def _drop_side(sides: list, share: float, random: np.random.Generator) -> list:
    """With probability `share`, a card that has both sides loses one of them, either as likely."""
    dropped, which = random.random() < share, int(random.integers(2))
    if not dropped or None in sides:
        return sides
    return [None if place == which else side for place, side in enumerate(sides)]
