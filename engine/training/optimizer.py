"""Optimizer step: network, loss, optimizer, schedule and EMA, and their state for an exact resume."""

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
from engine.data.selection import LabelledCard, counts_by_grade
from engine.data.targets import Targets, batch_targets
from engine.distributed import ProcessGroup
from engine.errors import BadInput
from engine.evaluation.metrics import confusion
from engine.model.dual_branch import DualBranch
from engine.model.losses import Objective
from engine.model.sync_batch_norm import convert_sync_batch_norm
from engine.training.ema import average_weights, set_steps
from engine.training.lr_schedule import build_schedule, restore_schedule, schedule_state
from engine.training.mixup import mix
from engine.training.state import TrainingState

MAX_GRAD_NORM = 1.0
# float16 scales gradients up and halves the scale at each overflow; below this, the gradients themselves overflow.
MIN_LOSS_SCALE = 1.0


class TrainingFailed(BadInput):
    """The run cannot continue; the message names the epoch and the remedy."""


class FailedByRule(TrainingFailed):
    """A stop_if rule has ended the run; the message names the rule and the metric's value."""


class StepResult(NamedTuple):
    """Results of a step on its batch, over all ranks."""

    loss_sum: float
    confusion: np.ndarray  # (10, 10) true by predicted grade


class Learner:
    """Network in training: loss, optimizer, schedule and EMA, in one precision."""

    def __init__(
        self, fabric: Fabric, ranks: ProcessGroup, config: Config, module: DualBranch, cards: Sequence[LabelledCard]
    ) -> None:
        self._fabric, self._ranks, self._config, self._cards = fabric, ranks, config, cards
        self.objective = Objective(config, torch.from_numpy(counts_by_grade(cards))).to(fabric.device)
        if ranks.world_size > 1:
            convert_sync_batch_norm(module)
        self.network = fabric.setup_module(module.to(memory_format=torch.channels_last))
        self._average = average_weights(self.network.module, config.ema_decay) if config.ema_decay else None
        self._scaler = getattr(fabric.strategy.precision, "scaler", None)

    def enter_phase(self, phase: int) -> None:
        """Create a new optimizer and schedule for the parameters of the phase; the front is frozen in phase 1."""
        config = self._config
        cast(DualBranch, self.network.module).set_trainable(phase)
        trainable = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        rate = config.lr_phase1 if phase == 1 else config.lr_phase2
        # A fused optimizer unscales float16 gradients itself, after they should have been clipped.
        fused = self._scaler is None
        optimizer = torch.optim.AdamW(trainable, lr=rate, weight_decay=config.weight_decay, fused=fused)
        epochs = config.phase1_epochs if phase == 1 else config.phase2_epochs
        self.schedule = build_schedule(config, optimizer, epochs)
        self._optimizer = cast(_FabricOptimizer, self._fabric.setup_optimizers(optimizer))

    @property
    def averaged_network(self) -> DualBranch:
        """Network that is validated and saved: the EMA of the weights, or without one the network itself."""
        return cast(DualBranch, (self._average or self.network).module)

    @property
    def rate(self) -> float:
        """Current learning rate."""
        return self._optimizer.param_groups[0]["lr"]

    def step(self, batch: Batch, inputs: Inputs, state: TrainingState) -> StepResult:
        """Take one optimizer step on the mean loss of a batch over all ranks. Raises TrainingFailed.

        If `state.cards_at_once` is below the batch size, gradients are accumulated over parts of the batch.
        """
        config = self._config
        targets = batch_targets(batch, inputs.present, config)
        random = np.random.default_rng((config.seed, state.epoch, state.batch, 1))
        inputs, targets = mix(inputs, targets, config.mixup_alpha, random)
        batch_size = min(config.batch_size, len(self._cards) - state.batch * config.batch_size)
        parts = ceil(batch_size / self._ranks.world_size / (state.cards_at_once or config.batch_size))
        split_targets = (Targets(*part) for part in zip(*(t.tensor_split(parts) for t in targets), strict=True))
        self._optimizer.zero_grad()
        results = [
            self._backward(state, batch_size, *part) for part in zip(inputs.split(parts), split_targets, strict=True)
        ]
        norm = self._fabric.clip_gradients(
            self.network, self._optimizer, max_norm=MAX_GRAD_NORM, error_if_nonfinite=False
        )
        if self._scaler is None or self._scaler.get_scale() < MIN_LOSS_SCALE:
            self._must_be_finite("gradient", cast(Tensor, norm), state)
        self._optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self.network.module)
        losses, predicted = (torch.cat(tensors) for tensors in zip(*results, strict=True))
        return self._sum_results(losses, batch["grade"], predicted.cpu())

    def _backward(
        self, state: TrainingState, batch_size: int, inputs: Inputs, targets: Targets
    ) -> tuple[Tensor, Tensor]:
        """Accumulate the gradient of a part of the batch; return its (b,) losses and predicted classes 0 to 9."""
        scores = self.network(*inputs)
        losses = self.objective(scores, *targets)
        # DDP averages the gradients over the ranks; times their number, this is the mean over all cards of the batch.
        loss = losses.sum() * (self._ranks.world_size / batch_size)
        self._must_be_finite("loss", loss, state)
        self._fabric.backward(loss)
        return losses.detach(), self.objective.log_probabilities(scores.grade.detach()).argmax(dim=1)

    def _must_be_finite(self, name: str, value: Tensor, state: TrainingState) -> None:
        """Raise TrainingFailed on all ranks if the value is not finite on one of them."""
        (total,) = self._ranks.sum(np.array([value.item()]))
        if not np.isfinite(total):
            position = f"epoch {state.epoch}, batch {state.batch + 1}"
            raise TrainingFailed(f"the {name} became {total} in {position}; lower the learning rate")

    def _sum_results(self, losses: Tensor, grades: Tensor, predicted: Tensor) -> StepResult:
        counts = confusion(grades.numpy() + 1, predicted.numpy() + 1)
        sums = self._ranks.sum(np.array([float(losses.sum()), *counts.ravel()], np.float64))
        return StepResult(float(sums[0]), sums[1:].reshape(counts.shape).astype(int))

    def state_dict(self) -> dict[str, Any]:
        """State for an exact resume, without the number of steps, which is in the run's TrainingState."""
        return {
            "model": self.network.module.state_dict(),
            "average": self._average.module.state_dict() if self._average is not None else {},
            "optimizer": self._optimizer.state_dict(),
            "schedule": schedule_state(self.schedule),
            "precision": self._fabric.strategy.precision.state_dict(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore from a checkpoint: the state of state_dict and the run's `state`, in the same phase."""
        self.network.module.load_state_dict(saved["model"])
        if self._average is not None:
            self._average.module.load_state_dict(saved["average"])
            set_steps(self._average, saved["state"]["steps"])
        self._optimizer.load_state_dict(saved["optimizer"])
        restore_schedule(self.schedule, saved["schedule"])
        self._fabric.strategy.precision.load_state_dict(saved["precision"])
