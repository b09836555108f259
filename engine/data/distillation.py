"""Distillation: predictions of other models (teachers) on the training cards, mixed into the label targets.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015. The teachers' calibrated
probabilities show how close a card is to the neighboring grades, which its label does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.evaluation import predictions
from engine.evaluation.metrics import CLASSES

MISSING = np.full(CLASSES, np.nan, np.float32)


class TeacherPredictions:
    """Mean probabilities of several models for each card."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Read `files`, written by `evaluate --predictions`. Raises BadPredictions."""
        probabilities_of: dict[str, list[NDArray[np.float64]]] = {}
        for file in files:
            teacher = predictions.read(file)
            for card, probabilities in zip(teacher.cards, teacher.probabilities, strict=True):
                probabilities_of.setdefault(card, []).append(probabilities)
        self._mean = {card: np.mean(rows, axis=0).astype(np.float32) for card, rows in probabilities_of.items()}

    @classmethod
    def from_setting(cls, names: str) -> TeacherPredictions | None:
        """Read the comma-separated files of the setting `teachers`; None if it is empty."""
        files = [Path(name.strip()) for name in names.split(",") if name.strip()]
        return cls(files) if files else None

    def __contains__(self, card: str) -> bool:
        return card in self._mean

    def __getitem__(self, card: str) -> NDArray[np.float32]:
        """(10,) probabilities; NaN for a card without predictions."""
        return self._mean.get(card, MISSING)
