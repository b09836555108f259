"""Training state: position in the run, sums of the current epoch, and the best epoch so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.evaluation.metrics import CLASSES, qwk
from engine.evaluation.model_selection import CHOSEN_BY, Criterion, is_better
from engine.events import EpochDone


def _empty_confusion() -> list[list[int]]:
    return np.zeros((CLASSES, CLASSES), int).tolist()


def generalization_gap(train_qwk: float | None, val_qwk: float | None) -> float | None:
    """Training QWK minus validation QWK, None if either is undefined.

    An underestimate: training cards are graded during training, with dropout and augmentation.
    """
    return None if train_qwk is None or val_qwk is None else train_qwk - val_qwk


@dataclass
class TrainingState:
    """State of a run. With the weights, the optimizer and the random state, it determines the rest of the run.

    The field names are keys of the checkpoint. `seen` is the number of training cards so far in the epoch.
    """

    epoch: int = 1
    batch: int = 0
    steps: int = 0
    # Micro-batch size after a lack of memory; 0 is the whole batch.
    cards_at_once: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    confusion: list[list[int]] = field(default_factory=_empty_confusion)
    epoch_seconds: float = 0.0
    wait_seconds: float = 0.0
    pairs_trained: int = 0
    train_seconds: float = 0.0
    total_wait_seconds: float = 0.0
    best_qwk: float | None = None
    best: dict[str, Any] = field(default_factory=dict)
    # True once the user was told that epochs tie in QWK.
    tie_reported: bool = False
    # Name of the model that the weights were initialized from, "" if they were random.
    begun_from: str = ""
    # Sentence on the stop_if rule that failed the run.
    failure: str = ""

    def begin_epoch(self, epoch: int) -> None:
        """Reset the sums of the epoch."""
        self.epoch, self.batch, self.seen, self.confusion = epoch, 0, 0, _empty_confusion()
        self.loss_sum = self.epoch_seconds = self.wait_seconds = 0.0

    def count(self, loss_sum: float, counts: np.ndarray) -> None:
        """Add a training batch: the sum of its losses and its (10, 10) confusion matrix, true by predicted grade."""
        self.batch += 1
        self.steps += 1
        self.loss_sum += loss_sum
        self.seen += int(counts.sum())
        self.confusion = (np.array(self.confusion) + counts).tolist()

    def end_epoch(
        self, phase: int, rate: float, val_loss: float, metrics: dict[str, Any], chosen_by: Criterion
    ) -> EpochDone:
        """Compute the results of the epoch from its sums; `chosen_by` is the criterion of the run's model selection."""
        self.pairs_trained += self.seen
        self.train_seconds += self.epoch_seconds
        self.total_wait_seconds += self.wait_seconds
        counts = np.array(self.confusion)
        train_qwk = qwk(counts)
        return EpochDone(
            epoch=self.epoch,
            phase=phase,
            train_loss=self.loss_sum / self.seen,
            val_loss=val_loss,
            learning_rate=rate,
            metrics={
                **metrics,
                CHOSEN_BY: chosen_by,
                "train_qwk": train_qwk,
                "qwk_gap": generalization_gap(train_qwk, metrics["qwk"]),
            },
            train_metrics={"qwk": train_qwk, "exact": float(np.trace(counts) / counts.sum())},
            seconds=self.epoch_seconds,
            pairs_per_second=self.seen / self.epoch_seconds,
            data_wait_share=self.wait_seconds / self.epoch_seconds,
        )

    def is_best(self, done: EpochDone) -> bool:
        """Return True if the epoch is the best yet by the run's criterion."""
        return not self.best or is_better(done.metrics, self.best)

    def ties_with_best(self, done: EpochDone) -> bool:
        """Return True if QWK cannot tell the epoch from the best yet."""
        return bool(self.best) and done.metrics[CHOSEN_BY] == "qwk" and done.metrics["qwk"] == self.best_qwk

    def keep(self, done: EpochDone) -> None:
        """Remember the epoch as the one whose model is saved."""
        self.best_qwk = done.metrics["qwk"]
        self.best = {"epoch": done.epoch, **done.all_metrics}

    def summary(self, epochs: int) -> dict[str, Any]:
        """Summary that `train` prints: validation metrics of the best epoch, and speed."""
        return {
            "split": "validation",
            "saved_epoch": self.best["epoch"],
            "epochs": epochs,
            "seconds": self.train_seconds,
            "pairs_per_second": self.pairs_trained / self.train_seconds,
            "data_wait_share": self.total_wait_seconds / self.train_seconds,
            **{key: value for key, value in self.best.items() if key != "epoch"},
        }
