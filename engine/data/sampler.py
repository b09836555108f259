"""Sampling: the order of the cards in an epoch, and batches in that order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
from torch.utils.data import DataLoader, default_collate

from engine.config import Config
from engine.data.dataset import Batch, CardDataset
from engine.data.selection import LabelledCard, counts_by_grade


def epoch_order(cards: Sequence[LabelledCard], config: Config, epoch: int) -> np.ndarray:
    """Order of the cards in a training epoch, (N,) indices, determined by seed and epoch.

    With `sampler_eta` 0 a permutation. With eta above 0, N draws with replacement: a card of a grade with n of the N
    cards is weighted by 1 / (n / N) ** eta. Source: eta .5 is the square-root sampling of Mahajan et al., "Exploring
    the Limits of Weakly Supervised Pretraining", ECCV 2018. Worked: with 36 cards of one grade and 4 of another, eta .5
    samples the grades 3 to 1 instead of 9 to 1.
    """
    random = np.random.default_rng((config.seed, epoch))
    if config.sampler_eta == 0:
        return random.permutation(len(cards))
    counts = counts_by_grade(cards)
    weight = np.array([(counts[card.grade - 1] / len(cards)) ** -config.sampler_eta for card in cards])
    return random.choice(len(cards), size=len(cards), p=weight / weight.sum())


def batch_loader(
    cards: CardDataset,
    order: Sequence[int] | np.ndarray,
    config: Config,
    epoch: int,
    skip: int = 0,
    local_rows: slice = slice(None),
) -> DataLoader:
    """Data loader over `order`, without the first `skip` batches; of each batch, only the rows `local_rows`.

    With several ranks, a short last batch may leave a rank with no cards. Worker processes are used only with a GPU: on
    a CPU the network needs every core, and loading a batch takes a few percent of the time of training on it.
    """
    keys = [(epoch, position, int(index)) for position, index in enumerate(order)]
    chunks = [keys[start : start + config.batch_size][local_rows] for start in range(0, len(keys), config.batch_size)]
    # A separate generator: starting a loader draws a random number, which would change the dropout of a resumed run.
    gpu = torch.cuda.is_available() and config.device != "cpu"
    workers = min(8, (os.cpu_count() or 2) - 1) if gpu else 0
    return DataLoader(
        cards,
        batch_sampler=chunks[skip:],
        num_workers=workers,
        pin_memory=gpu,
        generator=torch.Generator(),
        collate_fn=partial(_collate, cards),
    )


def _collate(cards: CardDataset, items: list[Batch]) -> Batch:
    """Stack cards into a batch; without cards, tensors of the same shapes with zero rows."""
    if items:
        return default_collate(items)
    one = default_collate([cards[0, 0, 0]])
    # Features of the two sides are a list of two tensors.
    pairs = {name: [part[:0] for part in value] for name, value in one.items() if isinstance(value, list)}
    return cast(Batch, {name: pairs.get(name, value[:0]) for name, value in one.items()})
