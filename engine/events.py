"""Events of a run, as `engine.training.loop.train` yields them; files, database rows and screens are made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def epoch_metrics(metrics: Mapping[str, Any], val_loss: float, learning_rate: float) -> dict[str, Any]:
    """Metrics of an epoch by name, with its loss and learning rate (a superset of engine.thresholds.METRICS)."""
    return {"val_loss": val_loss, "learning_rate": learning_rate, **metrics}


@dataclass(frozen=True)
class Notice:
    """A warning or remark for the user, as one sentence; the run continues."""

    text: str


@dataclass(frozen=True)
class Progress:
    """Progress of a step, named by `step`: "worn copies", "pictures", "regions", "measuring", "training", ..."""

    step: str
    epoch: int
    done: int
    total: int


@dataclass(frozen=True)
class EpochDone:
    """Results of one epoch: mean losses per card, learning rate, metrics named as in `engine.evaluation.metrics`."""

    epoch: int
    phase: int
    train_loss: float
    val_loss: float
    learning_rate: float
    metrics: dict[str, Any]
    train_metrics: dict[str, Any]
    seconds: float
    pairs_per_second: float
    data_wait_share: float

    @property
    def all_metrics(self) -> dict[str, Any]:
        """Metrics of the epoch by name (a superset of engine.thresholds.METRICS)."""
        return epoch_metrics(self.metrics, self.val_loss, self.learning_rate)


@dataclass(frozen=True)
class Saved:
    """A file was written completely. `best` is true for the model with the best validation QWK so far."""

    path: Path
    epoch: int
    best: bool


@dataclass(frozen=True)
class Stopped:
    """The run was stopped on request; it resumes from `checkpoint`, or from the start if that is None."""

    checkpoint: Path | None
    epoch: int


@dataclass(frozen=True)
class Finished:
    """The run is complete: its model file, and the validation metrics of the saved epoch."""

    model: Path
    summary: dict[str, Any]


Event = Notice | Progress | EpochDone | Saved | Stopped | Finished
