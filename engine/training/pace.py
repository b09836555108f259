"""Pace of a run on this machine, measured by a few training steps, and the time and disk space of the run from it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data.dataset import AuxiliaryInputs, CardDataset
from engine.data.inputs import model_input
from engine.data.picture_cache import PixelCache
from engine.data.prepare import prepare_auxiliary
from engine.data.sampler import batch_loader
from engine.data.selection import NoCards, labelled_pictures, with_pictures
from engine.device import launch
from engine.distributed import ProcessGroup
from engine.inference.evaluate import infer
from engine.model.dual_branch import DualBranch
from engine.storage import checkpoint
from engine.training.frozen_encoders import feature_caches
from engine.training.optimizer import Learner
from engine.training.state import TrainingState

# The first step is slower: it allocates memory and chooses kernels.
WARM_UP_STEPS, STEPS = 1, 3
# No further step is begun after this time: a slow one is measured once.
MAX_STEPS_S = 8.0


@dataclass(frozen=True)
class Pace:
    """Times of the parts of a run in seconds, and the sizes of what it writes in bytes.

    start          before the first step: network, optimizer
    prepare        a picture that is not prepared yet: read, find, rectify, measure, encode
    training       an epoch's card, by phase: 0 for a phase without epochs
    validation     a card
    save           a checkpoint, at the end of each epoch
    checkpoint_bytes, model_bytes, picture_bytes  of a file, of a file, of a prepared picture
    """

    start: float
    prepare: float
    training: tuple[float, float]
    validation: float
    save: float
    checkpoint_bytes: int
    model_bytes: int
    picture_bytes: int


@dataclass(frozen=True)
class RunSize:
    """Numbers that the time of a run depends on: cards by split, and the pictures that are not prepared yet."""

    training: int
    validation: int
    pictures: int


def pace_settings(config: Config) -> Config:
    """The settings without those that do not change the pace, such as the number of epochs beyond one."""
    phases = {"phase1_epochs": min(config.phase1_epochs, 1), "phase2_epochs": min(config.phase2_epochs, 1)}
    same = {name: Config.model_fields[name].default for name in ("lr_phase1", "lr_phase2", "schedule", "stop_if")}
    # The initial weights do not change the pace, and may be a download.
    return config.model_copy(update={**same, **phases, "pretrained": "none", "teachers": "", "max_pairs": 0, "seed": 0})


def seconds_of_run(pace: Pace, config: Config, size: RunSize) -> float:
    """Time of a run.

    Worked: 100 s to prepare 50 pictures of 2 s; then 10 epochs of 40 cards of .5 s, 10 of .1 s and 1 s to save: 320 s.
    """
    by_phase = zip((config.phase1_epochs, config.phase2_epochs), pace.training, strict=True)
    training = sum(epochs * size.training * seconds for epochs, seconds in by_phase)
    rest_of_epoch = size.validation * pace.validation + pace.save
    return pace.start + size.pictures * pace.prepare + training + config.epochs * rest_of_epoch


def bytes_of_run(pace: Pace, size: RunSize) -> int:
    """Disk space that a run needs: its files, each written anew beside the old one, and the prepared pictures."""
    return 2 * (pace.checkpoint_bytes + pace.model_bytes) + size.pictures * pace.picture_bytes


def measure_pace(config: Config, pairs: Sequence[CardPair], folder: Path) -> Pace:
    """Prepare a few cards in `folder`, an empty one, and train on them, each repeated to fill the batches.

    Raises BadConfig and NoCards.
    """
    began = time.monotonic()
    config = pace_settings(config)
    fabric = launch(config)
    ranks = ProcessGroup(fabric)
    network = DualBranch(config)
    start = time.monotonic() - began
    began = time.monotonic()
    pixels = PixelCache(folder, labelled_pictures(pairs), config.canvas_shape, input_region=config.input_region)
    _result_of(pixels.fill())
    usable, refused = with_pictures(pairs, pixels)
    if not usable:
        raise NoCards(f"{refused[0].path}: {refused[0].reason}" if refused else "there is no card to measure with")
    auxiliary: AuxiliaryInputs = _result_of(prepare_auxiliary(usable, pixels, config, folder, lambda: False))
    # As many cards as the measured batches hold.
    cards = [usable[index % len(usable)] for index in range(config.batch_size * (WARM_UP_STEPS + STEPS))]
    dataset = CardDataset(cards, pixels, config, training=True, auxiliary=auxiliary)
    learner = Learner(fabric, ranks, config, network, cards)
    if config.caches_features:
        network.eval()
        dataset.features = feature_caches(network, usable, pixels, config, folder, fabric.device)
        for cache in dataset.features:
            _result_of(cache.fill())
    pictures = sum(path in pixels for path in set(labelled_pictures(pairs)))
    prepare = (time.monotonic() - began) / max(1, pictures)
    picture_bytes = _size_of(folder) // max(1, pictures)
    phases = [phase for phase, epochs in ((1, config.phase1_epochs), (2, config.phase2_epochs)) if epochs]
    training = [0.0, 0.0]
    for phase in phases:
        learner.enter_phase(phase)
        training[phase - 1] = _seconds_per_card(learner, dataset, config, phase, fabric.device)
    began = time.monotonic()
    rows = range(min(config.batch_size, len(cards)))
    list(infer(learner.averaged_network, learner.objective, dataset, config, phases[-1], rows))
    validation = (time.monotonic() - began) / len(rows)
    began = time.monotonic()
    checkpoint.save(folder / "checkpoint", learner.state_dict())
    save = time.monotonic() - began
    checkpoint.save(folder / "model", learner.averaged_network.state_dict())
    sizes = [(folder / name).stat().st_size for name in ("checkpoint", "model")]
    return Pace(start, prepare, (training[0], training[1]), validation, save, sizes[0], sizes[1], picture_bytes)


def _seconds_per_card(
    learner: Learner, dataset: CardDataset, config: Config, phase: int, device: torch.device
) -> float:
    """Time of training on one card, from whole steps with the loading of their batches."""
    state = TrainingState()
    learner.network.train()
    steps, measured_from, began = 0, 0.0, time.monotonic()
    for batch in batch_loader(dataset, range(len(dataset)), config, epoch=1):
        learner.step(batch, model_input(batch, config, phase, device), state)
        state.batch += 1
        now = time.monotonic()
        if state.batch == WARM_UP_STEPS:
            measured_from = now
            if now - began > MAX_STEPS_S:
                return (now - began) / config.batch_size
        steps = state.batch - WARM_UP_STEPS
        if now - began > MAX_STEPS_S and steps:
            break
    return (time.monotonic() - measured_from) / (steps * config.batch_size)


def _result_of(events: Iterator[Any]) -> Any:
    """Run a generator to its end; returns its result."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
