"""The words in which is said what a run is to show: thresholds, read, written and asked. Free of torch.

A threshold is written `qwk>=0.74@27`: a metric, a comparison, a value, and the epoch at which it is asked; without an
epoch it is asked of the saved one.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput

COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
# What may be asked of an epoch: the scalars of `engine.evaluation.metrics` that every epoch measures, and what training adds.
ASKED = (
    *("qwk", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "ece", "brier", "rps", "qwk_gap", "val_loss"),
    "learning_rate",
)
WRITTEN = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?:@\s*(\d+)\s*)?")


class BadThreshold(BadInput):
    """A threshold that cannot be read; the message names it and how one is written."""


@dataclass(frozen=True)
class Threshold:
    """One comparison of a metric with a value. `epoch` None means the saved epoch."""

    metric: str
    operator: str
    value: float
    epoch: int | None = None

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read `metric operator value @ epoch`, the epoch optional. Raises BadThreshold."""
        match = WRITTEN.fullmatch(text)
        if match is None:
            raise BadThreshold(f"{text!r} is no threshold; write it as qwk>=0.74@27 (the epoch may be left away)")
        metric, comparison, value, epoch = match.groups()
        if metric not in ASKED:
            raise BadThreshold(f"{text!r} asks for {metric!r}, which no epoch measures; ask for {', '.join(ASKED)}")
        if epoch is not None and int(epoch) == 0:
            raise BadThreshold(f"{text!r} asks for epoch 0; the first epoch is 1")
        return cls(metric, comparison, float(value), None if epoch is None else int(epoch))

    def holds(self, metrics: Mapping[str, Any]) -> bool | None:
        """Whether the comparison is true of these figures; None where the metric is missing or undefined."""
        value = metrics.get(self.metric)
        return None if value is None else bool(COMPARISONS[self.operator](value, self.value))

    def __str__(self) -> str:
        """As it is written: parse gives the same threshold back."""
        at = "" if self.epoch is None else f"@{self.epoch}"
        return f"{self.metric}{self.operator}{self.value!r}{at}"


def parse_all(text: str) -> tuple[Threshold, ...]:
    """Read thresholds separated by commas; an empty text holds none. Raises BadThreshold."""
    return tuple(Threshold.parse(part) for part in text.split(",") if part.strip())
