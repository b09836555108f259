"""Data frames behind the plots: a run's curves, a model's calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from db.schema import Epoch
from engine.cards.grades import GRADES

MAX_POINTS = 300
# Half the length of the stroke that stands for a single point, as a fraction of the axis of epochs.
STROKE = 0.025


@dataclass(frozen=True)
class Metric:
    """A value of each epoch, on the validation cards or of the run, and the same on the training cards."""

    value: Callable[[Epoch], float | None]
    on_training: Callable[[Epoch], float | None] | None = None


def _stored(name: str) -> Callable[[Epoch], float | None]:
    return lambda epoch: epoch.metrics.get(name)


def _recall(grade: int) -> Callable[[Epoch], float | None]:
    return lambda epoch: recall[grade - 1] if (recall := epoch.metrics.get("recall")) else None


METRICS: dict[str, Metric] = {
    "Loss": Metric(lambda epoch: epoch.val_loss, lambda epoch: epoch.train_loss),
    "QWK": Metric(lambda epoch: epoch.qwk, _stored("train_qwk")),
    "Learning rate": Metric(lambda epoch: epoch.learning_rate),
    "RPS": Metric(_stored("rps")),
    "Exact grade": Metric(_stored("exact"), _stored("train_exact")),
    "Within one grade": Metric(_stored("within_one")),
    "Mean error": Metric(_stored("mae")),
    "Mean error, every grade alike": Metric(_stored("macro_mae")),
    "Calibration error": Metric(_stored("ece")),
    "Pairs per second": Metric(_stored("pairs_per_second")),
    "Waiting for pictures": Metric(_stored("data_wait_share")),
    "Seconds per epoch": Metric(lambda epoch: epoch.seconds),
    **{f"Recall of grade {grade}": Metric(_recall(grade)) for grade in GRADES},
}
DEFAULT_METRICS = ("Loss", "QWK", "Learning rate")


def _thinned(epochs: Sequence[Epoch]) -> Sequence[Epoch]:
    """At most MAX_POINTS epochs, evenly spaced and including the last, since the browser draws each point."""
    step = -(-len(epochs) // MAX_POINTS) if epochs else 1
    return [epoch for index, epoch in enumerate(epochs) if index % step == 0 or index == len(epochs) - 1]


def epoch_range(epochs: Sequence[Epoch]) -> list[float]:
    """Limits of the axis of epochs: a single one stands in the middle."""
    first, last = (limit((epoch.epoch for epoch in epochs), default=1) for limit in (min, max))
    return [first, last] if first < last else [first - 1, first + 1]


def curves(epochs: Mapping[int, Sequence[Epoch]], metric: str) -> pd.DataFrame:
    """Columns: epoch, value, curve, for the epochs by run in which the value is defined.

    Of one run, training and validation are two curves; of several, each is a curve of validation. A single epoch is
    a short stroke, since a line through one point is invisible.
    """
    first, last = epoch_range([epoch for of_run in epochs.values() for epoch in of_run])
    chosen = METRICS[metric]
    rows: list[tuple[float, float, str]] = []
    for run, of_run in epochs.items():
        parts = [(f"run {run}", chosen.value)]
        if len(epochs) == 1 and chosen.on_training is not None:
            parts = [("validation", chosen.value), ("training", chosen.on_training)]
        for name, value_of in parts:
            values = [(epoch.epoch, value_of(epoch)) for epoch in _thinned(of_run)]
            points = [(float(epoch), value, name) for epoch, value in values if value is not None]
            if len(points) == 1:
                [(epoch, value, _)] = points
                points = [(epoch + sign * STROKE * (last - first), value, name) for sign in (-1, 1)]
            rows += points
    return pd.DataFrame(rows, columns=["epoch", "value", "curve"])


def epoch_table(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """Table of the epochs, latest first; `gap` is training minus validation QWK."""
    rows = [
        {
            "epoch": epoch.epoch,
            "phase": epoch.phase,
            "train loss": round(epoch.train_loss, 4),
            "val loss": round(epoch.val_loss, 4),
            "val QWK": _rounded(epoch.qwk),
            "gap": _rounded(epoch.metrics.get("qwk_gap")),
            "exact": round(epoch.metrics["exact"], 3),
            "within one": round(epoch.metrics["within_one"], 3),
            "rate": f"{epoch.learning_rate:.1e}",
            "seconds": round(epoch.seconds, 1),
        }
        for epoch in reversed(epochs)
    ]
    return pd.DataFrame(rows)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def reliability(measured: dict[str, Any]) -> pd.DataFrame:
    """Columns: confidence, accuracy, model (calibrated, uncalibrated, and the ideal diagonal)."""
    rows = [(0.0, 0.0, "ideal"), (1.0, 1.0, "ideal")]
    for name, bins in (
        ("calibrated", measured["reliability"]),
        ("uncalibrated", measured["uncalibrated"]["reliability"]),
    ):
        rows += [(row["confidence"], row["accuracy"], name) for row in bins if row["n"]]
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "model"])


def reliability_of_models(bins: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """Columns: confidence, accuracy, model (each by its name, and the ideal diagonal), from bins by model."""
    rows = [(0.0, 0.0, "ideal"), (1.0, 1.0, "ideal")]
    rows += [(row["confidence"], row["accuracy"], name) for name, part in bins.items() for row in part if row["n"]]
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "model"])


def risk_coverage(measured: dict[str, Any]) -> pd.DataFrame:
    """Columns: cards graded (fraction), mean error (in grades)."""
    rows = [(row["graded"], row["mae"]) for row in measured["risk_coverage"] if row["n"]]
    return pd.DataFrame(rows, columns=["cards graded", "mean error"])
