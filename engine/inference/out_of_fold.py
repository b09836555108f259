"""Out-of-fold predictions carried by a model: what models without a card predict for it, by the hash of its pictures.

A model's prediction for a card that it was trained on says nothing about the card's label. Whatever evaluates models or
labels uses these predictions instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.cards.grades import GRADES

Key = tuple[str | None, str | None]


class OutOfFold:
    """Uncalibrated probabilities of training cards by the SHA-256 of front and back, None for a side not given."""

    def __init__(self, probabilities: Mapping[Key, NDArray[np.floating]]) -> None:
        self._probabilities = {key: np.asarray(row, np.float64) for key, row in probabilities.items()}

    def __len__(self) -> int:
        return len(self._probabilities)

    @property
    def pictures(self) -> set[str]:
        """SHA-256 of the pictures of all cards that the model was trained on."""
        return {picture for key in self._probabilities for picture in key if picture is not None}

    def probabilities(self, front: str | None, back: str | None) -> NDArray[np.float64] | None:
        """Probabilities of the ten grades, (10,), or None for a card that the model was not trained on."""
        row = self._probabilities.get((front, back))
        return None if row is None else row / row.sum()

    def to_dict(self) -> dict[str, Any]:
        """Convert to lists and a tensor, for the model file."""
        rows = np.array(list(self._probabilities.values()), np.float32).reshape(-1, len(GRADES))
        return {"pictures": [list(key) for key in self._probabilities], "probabilities": torch.from_numpy(rows)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OutOfFold:
        """Read the output of `to_dict`. Raises KeyError, TypeError or ValueError."""
        keys: Iterable[Key] = [(front, back) for front, back in values["pictures"]]
        rows = np.asarray(values["probabilities"], np.float64)
        is_table = rows.ndim == 2 and rows.shape[1] == len(GRADES)
        if not is_table or not np.isfinite(rows).all() or (rows < 0).any() or (rows.sum(axis=1) <= 0).any():
            raise ValueError("the out-of-fold predictions are not probabilities")
        return cls(dict(zip(keys, rows, strict=True)))
