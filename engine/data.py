"""Cards to batches: in which order, as which tensors; and a phase's model input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from engine.cache import PixelCache
from engine.config import Config
from engine.image.augment import Change, changed, draw_change, relit
from engine.image.channels_torch import six_channels_batch
from engine.image.crops import PIECE_PIXELS, PIECES, mirrored_pieces
from engine.measure.features import FEATURES
from engine.measured import MeasuredSides
from engine.model.measured import told_and_seen
from engine.regions import RegionCache
from engine.teachers import Teachers
from engine.trainable import Trainable, counts_by_grade


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


class Inputs(NamedTuple):
    """What `DualBranch.forward` takes."""

    front: Tensor  # (B, 6 or 3, S, S) float in [0, 1]
    back: Tensor  # likewise
    present: Tensor  # (B, 2) bool
    regions: Tensor | None = None  # (B, 2, 8, 3, 9216) float in [0, 1], for a network that reads them
    measured: Tensor | None = None  # (B, 2, 2, F) float as `told_and_seen` gives them, likewise

    def split(self, parts: int) -> list[Inputs]:
        """The cards in so many parts, one after another."""
        each = (repeat(None, parts) if value is None else value.tensor_split(parts) for value in self)
        return [Inputs(*part) for part in zip(*each, strict=True)]


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


def epoch_order(cards: Sequence[Trainable], config: Config, epoch: int) -> np.ndarray:
    """The cards of one training epoch in order, (N,) indices; seed and epoch decide it.

    Without a sampler every card once; with eta above 0, N draws with replacement, a card of a grade that n of N
    have drawn in proportion to 1 / (n / N) ** eta. Source: with eta .5 the square-root sampling of Mahajan et al.,
    "Exploring the Limits of Weakly Supervised Pretraining", ECCV 2018. Worked: of 36 cards of one grade and 4 of
    another, eta .5 draws the grades as 3 to 1 and not as 9 to 1.
    """
    random = np.random.default_rng((config.seed, epoch))
    if config.sampler_eta == 0:
        return random.permutation(len(cards))
    counts = counts_by_grade(cards)
    weight = np.array([(counts[card.grade - 1] / len(cards)) ** -config.sampler_eta for card in cards])
    return random.choice(len(cards), size=len(cards), p=weight / weight.sum())


def batches(
    cards: Cards,
    order: Sequence[int] | np.ndarray,
    config: Config,
    epoch: int,
    skip: int = 0,
    share: slice = slice(None),
) -> DataLoader:
    """A loader over `order` in batches, leaving out the first `skip` of them; of each batch the rows of `share`.

    Where several processes take a share each, a short last batch leaves one of them a batch without a card.
    Processes load ahead only beside a GPU: on a CPU the network wants every core, and preparing a batch takes a few
    percent of what training on it takes.
    """
    keys = [(epoch, place, int(index)) for place, index in enumerate(order)]
    chunks = [keys[start : start + config.batch_size][share] for start in range(0, len(keys), config.batch_size)]
    # A generator of its own: a loader draws a number when it starts, which would shift the dropout of a resumed run.
    gpu = torch.cuda.is_available() and config.device != "cpu"
    workers = min(8, (os.cpu_count() or 2) - 1) if gpu else 0
    return DataLoader(
        cards,
        batch_sampler=chunks[skip:],
        num_workers=workers,
        pin_memory=gpu,
        generator=torch.Generator(),
        collate_fn=partial(_collated, cards),
    )


def _collated(cards: Cards, items: list[Batch]) -> Batch:
    """Cards one after another; without any, tensors of the same shapes with no row."""
    if items:
        return default_collate(items)
    return cast(Batch, {name: value[:0] for name, value in default_collate([cards[0, 0, 0]]).items()})


def model_input(batch: Pictures, config: Config, phase: int, device: torch.device) -> Inputs:
    """The network's input in a phase: the only place that makes it, for training, validation and grading alike.

    In phase 1 no card has a front: the network is given the back alone, in training and in validation.
    """
    present = batch["present"].clone()
    if phase == 1:
        present[:, 0] = False
    front, back = (_channels(batch["canvases"][:, side], config, device) for side in (0, 1))
    regions = batch["regions"].to(device).movedim(-1, -2).float() / 255 if "regions" in batch else None
    measured = told_and_seen(batch["measured"], present).to(device) if "measured" in batch else None
    return Inputs(front, back, present.to(device), regions, measured)


def _channels(canvases: Tensor, config: Config, device: torch.device) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 6 or 3, S, S) float in [0, 1] on the device, channels last in memory."""
    canvases = canvases.to(device)
    seen = six_channels_batch(canvases) if config.channels == "six" else canvases.movedim(-1, 1).float() / 255
    return seen.to(memory_format=torch.channels_last)
