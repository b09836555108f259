"""Several runs at once: the means of their words and figures, and how far figures move with other cards and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bootstrap import drawn_times, group_sums, interval, numbered, over_drawn_runs
from engine.comparison import common_cards
from engine.metrics import card_sums, figures_of
from engine.predictions import Predictions

NAMES = ("qwk", "exact", "within_one", "mae", "macro_mae", "ece", "rps")


def mean(said: Sequence[Predictions]) -> Predictions:
    """The mean of what several models say of the cards that all of them have judged."""
    cards = common_cards(said)
    probabilities = np.mean([each.of_cards(cards).probabilities for each in said], axis=0)
    return replace(said[0].of_cards(cards), probabilities=probabilities)


class Figure(NamedTuple):
    """A mean over seeds and its 95 % interval."""

    value: float
    low: float | None
    high: float | None


def over_seeds(said: Sequence[Predictions], *, seed: int = 0) -> dict[str, Figure]:
    """The figures of NAMES for runs that differ in the seed alone and judged the same cards.

    Groups of cards are drawn with replacement, alike for all runs, and with two runs or more the runs are drawn too.
    """
    number, groups = numbered(said[0].groups)
    sums = [group_sums(card_sums(each.truth, each.probabilities), number, groups) for each in said]
    whole = [figures_of(each.sum(axis=0)) for each in sums]
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in NAMES}
    for times in drawn_times(groups, seed=seed):
        each_run = [figures_of(times @ one) for one in sums]
        for name in NAMES:
            drawn[name].append(np.stack([figures[name] for figures in each_run], axis=1))
    return {
        name: Figure(
            float(np.mean([figures[name] for figures in whole])),
            *interval(over_drawn_runs(np.concatenate(drawn[name]), seed=seed)),
        )
        for name in NAMES
    }
