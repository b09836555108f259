"""The training loop: an iterator of events. It logs nothing and writes no rows; `list(train(...))` is the test."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.seed import seed_everything

from engine.cards import leakage
from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data.dataset import Batch, Cards
from engine.data.inputs import Inputs, model_input
from engine.data.prepare import Prepared, Stop, prepare
from engine.data.sampler import batches, epoch_order
from engine.device import launch, out_of_memory
from engine.distributed import Ranks, leaving
from engine.evaluation import calibration, predictions
from engine.events import EpochDone, Event, Finished, Notice, Progress, Saved, Stopped
from engine.experiments import plans, run_folder
from engine.experiments.run_folder import CHECKPOINT, MODEL
from engine.inference.evaluate import Outcome, figures, infer, unanswered
from engine.model.dual_branch import DualBranch
from engine.storage import checkpoint
from engine.thresholds import parse_all
from engine.training import initial_weights
from engine.training.initial_weights import Beginning
from engine.training.learner import FailedByRule, Learner, Stepped, TrainingFailed
from engine.training.state import State

# Between epoch ends, a checkpoint at least this often: what a killed run loses of a long epoch.
CHECKPOINT_EVERY_S = 300.0


def train(
    config: Config, pairs: Sequence[CardPair], folder: Path, stop: Stop = lambda: False, cache: Path | None = None
) -> Iterator[Event]:
    """Train on pairs with a split each, saving into `folder`; go on exactly where a checkpoint stands there.

    stop   asked after every batch of training and validation; when it says yes the run saves, says Stopped and ends
    cache  folder of prepared pictures, shared between runs; `folder`/cache where none is given
    Where torchrun has started several processes each calls this alike: they share every batch, the first one writes
    and tells, and the others yield no more than the last event.
    Raises BadConfig, BadModel, Leak, NoCards and TrainingFailed with one sentence each.
    """
    leakage.refuse_leaks(pairs)
    if not (folder / CHECKPOINT).exists():
        initial_weights.refuse_unfit(config, pairs, folder)
    fabric = launch(config)
    with leaving():
        ranks = Ranks(fabric)
        for event in _all_events(fabric, ranks, config, pairs, folder, stop, cache or folder / "cache"):
            if ranks.first or isinstance(event, Finished | Stopped):
                yield event


def resume(folder: Path, stop: Stop = lambda: False, cache: Path | None = None) -> Iterator[Event]:
    """Go on with the run in `folder`, told what it was told then. Raises BadConfig where none is there."""
    config, pairs = run_folder.told(folder)
    yield from train(config, pairs, folder, stop, cache)


def _all_events(
    fabric: Fabric, ranks: Ranks, config: Config, pairs: Sequence[CardPair], folder: Path, stop: Stop, cache: Path
) -> Iterator[Event]:
    with ranks.first_goes_first():
        run_folder.record(folder, config, [pair.absolute() for pair in pairs])
    prepared = yield from prepare(ranks, config, pairs, cache, stop)
    if prepared is None:
        yield Stopped(folder / CHECKPOINT if (folder / CHECKPOINT).exists() else None, 0)
        return
    # Not before: preparing pictures draws random numbers, and a run is the same whether they were prepared earlier.
    seed_everything(config.seed, verbose=False)
    run = _Run(fabric, ranks, config, prepared, folder)
    yield from run.build()
    yield from run.go(stop)


class _Run:
    """The order of events of one run."""

    def __init__(
        self,
        fabric: Fabric,
        ranks: Ranks,
        config: Config,
        prepared: Prepared,
        folder: Path,
    ) -> None:
        self.fabric, self.ranks, self.config, self.folder = fabric, ranks, config, folder
        pixels, beside = prepared.pixels, prepared.beside
        self.training = Cards(prepared.training, pixels, config, training=True, beside=beside)
        self.validation = Cards(prepared.validation, pixels, config, training=False, beside=beside)
        self.sides_seen = [
            any(side in pixels for side in sides)
            for sides in zip(*((card.pair.front, card.pair.back) for card in self.training.cards), strict=True)
        ]
        self.rules = parse_all(config.stop_if)
        self.state = State()

    def build(self) -> Iterator[Event]:
        """Build the network and what moves it; load the checkpoint where there is one."""
        saved = checkpoint.load(self.folder / CHECKPOINT) if (self.folder / CHECKPOINT).exists() else None
        # What a checkpoint holds is put in its place by `_restore`.
        first = Beginning(DualBranch(self.config)) if saved else initial_weights.begin(self.config)
        yield from map(Notice, first.notices)
        self.learner = Learner(self.fabric, self.ranks, self.config, first.network, self.training.cards)
        if self.config.class_weights == "balanced" and self.config.sampler_eta > 0:
            yield Notice("class weights and sampler are stacked: rare grades are favoured twice")
        too_few = calibration.shortage([card.pair.group_key for card in self.validation.cards])
        if too_few and not saved:
            yield Notice(f"{too_few}; this run's model will not be calibrated")
        self.state = State(**saved["state"]) if saved else State(begun_from=first.of)
        self.learner.enter_phase(self.phase)
        if saved:
            yield from self._restore(saved)
        elif self.ranks.own:
            # The weights are drawn alike; what is dropped out of the cards of one process is its own affair.
            torch.manual_seed(self.config.seed + self.ranks.own)

    @property
    def phase(self) -> int:
        """The phase of the current epoch."""
        return 1 if self.state.epoch <= self.config.phase1_epochs else 2

    def go(self, stop: Stop) -> Iterator[Event]:
        """Every epoch that is left, then Finished; or Stopped. Raises TrainingFailed."""
        while self.state.epoch <= self.config.epochs and not self.state.failure:
            for event in self._epoch(stop):
                yield event
                if isinstance(event, Stopped):
                    return
        summary = self.state.summary(self.config.epochs)
        if self.ranks.first:
            # A run that failed has no summary in the history either: both judge it by its epochs.
            summary |= plans.settle(self.folder, None if self.state.failure else summary)
        if self.state.failure:
            raise FailedByRule(self.state.failure)
        yield Finished(self.folder / MODEL, summary)

    def _epoch(self, stop: Stop) -> Iterator[Event]:
        epoch, phase, rate = self.state.epoch, self.phase, self.learner.rate
        yield from self._train_epoch(stop)
        if self.state.batch < self._batches_an_epoch:
            return
        outcomes = yield from self._validate(stop)
        if outcomes is None:
            yield from self._stopped()
            return
        if lost := unanswered(self.validation.cards, outcomes):
            raise TrainingFailed(
                f"the validation loss of card {lost} became no number in epoch {epoch}; lower the learning rate"
            )
        metrics, val_loss, probabilities = figures(self.validation.cards, outcomes)
        done = self.state.end_epoch(phase, rate, val_loss, metrics)
        yield from self._keep_if_best(done, probabilities)
        if self.ranks.first:
            plans.note_epoch(self.folder, done)
        # Told before the checkpoint stands: killed in between, a resumed run tells the epoch again, never not at all.
        yield done
        self._judge(done)
        self.learner.schedule.step(metrics["qwk"])
        self.state.begin_epoch(epoch + 1)
        if epoch == self.config.phase1_epochs:
            self.learner.enter_phase(2)
        yield self._save_checkpoint(epoch)

    def _validate(self, stop: Stop) -> Generator[Event, None, list[Outcome] | None]:
        """The validation cards' outcomes, each card's once, whichever process saw it; None when asked to stop.

        In full precision and without a collective: the figures are those that `evaluate` gives the saved model.
        """
        ours = range(len(self.validation))[self.ranks.share]
        most = ceil(len(range(len(self.validation))[:: self.ranks.count]) / self.config.batch_size)
        module, objective = self.learner.average.module, self.learner.objective
        outcomes = infer(module, objective, self.validation, self.config, self.phase, ours)
        seen: list[Outcome] = []
        for _ in range(most):
            # A process that has no card left still answers when all are asked to stop.
            seen.extend(islice(outcomes, 1))
            done = sum(len(each.index) for each in seen) * self.ranks.count
            yield Progress("validation", self.state.epoch, min(done, len(self.validation)), len(self.validation))
            if self.ranks.any(stop()):
                return None
        return [outcome for part in self.ranks.gather(seen) for outcome in part]

    def _judge(self, done: EpochDone) -> None:
        """Note the first rule by which the epoch fails the run."""
        for rule in self.rules:
            if rule.epoch == done.epoch and rule.holds(done.figures):
                value = done.figures[rule.metric]
                self.state.failure = (
                    f"epoch {done.epoch} fails the run by its rule {rule}: {rule.metric} is {value:.4g}; its best "
                    "model is kept, and what is tried next is a run of its own"
                )
                return

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
        loader = batches(self.training, order, self.config, state.epoch, skip=state.batch, share=self.ranks.share)
        self.learner.network.train()
        began = saved_at = time.monotonic()
        for batch in loader:
            inputs = model_input(batch, self.config, self.phase, self.fabric.device)
            state.wait_seconds += time.monotonic() - began
            stepped = yield from self._step(batch, inputs)
            state.count(stepped.loss_sum, stepped.confusion)
            state.epoch_seconds += time.monotonic() - began
            yield Progress("training", state.epoch, state.batch, self._batches_an_epoch)
            if self.ranks.any(stop()):
                yield from self._stopped()
                return
            if self.ranks.any(time.monotonic() - saved_at > CHECKPOINT_EVERY_S):
                yield self._save_checkpoint(state.epoch)
                saved_at = time.monotonic()
            began = time.monotonic()

    def _step(self, batch: Batch, inputs: Inputs) -> Generator[Notice, None, Stepped]:
        """One optimiser step, with half as many cards at once as often as memory does not hold them."""
        while True:
            try:
                return self.learner.step(batch, inputs, self.state)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
            # Here, not above: the error holds on to all that the step had put into memory.
            yield self._halve()

    def _halve(self) -> Notice:
        """Compute half as many cards at once from here on. Raises TrainingFailed where that cannot help."""
        config, state = self.config, self.state
        torch.cuda.empty_cache()
        held = state.cards_at_once or ceil(config.batch_size / self.ranks.count)
        if held == 1:
            raise TrainingFailed(f"memory does not hold one card of {config.image_size} px; lower image_size")
        if self.ranks.count > 1:
            # The others are in the midst of the step, waiting for this process's batch statistics.
            raise TrainingFailed(f"memory does not hold {held} cards at once; lower batch_size, or use one process")
        state.cards_at_once = ceil(held / 2)
        return Notice(
            f"memory did not hold {held} cards at once: from here {state.cards_at_once} at a time, their gradients "
            f"added up to those of a batch of {config.batch_size}; batch normalisation sees {state.cards_at_once} cards"
        )

    def _keep_if_best(self, done: EpochDone, probabilities: np.ndarray) -> Iterator[Saved]:
        """Write the model, and what it says of each validation card, when its validation QWK is the best yet."""
        if not self.state.is_best(done):
            return
        if self.ranks.first:
            self.state.best |= predictions.keep(self.folder, self.validation.cards, probabilities)
        content = {
            "name": self.folder.name,
            "config": self.config.model_dump(),
            "phase": done.phase,
            "sides": [self.sides_seen[0] and done.phase == 2, self.sides_seen[1]],
            "trained_on": self._trained_on(),
            "summary": self.state.best,
            # Fitted by the process that writes.
            "calibration": calibration.of_validation(self.validation.cards, probabilities)
            if self.ranks.first
            else None,
            "model": self.learner.average.module.state_dict(),
        }
        yield self._save(MODEL, content, done.epoch)

    def _trained_on(self) -> str:
        made = sum(card.pair.synthetic for card in self.training.cards)
        copies = f" and {made} worn copies" if made else ""
        begun = f"; begun from {self.state.begun_from}" if self.state.begun_from else ""
        return f"{len(self.training) - made} cards{copies}, {len(self.validation)} more to choose the epoch{begun}"

    def _save_checkpoint(self, epoch: int) -> Saved:
        content = {
            "state": asdict(self.state),
            **self.learner.state_dict(),
            # One for each process.
            "random": self.ranks.gather(torch.get_rng_state()),
            "random_cuda": self.ranks.gather(torch.cuda.get_rng_state()) if self._on_gpu else [],
        }
        return self._save(CHECKPOINT, content, epoch)

    def _save(self, name: str, content: dict[str, Any], epoch: int) -> Saved:
        """Write a file of the run, from the first process alone."""
        if self.ranks.first:
            checkpoint.save(self.folder / name, content)
        return Saved(self.folder / name, epoch, best=name == MODEL)

    def _restore(self, saved: dict[str, Any]) -> Iterator[Notice]:
        self.learner.load_state_dict(saved)
        if len(saved["random"]) != self.ranks.count:
            yield Notice(
                f"the run stopped with {len(saved['random'])} processes and goes on with {self.ranks.count}: it draws "
                "other random numbers than it would have drawn"
            )
            torch.manual_seed(self.config.seed + self.ranks.own)
            return
        torch.set_rng_state(saved["random"][self.ranks.own])
        if self._on_gpu and saved["random_cuda"]:
            torch.cuda.set_rng_state(saved["random_cuda"][self.ranks.own])
