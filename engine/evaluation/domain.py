"""Domain of a model: whether the network's features of a picture are near those of the cards it was checked on. NumPy.

A network gives a grade for any picture, even a drawing or a kind of card it was never trained on. Such pictures are
recognized by the distance of their features to the nearest reference cards: the mean cosine distance to the NEIGHBORS
nearest, after a projection on the main directions of the references. Source: Sun et al., "Out-of-Distribution Detection
with Deep Nearest Neighbors", 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEIGHBORS = 5
MAX_DIRECTIONS = 48
# Fraction of the reference cards that are in the domain, each measured against the others.
INSIDE = 0.99
# Features of new cards are somewhat farther away than those of the references, which the network was trained on.
MARGIN = 1.25


@dataclass(frozen=True)
class Domain:
    """Reference cards of one side in the feature space of a network.

    mean        (F,) mean of the references' features
    directions  (K, F) orthonormal main directions
    references  (N, K) projected references, each of length 1
    limit       largest distance inside the domain
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    references: NDArray[np.float32]
    limit: float

    def distance(self, features: NDArray[np.floating]) -> float:
        """Mean cosine distance, 0 to 2, of (F,) features to the nearest references."""
        distances = 1 - self.references @ _project(features[None], self.mean, self.directions)[0]
        return float(np.sort(distances)[:NEIGHBORS].mean())

    def contains(self, features: NDArray[np.floating]) -> bool:
        """True if the (F,) features are within MARGIN times the limit."""
        return self.distance(features) <= MARGIN * self.limit

    def to_dict(self) -> dict[str, Any]:
        """Convert to arrays and numbers."""
        return {
            "mean": self.mean,
            "directions": self.directions,
            "references": self.references,
            "limit": self.limit,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Domain:
        """Read the output of `to_dict`, also with tensors for arrays. Raises KeyError, TypeError or ValueError."""
        mean, directions, references = (
            np.asarray(values[name], np.float32) for name in ("mean", "directions", "references")
        )
        domain = cls(mean, directions, references, float(values["limit"]))
        shapes = [array.ndim for array in (mean, directions, references)] == [1, 2, 2]
        if not shapes or directions.shape != (references.shape[1], len(mean)) or not 0 < domain.limit < np.inf:
            raise ValueError("the arrays of the domain do not fit each other")
        if not len(references) or not all(np.isfinite(array).all() for array in (mean, directions, references)):
            raise ValueError("the references of the domain are not finite numbers")
        return domain


def fit_domain(features: NDArray[np.floating]) -> Domain:
    """Fit the domain of (N, F) features of reference cards, N > NEIGHBORS."""
    mean = features.mean(axis=0)
    directions = np.linalg.svd(features - mean, full_matrices=False)[2][:MAX_DIRECTIONS]
    references = _project(features, mean, directions)
    distances = 1 - references @ references.T
    # A card is not its own neighbor.
    np.fill_diagonal(distances, np.inf)
    of_each = np.sort(distances, axis=1)[:, :NEIGHBORS].mean(axis=1)
    mean, directions, references = (array.astype(np.float32) for array in (mean, directions, references))
    return Domain(mean, directions, references, float(np.quantile(of_each, INSIDE)))


def _project(
    features: NDArray[np.floating], mean: NDArray[np.floating], directions: NDArray[np.floating]
) -> NDArray[np.floating]:
    """(N, F) features -> (N, K) unit vectors along the directions."""
    projected = (features - mean) @ directions.T
    return projected / np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), np.finfo(np.float32).tiny)
