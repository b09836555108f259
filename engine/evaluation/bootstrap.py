"""How far a figure would move with other cards: whole groups drawn with replacement. NumPy only.

Cards of a group (one card's photos, one person's submission) are not independent: they are drawn together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

INTERVAL = 0.95
DRAWS = 1000
CHUNK = 125  # draws held at once: at 50,000 groups 50 MB


def numbered(groups: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """(N,) the number of each card's group, counted from 0 by name, and how many groups there are."""
    names, number = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
    return number, len(names)


def drawn_times(groups: int, *, draws: int = DRAWS, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """How often each group is drawn: (C, groups) at a time, `draws` rows in all; every row sums to `groups`.

    Equal seeds give equal draws, which is how two sets of predictions are measured on the same drawn cards.
    """
    random = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        count = min(CHUNK, draws - start)
        drawn = random.integers(groups, size=(count, groups)) + groups * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * groups).reshape(count, groups).astype(np.float64)


def group_sums(values: NDArray[np.floating], number: NDArray[np.integer], groups: int) -> NDArray[np.float64]:
    """(N, K) values a card -> (groups, K) sums a group."""
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(groups))
    return np.add.reduceat(values[order].astype(np.float64), starts, axis=0)


def over_drawn_runs(drawn: NDArray[np.floating], *, seed: int = 0) -> NDArray[np.float64]:
    """(draws, runs) a figure of each run in each draw of groups -> (draws,) its mean over runs drawn as often as there
    are runs, with replacement: so that what a run's seed does by chance is in the spread. A single run is itself.
    """
    chosen = np.random.default_rng((seed, 1)).integers(drawn.shape[1], size=drawn.shape)
    return np.take_along_axis(drawn, chosen, axis=1).mean(axis=1)


def interval(values: NDArray[np.floating]) -> tuple[float | None, float | None]:
    """The middle 95 % of the draws in which a figure is defined (not NaN); none where it never is."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None, None
    low, high = np.quantile(defined, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return float(low), float(high)
