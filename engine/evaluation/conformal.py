"""Prediction intervals: split conformal prediction by grade, and narrowest intervals by probability. NumPy only.

The score of a grade y is its ranked probability score, the sum over k of (F_k - [y <= k])^2 with F the cumulative
probabilities. From y to y + 1 it changes by 2 F_y - 1, which increases with y: the score falls to the median and rises
after it, so that the grades within a threshold are contiguous. They are the prediction interval. The threshold is the
quantile of the true grades' scores on held-out cards.

Guarantee: for a card of a new group, the interval contains the true grade with at least the stated probability, on
average over the held-out cards. Assumption: the new card's group is exchangeable with the held-out groups (the same
distribution, and no training on either); cards within a group may be dependent. Each group has the same weight, split
evenly among its cards (Lee, Barber and Willett, "Distribution-free inference with hierarchical data", 2023). With one
card per group this is the usual rule, the ceil((n + 1) coverage)-th smallest of n scores (Vovk, Gammerman and Shafer,
2005).

Thresholds are label-conditional (Vovk, 2012): the guarantee applies to each grade, not only on average over a mix of
grades in which common grades could compensate for rare ones, and is therefore valid for collections with another mix. A
grade with too few groups shares a threshold with its neighbors, and the guarantee applies to them together.

The guarantee assumes scores that are independent of the held-out cards. `engine.evaluation.calibration` fits the
temperature on the same cards, and a run's validation cards also selected its epoch: both make the coverage optimistic,
the first hardly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from engine.cards.grades import GRADES
from engine.evaluation.bootstrap import group_indices

COVERAGE = 0.9
ROUNDING = 1e-9
# Minimum number of groups for a grade to have a separate threshold. With n cards the actual coverage varies by about
# sqrt(.9 x .1 / n): .067 for 20 groups, .1 for the minimum of nine. Larger pools serve rare grades worse: with 150
# cards of a skewed mix, pools of 20 covered each grade from 1 to 4 by at least .89, pools of 30 by .86, a single
# threshold by .77 (`python -m benchmarks conformal`).
MIN_POOL_GROUPS = 20


@dataclass(frozen=True)
class Interval:
    """Interval of grades `low` to `high`, 1 to 10.

    coverage  calibrated model: probability that it contains the true grade; otherwise: minimum sum of the predicted
              probabilities
    """

    coverage: float
    low: int
    high: int

    @property
    def width(self) -> int:
        """Number of grades in the interval, 1 to 10."""
        return self.high - self.low + 1


@dataclass(frozen=True)
class Pool:
    """Score threshold of the grades `low` to `high`, and the number of held-out cards and groups it was fitted on."""

    low: int
    high: int
    cards: int
    groups: int
    threshold: Annotated[float, Field(ge=0)]


def _covering_all_grades(pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
    grades = [grade for pool in pools for grade in range(pool.low, pool.high + 1)]
    if grades != list(GRADES) or not all(pool.low <= pool.high for pool in pools):
        raise ValueError("the pools must cover the grades 1 to 10 without gaps")
    return pools


# Pools of all grades, in order.
Pools = Annotated[tuple[Pool, ...], AfterValidator(_covering_all_grades)]


def min_groups(coverage: float) -> int:
    """Minimum number of groups for a finite threshold: n + 1 >= 1 / (1 - coverage).

    Worked: 9 for .9, 19 for .95.
    """
    return ceil(coverage / (1 - coverage) - ROUNDING)


def grade_scores(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 10) probabilities -> (N, 10) ranked probability score of each grade, 0 (all probability on it) to 9.

    Source: Epstein, 1969, without the division by nine. Worked: all on grade 4: (3, 2, 1, 0, 1, 2, 3, 4, 5, 6).
    """
    cumulative = probabilities.cumsum(axis=1)[:, :-1].astype(np.float64)
    # Grade 1 has nine terms (F - 1)^2; each next grade changes one of them to F^2.
    first = ((1 - cumulative) ** 2).sum(axis=1, keepdims=True)
    return np.hstack([first, first + np.cumsum(2 * cumulative - 1, axis=1)])


