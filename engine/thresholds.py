"""Metric conditions such as `qwk>=0.74@27`: parse, format, evaluate. Free of torch.

A condition is a metric, a comparison, a value and an epoch; without an epoch, it applies to the saved epoch.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput

COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
# Scalar metrics of every epoch: those of `engine.evaluation.metrics`, and those that the training loop adds.
METRICS = (
    *("qwk", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "ece", "brier", "rps", "qwk_gap", "val_loss"),
    "learning_rate",
)
PATTERN = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?:@\s*(\d+)\s*)?")


class BadThreshold(BadInput):
    """A condition that cannot be parsed; the message names it and the expected form."""


@dataclass(frozen=True)
class MetricCondition:
    """Comparison of a metric with a value. `epoch` None is the saved epoch."""

    metric: str
    operator: str
    value: float
    epoch: int | None = None

    @classmethod
    def parse(cls, text: str) -> MetricCondition:
        """Parse `metric operator value @ epoch`, the epoch optional. Raises BadThreshold."""
        match = PATTERN.fullmatch(text)
        if match is None:
            raise BadThreshold(f"{text!r} is not a threshold; write it as qwk>=0.74@27 (the epoch is optional)")
        metric, comparison, value, epoch = match.groups()
        if metric not in METRICS:
            raise BadThreshold(f"{text!r}: {metric!r} is not a metric of an epoch; use one of {', '.join(METRICS)}")
        if epoch is not None and int(epoch) == 0:
            raise BadThreshold(f"{text!r}: there is no epoch 0; the first epoch is 1")
        return cls(metric, comparison, float(value), None if epoch is None else int(epoch))

    def holds(self, metrics: Mapping[str, Any]) -> bool | None:
        """Return True if the condition is met; None if the metric is missing or undefined."""
        value = metrics.get(self.metric)
        return None if value is None else bool(COMPARISONS[self.operator](value, self.value))

    def __str__(self) -> str:
        """Format the condition; `parse` returns the same condition."""
        epoch = "" if self.epoch is None else f"@{self.epoch}"
        return f"{self.metric}{self.operator}{self.value!r}{epoch}"


def parse_conditions(text: str) -> tuple[MetricCondition, ...]:
    """Parse comma-separated conditions; an empty text has none. Raises BadThreshold."""
    return tuple(MetricCondition.parse(part) for part in text.split(",") if part.strip())
