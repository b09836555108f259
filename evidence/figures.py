"""Several runs at once: the means of their words and figures, how far these move with other cards and seeds, and how
far apart they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.bootstrap import drawn_times, group_sums, interval, numbered, over_drawn_runs
from engine.evaluation.comparison import common_cards, difference, holm
from engine.evaluation.metrics import auc_of_draws, card_sums, figures_of, number_or_none
from engine.evaluation.predictions import Predictions

NAMES = ("qwk", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "ece", "rps")
# A p-value is never below 2 / (draws + 1), and Holm multiplies it by as many as there are rows.
DRAWS = 10_000


def mean(said: Sequence[Predictions]) -> Predictions:
    """The mean of what several models say of the cards that all of them have judged."""
    cards = common_cards(said)
    probabilities = np.mean([each.of_cards(cards).probabilities for each in said], axis=0)
    return replace(said[0].of_cards(cards), probabilities=probabilities)


class Figure(NamedTuple):
    """A mean over seeds and its 95 % interval; None where it is undefined, as without nines or tens."""

    value: float | None
    low: float | None
    high: float | None


def over_seeds(said: Sequence[Predictions], *, seed: int = 0) -> dict[str, Figure]:
    """The figures of NAMES for runs that differ in the seed alone and judged the same cards.

    Groups of cards are drawn with replacement, alike for all runs, and with two runs or more the runs are drawn too.
    """
    number, groups = numbered(said[0].groups)
    sums = [group_sums(card_sums(each.truth, each.probabilities), number, groups) for each in said]

    def of_draws(times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """By name (draws, runs)."""
        runs = [
            {**figures_of(times @ one), "auc_9_10": auc_of_draws(each.truth, each.probabilities, times[:, number])}
            for each, one in zip(said, sums, strict=True)
        ]
        return {name: np.stack([figures[name] for figures in runs], axis=1) for name in NAMES}

    whole = of_draws(np.ones((1, groups)))
    parts = [of_draws(times) for times in drawn_times(groups, seed=seed)]
    drawn = {name: over_drawn_runs(np.concatenate([part[name] for part in parts]), seed=seed) for name in NAMES}
    return {name: Figure(number_or_none(whole[name].mean()), *interval(drawn[name])) for name in NAMES}


def differences(
    pairs: Mapping[str, tuple[Sequence[Predictions], Sequence[Predictions]]],
) -> dict[str, dict[str, Any]]:
    """By name what the first come to less the second (engine.evaluation.comparison.Difference), with `p_holm` for all together."""
    found = {name: difference(*pair, draws=DRAWS) for name, pair in pairs.items()}
    adjusted = holm([each.p for each in found.values()])
    return {name: {**asdict(each), "p_holm": p} for (name, each), p in zip(found.items(), adjusted, strict=True)}