def conformal_threshold(scores: NDArray[np.floating], groups: Sequence[str], coverage: float) -> float:
    """Score that a card of a new group exceeds with probability at most 1 - `coverage`; inf with too few groups.

    scores  (N,) of the true grades;  groups  N names
    Each of K groups has weight 1 / (K + 1), split among its cards, and the new group the remaining one. The threshold
    is the smallest score at which the cumulative weight reaches `coverage`. Worked: ten cards in ten groups, coverage
    .9: the largest of the ten scores.
    """
    group_of, count = group_indices(groups)
    order = np.argsort(scores, kind="stable")
    weight = 1 / np.bincount(group_of)[group_of[order]] / (count + 1)
    reached = np.flatnonzero(weight.cumsum() >= coverage - ROUNDING)
    return float(scores[order][reached[0]]) if len(reached) else float("inf")


def pool_grades(has_grade: NDArray[np.bool_], min_pool_groups: int = MIN_POOL_GROUPS) -> list[tuple[int, int]]:
    """Pool neighboring grades, 1 to 10 without gaps, until each pool has cards in at least `min_pool_groups` groups.

    has_grade  (groups, 10) True if a group has a card of a grade
    returns    first and last grade of each pool; a single pool with fewer groups than `min_pool_groups`
    The pool with the fewest groups is merged with its smaller neighbor, until every pool has enough.
    """
    pools = [(grade, grade) for grade in GRADES]

    def group_count(pool: tuple[int, int]) -> int:
        return int(has_grade[:, pool[0] - 1 : pool[1]].any(axis=1).sum())

    while len(pools) > 1:
        counts = [group_count(pool) for pool in pools]
        smallest = int(np.argmin(counts))
        if counts[smallest] >= min_pool_groups:
            break
        neighbors = [index for index in (smallest - 1, smallest + 1) if 0 <= index < len(pools)]
        first = min(smallest, min(neighbors, key=lambda index: counts[index]))
        pools[first : first + 2] = [(pools[first][0], pools[first + 1][1])]
    return pools


def grades_in_groups(truth: NDArray[np.integer], groups: Sequence[str]) -> NDArray[np.bool_]:
    """(groups, 10) True if a group has a card of a grade."""
    group_of, count = group_indices(groups)
    has_grade = np.zeros((count, len(GRADES)), bool)
    has_grade[group_of, truth - 1] = True
    return has_grade


def fit_pools(
    truth: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    groups: Sequence[str],
    coverage: float,
    min_pool_groups: int = MIN_POOL_GROUPS,
) -> tuple[Pool, ...]:
    """Fit the score thresholds on N held-out cards of at least `min_groups(coverage)` groups.

    truth (N,) 1 to 10, probabilities (N, 10) rows summing to 1, groups N names
    """
    scores = grade_scores(probabilities)[np.arange(len(truth)), truth - 1]
    names = np.array(groups, dtype=object)
    pools = []
    for low, high in pool_grades(grades_in_groups(truth, groups), max(min_pool_groups, min_groups(coverage))):
        within = (truth >= low) & (truth <= high)
        pool_groups = list(names[within])
        threshold = conformal_threshold(scores[within], pool_groups, coverage)
        pools.append(Pool(low, high, int(within.sum()), len(set(pool_groups)), threshold))
    return tuple(pools)


def prediction_intervals(
    probabilities: NDArray[np.floating], pools: Sequence[Pool]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Prediction intervals of N cards: low and high, (N,) each, 1 to 10.

    The smallest run of grades containing every grade within its threshold and the predicted grade.
    """
    thresholds = np.concatenate([np.full(pool.high - pool.low + 1, pool.threshold) for pool in pools])
    inside = grade_scores(probabilities) <= thresholds + ROUNDING
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    return inside.argmax(axis=1) + 1, len(GRADES) - inside[:, ::-1].argmax(axis=1)


def narrowest_intervals(
    probabilities: NDArray[np.floating], coverage: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shortest run of grades with at least `coverage` of each card's probability; of equal lengths the most probable.

    probabilities  (N, 10), rows summing to 1
    returns        low and high, (N,) each, 1 to 10
    Worked: (.., .2 on 8, .5 on 9, .3 on 10) at .75 gives 9 to 10.
    """
    cards, grades = probabilities.shape
    cumulative = np.hstack([np.zeros((cards, 1)), probabilities.cumsum(axis=1)])
    low, high = np.ones(cards, np.int64), np.full(cards, grades)
    # From the longest run to the shortest: the last with enough probability is the answer.
    for length in range(grades, 0, -1):
        mass = cumulative[:, length:] - cumulative[:, :-length]
        enough = mass.max(axis=1) >= coverage - ROUNDING
        low = np.where(enough, mass.argmax(axis=1) + 1, low)
        high = np.where(enough, low + length - 1, high)
    return low, high
