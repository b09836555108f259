"""Intervals that hold the true grade as often as they say: split conformal prediction by grade. NumPy only.

How badly a card's probabilities fit a grade y is their ranked probability score, the sum over k of (F_k - [y <= k])^2
with F the cumulative probabilities. From y to y + 1 it changes by 2 F_y - 1, which rises with y: it falls to the median
and rises after it, so that the grades with at most a given score are a run without gaps. That run is the interval, and
the score it allows is the one that the wanted share of held-out cards stayed below.

What it promises: of a card of a new group, the interval holds the true grade with at least the frequency stated, on
average over the held-out cards one might have had. What it needs: that the new card's group is exchangeable with the
held-out groups (drawn like them, looked at by a model that has learned from neither), not that cards of one group are
independent. So each group counts as one, its cards sharing that one evenly (Lee, Barber and Willett, "Distribution-free
inference with hierarchical data", 2023); where every card is a group of its own this is the ordinary rule, the
ceil((n + 1) coverage)-th smallest score of n (Vovk, Gammerman and Shafer, 2005).

The allowed score is told grade by grade (label-conditional; Vovk, 2012): the promise then holds of the cards of each
grade and not only of the mix at hand, whose common grades would pay for the rare ones, and it goes on holding for a
collection with another mix. A grade with too few groups shares a score with its neighbours, and the promise is theirs.

The promise is of scores fixed beforehand. `engine.evaluation.calibration` fits its one temperature on the very cards that set the
allowed scores, and a run's own validation cards also chose its epoch: both flatter, the first hardly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from engine.cards.grades import GRADES
from engine.evaluation.bootstrap import numbered
from engine.evaluation.intervals import ROUNDING

# Groups that a grade needs for a score of its own. With n cards what is really covered spreads around the coverage
# by about sqrt(.9 x .1 / n): by .067 for 20, by .1 for the nine that would just do. Larger pools leave rare grades out:
# of 150 skewed cards, pools of 20 covered each grade from 1 to 4 by .89 or more, pools of 30 by .86, one score by .77
# (`python -m benchmarks conformal`).
POOL = 20


@dataclass(frozen=True)
class Pool:
    """The grades `low` to `high`, on how many held-out cards and groups they were calibrated, and the score that an
    interval allows them.
    """

    low: int
    high: int
    cards: int
    groups: int
    threshold: float


def least_groups(coverage: float) -> int:
    """How many groups of cards are needed for the score to exist at all: n + 1 >= 1 / (1 - coverage).

    Worked: 9 for .9, 19 for .95.
    """
    return ceil(coverage / (1 - coverage) - ROUNDING)


def grade_scores(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 10) probabilities -> (N, 10) the ranked probability score of each grade, 0 (certain of it) to 9.

    Source: Epstein, 1969, without its division by nine. Worked: all on grade 4: (3, 2, 1, 0, 1, 2, 3, 4, 5, 6).
    """
    up_to = probabilities.cumsum(axis=1)[:, :-1].astype(np.float64)
    # Of grade 1 all nine steps lie at or above it; each grade further moves one step from (F - 1)^2 to F^2.
    first = ((1 - up_to) ** 2).sum(axis=1, keepdims=True)
    return np.hstack([first, first + np.cumsum(2 * up_to - 1, axis=1)])


def threshold(scores: NDArray[np.floating], groups: Sequence[str], coverage: float) -> float:
    """The score that a card of a new group exceeds with a frequency of at most 1 - `coverage`; inf with too few groups.

    scores  (N,) of the true grades;  groups  N names
    Each of K groups weighs 1 / (K + 1), shared by its cards, and the new one the rest: the smallest score at which the
    weights so far reach `coverage`. Worked: ten cards, each its own group, at .9: the tenth of eleven, the largest.
    """
    number, count = numbered(groups)
    order = np.argsort(scores, kind="stable")
    weight = 1 / np.bincount(number)[number[order]] / (count + 1)
    reached = np.flatnonzero(weight.cumsum() >= coverage - ROUNDING)
    return float(scores[order][reached[0]]) if len(reached) else float("inf")


def pooled(held: NDArray[np.bool_], least: int = POOL) -> list[tuple[int, int]]:
    """Runs of neighbouring grades, from 1 to 10 and without gaps, each held by at least `least` groups.

    held     (groups, 10) whether a group has a card of a grade
    returns  first and last grade of each run; a single run of all ten where there are fewer groups than `least`
    The run held by the fewest joins the neighbour held by fewer, until each is held by enough.
    """
    runs = [(grade, grade) for grade in GRADES]

    def holding(run: tuple[int, int]) -> int:
        return int(held[:, run[0] - 1 : run[1]].any(axis=1).sum())

    while len(runs) > 1:
        counts = [holding(run) for run in runs]
        place = int(np.argmin(counts))
        if counts[place] >= least:
            break
        neighbours = [at for at in (place - 1, place + 1) if 0 <= at < len(runs)]
        first = min(place, min(neighbours, key=lambda at: counts[at]))
        runs[first : first + 2] = [(runs[first][0], runs[first + 1][1])]
    return runs


def held_by_groups(truth: NDArray[np.integer], groups: Sequence[str]) -> NDArray[np.bool_]:
    """(groups, 10): whether a group has a card of a grade."""
    number, count = numbered(groups)
    held = np.zeros((count, len(GRADES)), bool)
    held[number, truth - 1] = True
    return held


def fit_pools(
    truth: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    groups: Sequence[str],
    coverage: float,
    least: int = POOL,
) -> tuple[Pool, ...]:
    """The score allowed to each grade, from N held-out cards of at least `least_groups(coverage)` groups.

    truth (N,) 1 to 10, probabilities (N, 10) rows summing to 1, groups N names
    """
    scores = grade_scores(probabilities)[np.arange(len(truth)), truth - 1]
    names = np.array(groups, dtype=object)
    pools = []
    for low, high in pooled(held_by_groups(truth, groups), max(least, least_groups(coverage))):
        within = (truth >= low) & (truth <= high)
        own = list(names[within])
        pools.append(Pool(low, high, int(within.sum()), len(set(own)), threshold(scores[within], own, coverage)))
    return tuple(pools)


def spans(probabilities: NDArray[np.floating], pools: Sequence[Pool]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The interval of each of N cards: low and high, (N,) each, 1 to 10.

    The grades whose score is allowed, and the most probable one, which is the one told; and whatever lies between them:
    with one score for all grades there is nothing between but where the most probable grade stands aside.
    """
    allowed = np.concatenate([np.full(pool.high - pool.low + 1, pool.threshold) for pool in pools])
    inside = grade_scores(probabilities) <= allowed + ROUNDING
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    return inside.argmax(axis=1) + 1, len(GRADES) - inside[:, ::-1].argmax(axis=1)
