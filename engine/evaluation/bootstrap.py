"""Cluster bootstrap of metrics: whole groups resampled with replacement. NumPy only.

Cards of a group (one card's photos, one person's submission) are not independent, so that they are drawn together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_LEVEL = 0.95
DRAWS = 1000
CHUNK = 125  # draws in memory at once: 50 MB with 50,000 groups


def group_indices(groups: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """(N,) index of each card's group, from 0 in order of name, and the number of groups."""
    names, indices = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
    return indices, len(names)


def bootstrap_counts(groups: int, *, draws: int = DRAWS, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Yield how often each group is drawn: (C, groups) at a time, `draws` rows in total; every row sums to `groups`.

    The same seed gives the same draws, so that two sets of predictions can be compared on the same resamples.
    """
    random = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        count = min(CHUNK, draws - start)
        indices = random.integers(groups, size=(count, groups)) + groups * np.arange(count)[:, None]
        yield np.bincount(indices.ravel(), minlength=count * groups).reshape(count, groups).astype(np.float64)


def group_sums(values: NDArray[np.floating], group_of: NDArray[np.integer], groups: int) -> NDArray[np.float64]:
    """(N, K) values per card, (N,) group indices -> (groups, K) sums per group."""
    order = np.argsort(group_of, kind="stable")
    starts = np.searchsorted(group_of[order], np.arange(groups))
    return np.add.reduceat(values[order].astype(np.float64), starts, axis=0)


def resample_runs(values: NDArray[np.floating], *, seed: int = 0) -> NDArray[np.float64]:
    """(draws, runs) values of a metric -> (draws,) means over runs resampled with replacement in each draw.

    This adds the variation between training seeds to that between cards. A single run is unchanged.
    """
    runs = np.random.default_rng((seed, 1)).integers(values.shape[1], size=values.shape)
    return np.take_along_axis(values, runs, axis=1).mean(axis=1)


def percentile_interval(values: NDArray[np.floating]) -> tuple[float | None, float | None]:
    """Central 95 % of the draws in which a metric is defined (not NaN); (None, None) if it never is."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None, None
    low, high = np.quantile(defined, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return float(low), float(high)
