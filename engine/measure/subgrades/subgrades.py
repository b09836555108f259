"""Sub-grades of a card from the measurements of its sides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np

from engine.measure.findings.additive_model import Confidences, shipped_confidences
from engine.measure.subgrades.ordinal_model import OrdinalModel, model_from_json
from engine.measure.subgrades.severities import SUBGRADES, Sides, subgrade_inputs

SUBGRADES_FILE = Path(__file__).parent / "models.json"


@dataclass(frozen=True)
class Subgrade:
    """A sub-grade, 1 to 10, and the range that contains it 9 times in 10; None with the `reason` if not measured."""

    grade: int | None
    low: int | None
    high: int | None
    reason: str = ""

    def as_json(self) -> dict[str, int | None] | dict[str, str | None]:
        """The sub-grade in the JSON of `grade`."""
        if self.grade is None:
            return {"grade": None, "reason": self.reason}
        return {"grade": self.grade, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class SubgradeModels:
    """The model of each sub-grade, and the probability that its range must hold to contain 9 of 10 grades."""

    models: Mapping[str, OrdinalModel]
    coverage: Mapping[str, float]


@cache
def shipped_models() -> SubgradeModels:
    """The models that ship, fitted by `python -m tools.findings.fit`."""
    content = json.loads(SUBGRADES_FILE.read_text(encoding="utf-8"))
    models = {name: model_from_json(model) for name, model in content["models"].items()}
    return SubgradeModels(models, content["coverage"])


def subgrades(
    sides: Sides,
    on: date,
    *,
    models: SubgradeModels | None = None,
    confidences: Confidences | None = None,
) -> dict[str, Subgrade]:
    """The four sub-grades of a card from its measured sides.

    sides        front and back, None for a side that was not given
    on           day whose rubric is applied
    """
    models, confidences = models or shipped_models(), confidences or shipped_confidences()
    inputs = subgrade_inputs(sides, confidences, on)
    results = {}
    for name in SUBGRADES:
        values = inputs[name]
        if isinstance(values, str):
            results[name] = Subgrade(None, None, None, values)
        else:
            results[name] = Subgrade(*grade_and_range(models.models[name].probabilities(values), models.coverage[name]))
    return results


def grade_and_range(probabilities: np.ndarray, coverage: float) -> tuple[int, int, int]:
    """The median grade and the shortest range around it that holds a probability."""
    cumulative = np.cumsum(probabilities)
    grade = int(np.searchsorted(cumulative, 0.5)) + 1
    low = high = grade
    while cumulative[high - 1] - (cumulative[low - 2] if low > 1 else 0.0) < coverage and (low, high) != (1, 10):
        below = probabilities[low - 2] if low > 1 else -1.0
        above = probabilities[high] if high < 10 else -1.0
        low, high = (low - 1, high) if below >= above else (low, high + 1)
    return grade, low, high
