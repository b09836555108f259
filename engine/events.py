"""What a run can say: the events that `engine.training.loop.train` yields and that files, rows and screens are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def figures_of(metrics: Mapping[str, Any], val_loss: float, learning_rate: float) -> dict[str, Any]:
    """What a threshold may ask of an epoch (engine.thresholds.ASKED), and more, from what events and rows keep of it."""
    return {"val_loss": val_loss, "learning_rate": learning_rate, **metrics}


@dataclass(frozen=True)
class Notice:
    """Something a person must know that does not end the run, as one sentence."""

    text: str


@dataclass(frozen=True)
class Progress:
    """How far a step has come; `step` names it: "worn copies", "pictures", "regions", "measuring", "training", ..."""

    step: str
    epoch: int
    done: int
    total: int


@dataclass(frozen=True)
class EpochDone:
    """One epoch's figures: mean losses per card, the rate used, validation metrics as `engine.evaluation.metrics` names them."""

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
    def figures(self) -> dict[str, Any]:
        """What a threshold may ask of the epoch (engine.thresholds.ASKED), and more."""
        return figures_of(self.metrics, self.val_loss, self.learning_rate)


@dataclass(frozen=True)
class Saved:
    """A file now stands complete on disk. `best` is true for the model of the best validation QWK so far."""

    path: Path
    epoch: int
    best: bool


@dataclass(frozen=True)
class Stopped:
    """The run ended early because it was asked to; it resumes from `checkpoint`, or anew where there is none yet."""

    checkpoint: Path | None
    epoch: int


@dataclass(frozen=True)
class Finished:
    """The run is complete: the model file and the figures of its validation split at the saved epoch."""

    model: Path
    summary: dict[str, Any]


Event = Notice | Progress | EpochDone | Saved | Stopped | Finished
