"""Distillation: a network learns towards what other models say of its training cards, beside their labels.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015. The teachers
speak as calibrated, and say how near two neighbouring grades are on this very card, which a label cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.evaluation import predictions
from engine.evaluation.metrics import CLASSES

NOTHING = np.full(CLASSES, np.nan, np.float32)


class Teachers:
    """The mean of what several models say of each card."""

    def __init__(self, files: Sequence[Path]) -> None:
        """`files` are as `evaluate --predictions` writes them. Raises BadPredictions."""
        said: dict[str, list[NDArray[np.float64]]] = {}
        for file in files:
            read = predictions.read(file)
            for card, probabilities in zip(read.cards, read.probabilities, strict=True):
                said.setdefault(card, []).append(probabilities)
        self._mean = {card: np.mean(each, axis=0).astype(np.float32) for card, each in said.items()}

    @classmethod
    def named(cls, names: str) -> Teachers | None:
        """Those of the files that stand in a config, separated by commas; None where none are named."""
        files = [Path(name.strip()) for name in names.split(",") if name.strip()]
        return cls(files) if files else None

    def __contains__(self, card: str) -> bool:
        return card in self._mean

    def __getitem__(self, card: str) -> NDArray[np.float32]:
        """(10,) probabilities; NaN for a card of which they say nothing."""
        return self._mean.get(card, NOTHING)
