"""Training loop, an iterator of events: it logs nothing and writes no database rows."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.seed import seed_everything

from engine.cards import leakage
from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data.dataset import Batch, CardDataset
from engine.data.feature_cache import FeatureCache
from engine.data.inputs import Inputs, model_input
from engine.data.picture_cache import PixelCache
from engine.data.prepare import PreparedData, Stop, prepare_run_data
from engine.data.sampler import batch_loader, epoch_order
from engine.data.selection import check_labels
from engine.device import is_out_of_memory, launch
from engine.distributed import ProcessGroup, cleanup
from engine.evaluation import calibration, predictions
from engine.evaluation.model_selection import Criterion, selection_criterion
from engine.events import EpochDone, Event, Finished, Notice, Progress, Saved, Stopped
from engine.experiments import plans, run_folder
from engine.experiments.run_folder import CHECKPOINT, MODEL
from engine.inference.evaluate import BatchResult, infer, non_finite_cards, summarize
from engine.model.dual_branch import DualBranch
from engine.storage import checkpoint
from engine.thresholds import parse_conditions
from engine.training import initial_weights
from engine.training.frozen_encoders import feature_caches
from engine.training.initial_weights import InitialModel
from engine.training.lr_schedule import end_epoch
from engine.training.optimizer import FailedByRule, Learner, StepResult, TrainingFailed
from engine.training.state import TrainingState

# Within an epoch, a killed run loses at most this much.
CHECKPOINT_EVERY_S = 300.0


def train(
    config: Config, pairs: Sequence[CardPair], folder: Path, stop: Stop = lambda: False, cache: Path | None = None
) -> Iterator[Event]:
    """Train on pairs with a split each and save into `folder`; resume exactly from a checkpoint in it.

    stop   called after every batch of training and validation; if it returns True, the run saves, yields Stopped, ends
    cache  folder of prepared pictures, shared between runs; default `folder`/cache

    With torchrun, all ranks call this with the same arguments and share every batch; rank 0 writes the files and yields
    the events, the other ranks yield only the last event.
    Raises BadConfig, BadModel, Leak, NoCards, OneGrade, DiskFull and TrainingFailed with one sentence each.
    """
    leakage.check_no_leakage(pairs)
    if not (folder / CHECKPOINT).exists():
        check_labels(pairs, config)
        initial_weights.validate_run(config, pairs, folder)
    fabric = launch(config)
    with cleanup():
        ranks = ProcessGroup(fabric)
        for event in _events(fabric, ranks, config, pairs, folder, stop, cache or folder / "cache"):
            if ranks.is_first or isinstance(event, Finished | Stopped):
                yield event


def resume(folder: Path, stop: Stop = lambda: False, cache: Path | None = None) -> Iterator[Event]:
    """Resume the run in `folder` with its saved config and pairs. Raises BadConfig if there is none."""
    config, pairs = run_folder.load(folder)
    yield from train(config, pairs, folder, stop, cache)


def _events(
    fabric: Fabric,
    ranks: ProcessGroup,
    config: Config,
    pairs: Sequence[CardPair],
    folder: Path,
    stop: Stop,
    cache: Path,
) -> Iterator[Event]:
    with ranks.rank_zero_first():
        run_folder.save(folder, config, [pair.absolute() for pair in pairs])
    prepared = yield from prepare_run_data(ranks, config, pairs, cache, stop)
    if prepared is None:
        yield Stopped(folder / CHECKPOINT if (folder / CHECKPOINT).exists() else None, 0)
        return
    # After the preparation, which draws random numbers: cached pictures must not change the run.
    seed_everything(config.seed, verbose=False)
    run = yield from _begin(fabric, ranks, config, prepared, folder, cache)
    yield from run.train(stop)


def _begin(
    fabric: Fabric, ranks: ProcessGroup, config: Config, prepared: PreparedData, folder: Path, cache: Path
) -> Generator[Event, None, _Run]:
    """Create network and optimizer, or restore them from the checkpoint if there is one."""
    training, validation = (
        CardDataset(cards, prepared.pixels, config, training=is_training, auxiliary=prepared.auxiliary)
        for cards, is_training in ((prepared.training, True), (prepared.validation, False))
    )
    saved = checkpoint.load(folder / CHECKPOINT) if (folder / CHECKPOINT).exists() else None
    # The weights of a checkpoint are loaded below.
    initial = InitialModel(DualBranch(config)) if saved else initial_weights.initialize_model(config)
    yield from map(Notice, initial.notices)
    learner = Learner(fabric, ranks, config, initial.network, training.cards)
    if config.class_weights == "balanced" and config.sampler_eta > 0:
        yield Notice("both class_weights and sampler_eta favor rare grades; the effects multiply")
    too_few = calibration.too_few_groups_message([card.pair.group_key for card in validation.cards])
    if too_few and not saved:
        yield Notice(f"{too_few}; this run's model will not be calibrated")
    criterion, notice = selection_criterion([card.grade for card in validation.cards])
    if config.kept_epoch == "last":
        criterion, notice = "last", ""
    if notice and not saved:
        yield Notice(notice)
    state = TrainingState(**saved["state"]) if saved else TrainingState(begun_from=initial.source)
    learner.enter_phase(_phase(config, state.epoch))
    if saved:
        learner.load_state_dict(saved)
        yield from _restore_random_state(fabric, ranks, config, saved)
    elif ranks.rank:
        # All ranks initialize the same weights; dropout is seeded per rank.
        torch.manual_seed(config.seed + ranks.rank)
    return _Run(fabric, ranks, config, folder, cache, prepared.pixels, training, validation, criterion, learner, state)


def _restore_random_state(
    fabric: Fabric, ranks: ProcessGroup, config: Config, saved: dict[str, Any]
) -> Iterator[Notice]:
    if len(saved["random"]) != ranks.world_size:
        yield Notice(
            f"the run stopped with {len(saved['random'])} processes and resumes with {ranks.world_size}, so its random "
            "numbers differ from those of an uninterrupted run"
        )
        torch.manual_seed(config.seed + ranks.rank)
        return
    torch.set_rng_state(saved["random"][ranks.rank])
    if fabric.device.type == "cuda" and saved["random_cuda"]:
        torch.cuda.set_rng_state(saved["random_cuda"][ranks.rank])


def _phase(config: Config, epoch: int) -> int:
    return 1 if epoch <= config.phase1_epochs else 2


@dataclass(frozen=True)
class _Run:
    """Epochs of one run, from its prepared data to Finished or Stopped."""

    fabric: Fabric
    ranks: ProcessGroup
    config: Config
    folder: Path
    cache: Path
    pixels: PixelCache
    training: CardDataset
    validation: CardDataset
    criterion: Criterion
    learner: Learner
    state: TrainingState

    @property
    def phase(self) -> int:
        """Phase of the current epoch."""
        return _phase(self.config, self.state.epoch)

    def train(self, stop: Stop) -> Iterator[Event]:
        """Run the remaining epochs; the last event is Finished or Stopped. Raises TrainingFailed."""
        if self.config.caches_features and (yield from self._encode_pictures(stop)):
            yield from self._stopped()
            return
        while self.state.epoch <= self.config.epochs and not self.state.failure:
            for event in self._epoch(stop):
                yield event
                if isinstance(event, Stopped):
                    return
        summary = self.state.summary(self.config.epochs)
        if self.ranks.is_first:
            # As in the history, which has no summary of a failed run: its verdict is on its epochs.
            summary |= plans.write_verdict(self.folder, None if self.state.failure else summary)
        if self.state.failure:
            raise FailedByRule(self.state.failure)
        yield Finished(self.folder / MODEL, summary)

    def _encode_pictures(self, stop: Stop) -> Generator[Event, None, bool]:
        """Encode the pictures once, since the encoders are frozen; returns True if stopped."""
        network, device = cast(DualBranch, self.learner.network.module), self.fabric.device
        cards = [*self.training.cards, *self.validation.cards]
        network.eval()
        caches = feature_caches(network, cards, self.pixels, self.config, self.cache, device)
        for cache in caches:
            for done, total in cache.fill():
                yield Progress("features", 0, done, total)
                if self.ranks.any(stop()):
                    return True
        self.training.features = self.validation.features = caches
        self._fit_standardization(caches)
        return False

    def _fit_standardization(self, caches: tuple[FeatureCache, FeatureCache]) -> None:
        """Standardize the features of the network and of its EMA by the training cards' unchanged pictures."""
        pairs = [card.pair for card in self.training.cards]
        sides = [pair.front for pair in pairs], [pair.back for pair in pairs]
        for network in (cast(DualBranch, self.learner.network.module), self.learner.averaged_network):
            for module, pictures, cache in zip((network.front, network.back), sides, caches, strict=True):
                features = [cache.features(side, 0) for side in pictures if side is not None and side in cache]
                if features:
                    module.fit_standardization(torch.from_numpy(np.stack(features)).to(module.center.device))
            if network.measured is not None:
                network.measured.fit_standardization(self.training.measurements().to(network.measured.center.device))

    def _epoch(self, stop: Stop) -> Iterator[Event]:
        epoch, phase, rate = self.state.epoch, self.phase, self.learner.rate
        yield from self._train_epoch(stop)
        if self.state.batch < self._batches_per_epoch:
            return
        results = yield from self._validate(stop)
        if results is None:
            yield from self._stopped()
            return
        if bad_cards := non_finite_cards(self.validation.cards, results):
            raise TrainingFailed(
                f"the validation loss of card {bad_cards} is not finite in epoch {epoch}; lower the learning rate"
            )
        metrics, val_loss, probabilities = summarize(self.validation.cards, results)
        done = self.state.end_epoch(phase, rate, val_loss, metrics, self.criterion)
        yield from self._save_if_best(done, probabilities)
        if self.ranks.is_first:
            plans.record_epoch(self.folder, done)
        # Yield before saving: a run killed in between repeats the event instead of losing it.
        yield done
        self._check_rules(done)
        end_epoch(self.learner.schedule, -metrics["rps"] if self.criterion == "rps" else metrics["qwk"])
        self.state.begin_epoch(epoch + 1)
        if epoch == self.config.phase1_epochs:
            self.learner.enter_phase(2)
        yield self._save_checkpoint(epoch)

    def _validate(self, stop: Stop) -> Generator[Event, None, list[BatchResult] | None]:
        """Results of all validation cards, gathered from all ranks; None on a stop request.

        In full precision and without collectives, so the metrics equal those of `evaluate` on the saved model.
        """
        rows = range(len(self.validation))[self.ranks.local_rows]
        max_batches = ceil(len(range(len(self.validation))[:: self.ranks.world_size]) / self.config.batch_size)
        module, objective = self.learner.averaged_network, self.learner.objective
        remaining = infer(module, objective, self.validation, self.config, self.phase, rows)
        results: list[BatchResult] = []
        for _ in range(max_batches):
            # A rank without cards left still takes part in the stop request.
            results.extend(islice(remaining, 1))
            done = sum(len(result.index) for result in results) * self.ranks.world_size
            yield Progress("validation", self.state.epoch, min(done, len(self.validation)), len(self.validation))
            if self.ranks.any(stop()):
                return None
        return [result for results_of_rank in self.ranks.gather(results) for result in results_of_rank]

    def _check_rules(self, done: EpochDone) -> None:
        """Record the failure if the epoch meets a stop_if rule."""
        for rule in parse_conditions(self.config.stop_if):
            if rule.epoch == done.epoch and rule.holds(done.all_metrics):
                value = done.all_metrics[rule.metric]
                self.state.failure = (
                    f"epoch {done.epoch} fails the run by its rule {rule}: {rule.metric} is {value:.4g}; the best "
                    "model so far is kept, start a new run to try something else"
                )
                return

    def _stopped(self) -> Iterator[Event]:
        yield self._save_checkpoint(self.state.epoch)
        yield Stopped(self.folder / CHECKPOINT, self.state.epoch)

    @property
    def _batches_per_epoch(self) -> int:
        return ceil(len(self.training) / self.config.batch_size)

    def _train_epoch(self, stop: Stop) -> Iterator[Event]:
        """Train on the remaining batches of the epoch; on a stop request, save and end early."""
        state = self.state
        order = epoch_order(self.training.cards, self.config, state.epoch)
        loader = batch_loader(
            self.training, order, self.config, state.epoch, skip=state.batch, local_rows=self.ranks.local_rows
        )
        self.learner.network.train()
        began = saved_at = time.monotonic()
        for batch in loader:
            inputs = model_input(batch, self.config, self.phase, self.fabric.device)
            state.wait_seconds += time.monotonic() - began
            result = yield from self._step(batch, inputs)
            state.count(result.loss_sum, result.confusion)
            state.epoch_seconds += time.monotonic() - began
            yield Progress("training", state.epoch, state.batch, self._batches_per_epoch)
            if self.ranks.any(stop()):
                yield from self._stopped()
                return
            if self.ranks.any(time.monotonic() - saved_at > CHECKPOINT_EVERY_S):
                yield self._save_checkpoint(state.epoch)
                saved_at = time.monotonic()
            began = time.monotonic()

    def _step(self, batch: Batch, inputs: Inputs) -> Generator[Notice, None, StepResult]:
        """Take one optimizer step; halve the micro-batch whenever memory does not suffice."""
        while True:
            try:
                return self.learner.step(batch, inputs, self.state)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Outside the except block, where the error still references the tensors of the failed step.
            yield self._halve()

    def _halve(self) -> Notice:
        """Halve the number of cards computed at once. Raises TrainingFailed if that cannot help."""
        config, state = self.config, self.state
        torch.cuda.empty_cache()
        cards = state.cards_at_once or ceil(config.batch_size / self.ranks.world_size)
        if cards == 1:
            raise TrainingFailed(f"not enough memory for one card of {config.image_size} px; lower image_size")
        if self.ranks.world_size > 1:
            # The other ranks are in the middle of the step, waiting for this rank's batch statistics.
            raise TrainingFailed(f"not enough memory for {cards} cards at once; lower batch_size, or use one process")
        state.cards_at_once = ceil(cards / 2)
        return Notice(
            f"not enough memory for {cards} cards at once: from now on {state.cards_at_once} at a time, with gradients "
            f"accumulated to a batch of {config.batch_size}; batch normalization uses {state.cards_at_once} cards"
        )

    def _save_if_best(self, done: EpochDone, probabilities: np.ndarray) -> Iterator[Event]:
        """Save the model and its validation predictions if its epoch is the best so far, or the last is kept."""
        if self.state.ties_with_best(done) and not self.state.tie_reported:
            self.state.tie_reported = True
            yield Notice(
                f"epochs {self.state.best['epoch']} and {done.epoch} have the same validation QWK: among equal epochs "
                "the one with the better ranked probability score is kept"
            )
        if not self.state.is_best(done):
            return
        self.state.keep(done)
        if self.ranks.is_first:
            self.state.best |= predictions.write_validation(self.folder, self.validation.cards, probabilities)
        pairs = [card.pair for card in self.training.cards]
        has_front, has_back = (
            any(side in self.pixels for side in sides)
            for sides in zip(*((pair.front, pair.back) for pair in pairs), strict=True)
        )
        content = {
            "name": self.folder.name,
            "config": self.config.model_dump(),
            "phase": done.phase,
            "sides": [has_front and done.phase == 2, has_back],
            "trained_on": self._trained_on(),
            "summary": self.state.best,
            # Only rank 0 writes the model, so only it fits the calibration.
            "calibration": calibration.calibrate_on_validation(self.validation.cards, probabilities)
            if self.ranks.is_first
            else None,
            "model": self.learner.averaged_network.state_dict(),
        }
        yield self._save(MODEL, content, done.epoch)

    def _trained_on(self) -> str:
        worn = sum(card.pair.synthetic for card in self.training.cards)
        copies = f" and {worn} worn copies" if worn else ""
        source = f"; begun from {self.state.begun_from}" if self.state.begun_from else ""
        return f"{len(self.training) - worn} cards{copies}, {len(self.validation)} more to choose the epoch{source}"

    def _save_checkpoint(self, epoch: int) -> Saved:
        content = {
            "state": asdict(self.state),
            **self.learner.state_dict(),
            # One per rank.
            "random": self.ranks.gather(torch.get_rng_state()),
            "random_cuda": self.ranks.gather(torch.cuda.get_rng_state()) if self.fabric.device.type == "cuda" else [],
        }
        return self._save(CHECKPOINT, content, epoch)

    def _save(self, name: str, content: dict[str, Any], epoch: int) -> Saved:
        """Write a file of the run on rank 0."""
        if self.ranks.is_first:
            checkpoint.save(self.folder / name, content)
        return Saved(self.folder / name, epoch, best=name == MODEL)
