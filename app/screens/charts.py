"""What the plots draw, as tables: a run's curves and a card's ten probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from db.schema import Epoch
from engine.cards.grades import GRADES
from engine.evaluation.intervals import Interval

MOST_POINTS = 300
INSIDE, OUTSIDE = "in the range", "outside"


def _thinned(epochs: Sequence[Epoch]) -> Sequence[Epoch]:
    """At most a few hundred epochs, evenly spread and with the last: the browser draws each point."""
    step = -(-len(epochs) // MOST_POINTS) if epochs else 1
    return [epoch for place, epoch in enumerate(epochs) if place % step == 0 or place == len(epochs) - 1]


def losses(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """epoch, loss, cards (training or validation)."""
    rows = [(epoch.epoch, epoch.train_loss, "training") for epoch in _thinned(epochs)]
    rows += [(epoch.epoch, epoch.val_loss, "validation") for epoch in _thinned(epochs)]
    return pd.DataFrame(rows, columns=["epoch", "loss", "cards"])


def agreement(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """epoch, QWK, cards (training or validation); an undefined QWK has no point."""
    rows = [(epoch.epoch, epoch.metrics.get("train_qwk"), "training") for epoch in _thinned(epochs)]
    rows += [(epoch.epoch, epoch.qwk, "validation") for epoch in _thinned(epochs)]
    return pd.DataFrame([row for row in rows if row[1] is not None], columns=["epoch", "QWK", "cards"])


def rates(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """epoch, rate."""
    return pd.DataFrame([(epoch.epoch, epoch.learning_rate) for epoch in _thinned(epochs)], columns=["epoch", "rate"])


def epoch_table(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """A row an epoch, the latest first, with the figures a person compares; the gap is training less validation QWK."""
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


def bars(probabilities: np.ndarray, interval: Interval) -> pd.DataFrame:
    """grade (as text, so that each bar has its own place), probability, grades (in the range that is told, or not)."""
    within = [INSIDE if interval.low <= grade <= interval.high else OUTSIDE for grade in GRADES]
    return pd.DataFrame({"grade": [str(grade) for grade in GRADES], "probability": probabilities, "grades": within})


def reliability(measured: dict[str, Any]) -> pd.DataFrame:
    """said, came true, model (as it is, before calibration, and one that is always right about itself)."""
    rows = [(0.0, 0.0, "as said"), (1.0, 1.0, "as said")]
    for name, bins in (("calibrated", measured["reliability"]), ("before", measured["uncalibrated"]["reliability"])):
        rows += [(row["confidence"], row["accuracy"], name) for row in bins if row["n"]]
    return pd.DataFrame(rows, columns=["said", "came true", "model"])


def risk_coverage(measured: dict[str, Any]) -> pd.DataFrame:
    """cards graded (a share), mean error (in grades)."""
    rows = [(row["graded"], row["mae"]) for row in measured["risk_coverage"] if row["n"]]
    return pd.DataFrame(rows, columns=["cards graded", "mean error"])
