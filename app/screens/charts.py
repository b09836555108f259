"""Data frames behind the plots: a run's curves, a model's calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from db.schema import Epoch

MAX_POINTS = 300
STROKE = 0.02  # epochs


def _thinned(epochs: Sequence[Epoch]) -> Sequence[Epoch]:
    """At most MAX_POINTS epochs, evenly spaced and including the last, since the browser draws each point."""
    step = -(-len(epochs) // MAX_POINTS) if epochs else 1
    return [epoch for index, epoch in enumerate(epochs) if index % step == 0 or index == len(epochs) - 1]


def _visible(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows that begin with an epoch: of a single epoch a short stroke, since a line through one point is invisible."""
    if len({row[0] for row in rows}) != 1:
        return rows
    return [(row[0] + shift, *row[1:]) for row in rows for shift in (-STROKE, STROKE)]


def epoch_range(epochs: Sequence[Epoch]) -> list[float]:
    """Limits of the axis of epochs: a single one stands in the middle."""
    return [0, 2] if len(epochs) == 1 else [epochs[0].epoch, epochs[-1].epoch] if epochs else [0, 1]


def losses(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """Columns: epoch, loss, cards (training or validation)."""
    rows = [(epoch.epoch, epoch.train_loss, "training") for epoch in _thinned(epochs)]
    rows += [(epoch.epoch, epoch.val_loss, "validation") for epoch in _thinned(epochs)]
    return pd.DataFrame(_visible(rows), columns=["epoch", "loss", "cards"])


def agreement(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """Columns: epoch, QWK, cards (training or validation); without the epochs whose QWK is undefined."""
    rows = [(epoch.epoch, epoch.metrics.get("train_qwk"), "training") for epoch in _thinned(epochs)]
    rows += [(epoch.epoch, epoch.qwk, "validation") for epoch in _thinned(epochs)]
    defined = [row for row in rows if row[1] is not None]
    return pd.DataFrame(_visible(defined), columns=["epoch", "QWK", "cards"])


def rates(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """Columns: epoch, rate."""
    rows = [(epoch.epoch, epoch.learning_rate) for epoch in _thinned(epochs)]
    return pd.DataFrame(_visible(rows), columns=["epoch", "rate"])


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
