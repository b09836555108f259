"""One optimiser step: the network, all that moves its weights, and what is kept to go on moving them exactly."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricOptimizer
from torch import Tensor

from engine.config import Config
from engine.data.dataset import Batch
from engine.data.inputs import Inputs
from engine.data.selection import Trainable, counts_by_grade
from engine.data.targets import Targets, targets_of
from engine.distributed import Ranks
from engine.errors import BadInput
from engine.evaluation.metrics import confusion
from engine.model.dual_branch import DualBranch
from engine.model.losses import Objective
from engine.model.sync_batch_norm import share_batch_statistics
from engine.training.ema import Average
from engine.training.lr_schedule import build_schedule
from engine.training.mixup import mix
from engine.training.state import State

LARGEST_GRADIENT = 1.0
# float16 scales gradients up and halves the scale whenever they overflow; below this they overflow of themselves.
LEAST_SCALE = 1.0


class TrainingFailed(BadInput):
    """The run cannot go on; the message says where it stood and what to do."""


class FailedByRule(TrainingFailed):
    """The run has ended as its own rule said that it should; the message names the rule and what was found."""


class Stepped(NamedTuple):
    """What one step says of its batch, over all processes."""

    loss_sum: float
    confusion: np.ndarray  # (10, 10) true by predicted grade


class Learner:
    """A network that learns: its objective, optimiser, schedule and moving average, in one precision."""

    def __init__(
        self, fabric: Fabric, ranks: Ranks, config: Config, module: DualBranch, cards: Sequence[Trainable]
    ) -> None:
        self._fabric, self._ranks, self._config, self._cards = fabric, ranks, config, cards
        self.objective = Objective(config, torch.from_numpy(counts_by_grade(cards))).to(fabric.device)
        if ranks.count > 1:
            share_batch_statistics(module)
        self.network = fabric.setup_module(module.to(memory_format=torch.channels_last))
        self.average = Average(self.network.module, config.ema_decay)
        self._scaler = getattr(fabric.strategy.precision, "scaler", None)

    def enter_phase(self, phase: int) -> None:
        """A fresh optimiser and schedule for the phase's parameters; the front learns nothing in phase 1."""
        config = self._config
        self.network.front.requires_grad_(phase == 2)
        learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        rate = config.lr_phase1 if phase == 1 else config.lr_phase2
        # A fused optimiser undoes float16's scaling itself, and too late for the gradients to be clipped.
        fused = self._scaler is None
        optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=config.weight_decay, fused=fused)
        epochs = config.phase1_epochs if phase == 1 else config.phase2_epochs
        self.schedule = build_schedule(config, optimizer, epochs)
        self._optimizer = cast(_FabricOptimizer, self._fabric.setup_optimizers(optimizer))

    @property
    def rate(self) -> float:
        """The learning rate as it stands."""
        return self._optimizer.param_groups[0]["lr"]

    def step(self, batch: Batch, inputs: Inputs, state: State) -> Stepped:
        """Move the weights once by the mean loss of a batch, all its processes' cards together. Raises TrainingFailed.

        Where `state.cards_at_once` is below the batch's size, the gradients of its parts are added up.
        """
        config = self._config
        targets = targets_of(batch, inputs.present, config)
        random = np.random.default_rng((config.seed, state.epoch, state.batch, 1))
        inputs, targets = mix(inputs, targets, config.mixup_alpha, random)
        whole = min(config.batch_size, len(self._cards) - state.batch * config.batch_size)
        parts = ceil(whole / self._ranks.count / (state.cards_at_once or config.batch_size))
        taught = (Targets(*part) for part in zip(*(each.tensor_split(parts) for each in targets), strict=True))
        self._optimizer.zero_grad()
        learned = [self._learn(state, whole, *part) for part in zip(inputs.split(parts), taught, strict=True)]
        norm = self._fabric.clip_gradients(
            self.network, self._optimizer, max_norm=LARGEST_GRADIENT, error_if_nonfinite=False
        )
        if self._scaler is None or self._scaler.get_scale() < LEAST_SCALE:
            self._must_be_finite("gradient", cast(Tensor, norm), state)
        self._optimizer.step()
        self.average.update(state.steps)
        losses, predicted = (torch.cat(each) for each in zip(*learned, strict=True))
        return self._over_all_processes(losses, batch["grade"], predicted.cpu())

    def _learn(self, state: State, whole: int, inputs: Inputs, targets: Targets) -> tuple[Tensor, Tensor]:
        """Add a part's share of the batch's gradient; returns its (b,) losses and predicted classes 0 to 9."""
        scores = self.network(*inputs)
        losses = self.objective(scores, *targets)
        # Processes' gradients are averaged; times their number, that is the mean over the whole batch's cards.
        loss = losses.sum() * (self._ranks.count / whole)
        self._must_be_finite("loss", loss, state)
        self._fabric.backward(loss)
        return losses.detach(), self.objective.log_probabilities(scores.grade.detach()).argmax(dim=1)

    def _must_be_finite(self, name: str, value: Tensor, state: State) -> None:
        """On no process may it be otherwise: they go on together or end together."""
        (everywhere,) = self._ranks.sum(np.array([value.item()]))
        if not np.isfinite(everywhere):
            place = f"epoch {state.epoch}, batch {state.batch + 1}"
            raise TrainingFailed(f"the {name} became {everywhere} in {place}; lower the learning rate")

    def _over_all_processes(self, losses: Tensor, grades: Tensor, predicted: Tensor) -> Stepped:
        counts = confusion(grades.numpy() + 1, predicted.numpy() + 1)
        sums = self._ranks.sum(np.array([float(losses.sum()), *counts.ravel()], np.float64))
        return Stepped(float(sums[0]), sums[1:].reshape(counts.shape).astype(int))

    def state_dict(self) -> dict[str, Any]:
        """What load_state_dict needs to go on exactly."""
        return {
            "model": self.network.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on where state_dict was taken, in the same phase."""
        self.network.module.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        self._fabric.strategy.precision.load_state_dict(saved["precision"])
