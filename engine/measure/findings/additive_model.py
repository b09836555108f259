"""Additive log odds: a small model that can be read, one piecewise linear curve for each feature."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

CONFIDENCE_FILE = Path(__file__).parent / "confidence.json"


@dataclass(frozen=True)
class AdditiveModel:
    """Log odds of wear as a sum over features.

    base    log odds that are added to the sum
    curves  by feature: knots, ascending, and the log odds at them; linear in between, constant beyond
    """

    base: float
    curves: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]

    def probabilities(self, features: Sequence[Mapping[str, float]]) -> np.ndarray:
        """(n,) probability of wear, 0 to 1, of n candidates. Raises KeyError if a feature is missing."""
        odds = np.full(len(features), self.base)
        for name, (knots, values) in self.curves.items():
            odds += np.interp([row[name] for row in features], knots, values)
        return np.asarray(1 / (1 + np.exp(-odds)))

    def as_json(self) -> dict[str, Any]:
        """The model in the file of confidences."""
        curves = {name: {"knots": list(knots), "log_odds": list(odds)} for name, (knots, odds) in self.curves.items()}
        return {"base": self.base, "curves": curves}


def model_from_json(content: Mapping[str, Any]) -> AdditiveModel:
    """The model that `as_json` wrote."""
    curves = {name: (tuple(curve["knots"]), tuple(curve["log_odds"])) for name, curve in content["curves"].items()}
    return AdditiveModel(float(content["base"]), curves)


@dataclass(frozen=True)
class Confidences:
    """The models of all kinds of findings.

    shown  confidence from which a finding is listed
    """

    models: Mapping[str, AdditiveModel]
    shown: float


@cache
def shipped_confidences() -> Confidences:
    """The confidences that ship, fitted by `python -m tools.findings.fit`."""
    content = json.loads(CONFIDENCE_FILE.read_text(encoding="utf-8"))
    return Confidences({kind: model_from_json(model) for kind, model in content["models"].items()}, content["shown"])
