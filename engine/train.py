"""The training loop: an iterator of events. It logs nothing and writes no rows; `list(train(...))` is the test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.seed import seed_everything
from lightning_fabric.wrappers import _FabricOptimizer
from torch import Tensor

from engine import checkpoint, leaks, plans, predictions, run_folder
from engine.cache import PixelCache
from engine.config import Config
from engine.data import (
    Batch,
    Cards,
    Inputs,
    Trainable,
    batches,
    counts_by_grade,
    epoch_order,
    limited,
    model_input,
    pictures_of,
    usable,
)
from engine.device import resolve
from engine.errors import BadInput
from engine.evaluate import NoCards, figures, infer
from engine.events import EpochDone, Event, Finished, Notice, Progress, Saved, Stopped
from engine.losses import Objective, soft_targets
from engine.mixup import mix
from engine.model.dual import DualBranch
from engine.model.encoders import WeightsNotDownloaded
from engine.pairs import CardPair, Refused
from engine.run_folder import CHECKPOINT, MODEL
from engine.schedule import build_schedule
from engine.tally import State
from engine.worn import worn_cards

LARGEST_GRADIENT = 1.0
# Between epoch ends, a checkpoint at least this often: what a killed run loses of a long epoch.
CHECKPOINT_EVERY_S = 300.0

Stop = Callable[[], bool]


class TrainingFailed(BadInput):
    """The run cannot go on; the message says where it stood and what to do."""


def train(
    config: Config, pairs: Sequence[CardPair], folder: Path, stop: Stop = lambda: False, cache: Path | None = None
) -> Iterator[Event]:
    """Train on pairs with a split each, saving into `folder`; go on exactly where a checkpoint stands there.

    stop   asked after every batch of training and validation; when it says yes the run saves, says Stopped and ends
    cache  folder of prepared pictures, shared between runs; `folder`/cache where none is given
    Raises BadConfig, Leak, NoCards and TrainingFailed with one sentence each.
    """
    leaks.refuse_leaks(pairs)
    run_folder.record(folder, config, [pair.absolute() for pair in pairs])
    fabric = _launch_fabric(config)
    taken = limited([pair for pair in pairs if pair.split != "test"], config.max_pairs, config.seed)
    prepared = cache or folder / "cache"
    worn = yield from worn_cards(taken, config, prepared / "worn", stop)
    taken += worn
    pixels = PixelCache(prepared, pictures_of(taken), config.image_size, cropped=pictures_of(worn), seen=config.seen)
    for done, total in pixels.fill():
        yield Progress("pictures", 0, done, total)
        if stop():
            yield Stopped(folder / CHECKPOINT if (folder / CHECKPOINT).exists() else None, 0)
            return
    kept, left_out = usable(taken, pixels)
    yield from _tell(left_out)
    # Not before: preparing pictures draws random numbers, and a run is the same whether they were prepared earlier.
    seed_everything(config.seed, verbose=False)
    run = _Run(fabric, config, kept, pixels, folder)
    yield from run.prepare()
    yield from run.go(stop)


def resume(folder: Path, stop: Stop = lambda: False, cache: Path | None = None) -> Iterator[Event]:
    """Go on with the run in `folder`, told what it was told then. Raises BadConfig where none is there."""
    config, pairs = run_folder.told(folder)
    yield from train(config, pairs, folder, stop, cache)


def _launch_fabric(config: Config) -> Fabric:
    """Fabric on the chosen device."""
    fabric = Fabric(accelerator=resolve(config.device), devices=1)
    fabric.launch()
    return fabric


def _tell(left_out: Sequence[Refused]) -> Iterator[Notice]:
    """One notice for each reason, with how many cards it concerns and the first of them."""
    by_reason: dict[str, list[str]] = {}
    for refused in left_out:
        by_reason.setdefault(refused.reason, []).append(refused.path)
    for reason, names in by_reason.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Notice(f"{names[0]}{others}: left out: {reason}")


class _Run:
    """The moving parts of one run."""

    def __init__(
        self, fabric: Fabric, config: Config, cards: Sequence[Trainable], pixels: PixelCache, folder: Path
    ) -> None:
        self.fabric, self.config, self.folder = fabric, config, folder
        by_split = {name: [card for card in cards if card.pair.split == name] for name in ("train", "val")}
        for name, word in (("train", "training"), ("val", "validation")):
            if not by_split[name]:
                raise NoCards(f"no card is left for {word}; label more cards, so that the {name} split has some")
        self.training = Cards(by_split["train"], pixels, config, training=True)
        self.validation = Cards(by_split["val"], pixels, config, training=False)
        self.sides_seen = [
            any(side in pixels for side in sides)
            for sides in zip(*((card.pair.front, card.pair.back) for card in self.training.cards), strict=True)
        ]
        self.state = State()

    def prepare(self) -> Iterator[Event]:
        """Build the network, its optimiser and schedule; load the checkpoint where there is one."""
        counts = torch.from_numpy(counts_by_grade(self.training.cards))
        self.objective = Objective(self.config, counts).to(self.fabric.device)
        saved = checkpoint.load(self.folder / CHECKPOINT) if (self.folder / CHECKPOINT).exists() else None
        try:
            module = DualBranch(self.config, pretrained="none" if saved else self.config.pretrained)
        except WeightsNotDownloaded as error:
            yield Notice(f"PRETRAINED WEIGHTS MISSING: {error}; this run starts from random weights")
            module = DualBranch(self.config)
        self.network = self.fabric.setup_module(module.to(memory_format=torch.channels_last))
        if self.config.class_weights == "balanced" and self.config.sampler_eta > 0:
            yield Notice("class weights and sampler are stacked: rare grades are favoured twice")
        self.state = State(**saved["state"]) if saved else self.state
        self._enter_phase(self.phase)
        if saved:
            self._restore(saved)

    @property
    def phase(self) -> int:
        """The phase of the current epoch."""
        return 1 if self.state.epoch <= self.config.phase1_epochs else 2

    def _enter_phase(self, phase: int) -> None:
        """A fresh optimiser and schedule for the phase's parameters; the front learns nothing in phase 1."""
        self.network.front.requires_grad_(phase == 2)
        learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        rate = self.config.lr_phase1 if phase == 1 else self.config.lr_phase2
        optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=self.config.weight_decay, fused=True)
        epochs = self.config.phase1_epochs if phase == 1 else self.config.phase2_epochs
        self.schedule = build_schedule(self.config, optimizer, epochs)
        self.optimizer = cast(_FabricOptimizer, self.fabric.setup_optimizers(optimizer))

    def go(self, stop: Stop) -> Iterator[Event]:
        """Every epoch that is left, then Finished; or Stopped."""
        while self.state.epoch <= self.config.epochs:
            for event in self._epoch(stop):
                yield event
                if isinstance(event, Stopped):
                    return
        summary = self.state.summary(self.config.epochs)
        yield Finished(self.folder / MODEL, {**summary, **plans.settle(self.folder, summary)})

    def _epoch(self, stop: Stop) -> Iterator[Event]:
        epoch, phase, rate = self.state.epoch, self.phase, self.optimizer.param_groups[0]["lr"]
        yield from self._train_epoch(stop)
        if self.state.batch < self._batches_an_epoch:
            return
        outcomes = []
        for outcome in infer(self.network, self.objective, self.validation, self.config, phase):
            outcomes.append(outcome)
            yield Progress("validation", epoch, sum(len(each.index) for each in outcomes), len(self.validation))
            if stop():
                yield from self._stopped()
                return
        metrics, val_loss, probabilities = figures(self.validation.cards, outcomes)
        done = self.state.end_epoch(phase, rate, val_loss, metrics)
        yield from self._keep_if_best(done, probabilities)
        plans.note_epoch(self.folder, done)
        # Told before the checkpoint stands: killed in between, a resumed run tells the epoch again, never not at all.
        yield done
        self.schedule.step(metrics["qwk"])
        self.state.begin_epoch(epoch + 1)
        if epoch == self.config.phase1_epochs:
            self._enter_phase(2)
        yield self._save_checkpoint(epoch)

    def _stopped(self) -> Iterator[Event]:
        yield self._save_checkpoint(self.state.epoch)
        yield Stopped(self.folder / CHECKPOINT, self.state.epoch)

    @property
    def _on_gpu(self) -> bool:
        return self.fabric.device.type == "cuda"

    @property
    def _batches_an_epoch(self) -> int:
        return ceil(len(self.training) / self.config.batch_size)

    def _train_epoch(self, stop: Stop) -> Iterator[Event]:
        """The batches of the epoch that are left; ends early, saved, when asked to stop."""
        state = self.state
        order = epoch_order(self.training.cards, self.config, state.epoch)
        loader = batches(self.training, order, self.config, state.epoch, skip=state.batch)
        self.network.train()
        began = saved_at = time.monotonic()
        for batch in loader:
            inputs = model_input(batch, self.phase, self.fabric.device)
            state.wait_seconds += time.monotonic() - began
            self._step(batch, inputs)
            state.batch += 1
            state.epoch_seconds += time.monotonic() - began
            yield Progress("training", state.epoch, state.batch, self._batches_an_epoch)
            if stop():
                yield from self._stopped()
                return
            if time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                yield self._save_checkpoint(state.epoch)
                saved_at = time.monotonic()
            began = time.monotonic()

    def _step(self, batch: Batch, inputs: Inputs) -> None:
        """One optimiser step, its sums added to the state."""
        device, config, state = self.fabric.device, self.config, self.state
        targets = soft_targets(batch["grade"].to(device), config.label_smoothing)
        random = np.random.default_rng((config.seed, state.epoch, state.batch, 1))
        inputs, targets = mix(inputs, targets, config.mixup_alpha, random)
        scores = self.network(*inputs)
        losses = self.objective(scores, targets, batch["edge"].to(device), batch["centering"].to(device))
        loss = losses.mean()
        self._must_be_finite("loss", loss)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.network, self.optimizer, max_norm=LARGEST_GRADIENT, error_if_nonfinite=False
        )
        self._must_be_finite("gradient", cast(Tensor, norm))
        self.optimizer.step()
        predicted = self.objective.log_probabilities(scores.grade.detach()).argmax(dim=1).cpu().numpy() + 1
        state.count(losses.detach(), batch["grade"].numpy() + 1, predicted)

    def _must_be_finite(self, name: str, value: Tensor) -> None:
        if not torch.isfinite(value):
            place = f"epoch {self.state.epoch}, batch {self.state.batch + 1}"
            raise TrainingFailed(f"the {name} became {value.item()} in {place}; lower the learning rate")

    def _keep_if_best(self, done: EpochDone, probabilities: np.ndarray) -> Iterator[Saved]:
        """Write the model, and what it says of each validation card, when its validation QWK is the best yet."""
        if not self.state.is_best(done):
            return
        self.state.best |= predictions.keep(self.folder, self.validation.cards, probabilities)
        content = {
            "name": self.folder.name,
            "config": self.config.model_dump(),
            "phase": done.phase,
            "sides": [self.sides_seen[0] and done.phase == 2, self.sides_seen[1]],
            "trained_on": self._trained_on(),
            "summary": self.state.best,
            "model": self.network.module.state_dict(),
        }
        checkpoint.save(self.folder / MODEL, content)
        yield Saved(self.folder / MODEL, done.epoch, best=True)

    def _trained_on(self) -> str:
        made = sum(card.pair.synthetic for card in self.training.cards)
        copies = f" and {made} worn copies" if made else ""
        return f"{len(self.training) - made} cards{copies}, {len(self.validation)} more to choose the epoch"

    def _save_checkpoint(self, epoch: int) -> Saved:
        content = {
            "state": asdict(self.state),
            "model": self.network.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if self._on_gpu else [],
        }
        checkpoint.save(self.folder / CHECKPOINT, content)
        return Saved(self.folder / CHECKPOINT, epoch, best=False)

    def _restore(self, saved: dict[str, Any]) -> None:
        self.network.module.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        torch.set_rng_state(saved["random"])
        if self._on_gpu and len(saved["random_cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(saved["random_cuda"])
