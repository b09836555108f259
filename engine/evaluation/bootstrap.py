"""Cluster bootstrap of metrics: whole groups resampled with replacement. NumPy only.

Cards of a group (one card's photos, one person's submission) are not independent, so that they are drawn together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Sums = TypeVar("Sums", bound=NamedTuple)

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


class GroupSums(Generic[Sums]):
    """Sums over the cards of each group, to be added up for bootstrap draws.

    cards     named arrays of N cards, (N, ...) each
    group_of  (N,) index of each card's group, 0 to `groups` - 1
    """

    def __init__(self, cards: Sums, group_of: NDArray[np.integer], groups: int) -> None:
        self._cards = cards
        self._columns = group_sums(_columns(cards), group_of, groups)

    def of_draws(self, counts: NDArray[np.float64]) -> Sums:
        """(D, groups) how often each group is drawn -> the same named arrays, (D, ...) each."""
        return _named(counts @ self._columns, self._cards)


def sums_of_cards(cards: Sums) -> Sums:
    """Named arrays of N cards, (N, ...) each -> their sums, (...) each."""
    return _named(_columns(cards).sum(axis=0), cards)


def _columns(cards: Sums) -> NDArray[np.float64]:
    """(N, K): all values of a card in one row, so that a draw is one matrix product."""
    return np.column_stack([values.reshape(len(values), prod(values.shape[1:])) for values in cards])


def _named(columns: NDArray[np.float64], cards: Sums) -> Sums:
    """(..., K) -> arrays named and shaped as those of the cards: the inverse of _columns."""
    ends = np.cumsum([prod(values.shape[1:]) for values in cards])[:-1]
    parts = zip(np.split(columns, ends, axis=-1), cards, strict=True)
    return cards._make(part.reshape((*columns.shape[:-1], *values.shape[1:])) for part, values in parts)


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
