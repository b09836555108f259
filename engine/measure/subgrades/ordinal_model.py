"""Ordinal regression: a grade from 1 to 10 from few inputs, monotone in each severity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class OrdinalModel:
    """Proportional odds: P(grade <= k) is the logistic function of thresholds[k - 1] + weights . inputs.

    names       of the inputs
    weights     of each input; those of severities are not negative: more wear never raises the grade
    thresholds  (9,) ascending
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    thresholds: tuple[float, ...]

    def probabilities(self, inputs: Mapping[str, float]) -> np.ndarray:
        """(10,) probability of each grade from 1 to 10."""
        score = sum(weight * inputs[name] for name, weight in zip(self.names, self.weights, strict=True))
        at_most = 1 / (1 + np.exp(-(np.array(self.thresholds) + score)))
        return np.diff(np.concatenate([[0.0], at_most, [1.0]]))

    def as_json(self) -> dict[str, Any]:
        """The model in its file."""
        weights = dict(zip(self.names, self.weights, strict=True))
        return {"weights": weights, "thresholds": list(self.thresholds)}


def model_from_json(content: Mapping[str, Any]) -> OrdinalModel:
    """The model that `as_json` wrote."""
    weights = content["weights"]
    return OrdinalModel(tuple(weights), tuple(weights.values()), tuple(content["thresholds"]))
