"""Metrics of several runs: mean over seeds with bootstrap intervals, and paired differences in QWK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.bootstrap import GroupSums, bootstrap_counts, group_indices, percentile_interval, resample_runs
from engine.evaluation.comparison import common_cards, holm, qwk_difference
from engine.evaluation.metrics import auc_of_resamples, card_sums, metrics_from_sums, number_or_none
from engine.evaluation.predictions import Predictions

METRICS = ("qwk", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "ece", "rps")
# A p-value is at least 2 / (draws + 1), and Holm multiplies it by up to the number of rows.
DRAWS = 10_000


def mean_predictions(runs: Sequence[Predictions]) -> Predictions:
    """Average the probabilities of several models, on the cards that all of them predicted."""
    cards = common_cards(runs)
    probabilities = np.mean([predictions.select_cards(cards).probabilities for predictions in runs], axis=0)
    return replace(runs[0].select_cards(cards), probabilities=probabilities)


class Estimate(NamedTuple):
    """Mean over seeds and its 95 % interval; None if undefined, as an AUC without nines or tens."""

    value: float | None
    low: float | None
    high: float | None


def metrics_over_seeds(runs: Sequence[Predictions], *, seed: int = 0) -> dict[str, Estimate]:
    """Estimate METRICS for runs that differ only in their seed and predicted the same cards.

    Bootstrap: groups of cards are resampled, identically for all runs; with two runs or more, runs are resampled too.
    """
    group_of_card, groups = group_indices(runs[0].groups)
    sums = [GroupSums(card_sums(run.truth, run.probabilities), group_of_card, groups) for run in runs]

    def resampled_metrics(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Metrics by name, (draws, runs) each, from how often each group was drawn, (draws, groups)."""
        metrics_by_run = [
            {
                **metrics_from_sums(run_sums.of_draws(counts)),
                "auc_9_10": auc_of_resamples(run.truth, run.probabilities, counts[:, group_of_card]),
            }
            for run, run_sums in zip(runs, sums, strict=True)
        ]
        return {name: np.stack([metrics[name] for metrics in metrics_by_run], axis=1) for name in METRICS}

    point = resampled_metrics(np.ones((1, groups)))
    parts = [resampled_metrics(counts) for counts in bootstrap_counts(groups, seed=seed)]
    draws = {name: resample_runs(np.concatenate([part[name] for part in parts]), seed=seed) for name in METRICS}
    return {name: Estimate(number_or_none(point[name].mean()), *percentile_interval(draws[name])) for name in METRICS}


def qwk_differences(
    pairs: Mapping[str, tuple[Sequence[Predictions], Sequence[Predictions]]],
) -> dict[str, dict[str, Any]]:
    """Compare each named pair (candidate, reference): engine.evaluation.comparison.Difference as a dict, and `p_holm`.

    p_holm  Holm-adjusted p-value over all pairs
    """
    compared = {name: qwk_difference(*pair, draws=DRAWS) for name, pair in pairs.items()}
    adjusted = holm([difference.p for difference in compared.values()])
    return {
        name: {**asdict(difference), "p_holm": p}
        for (name, difference), p in zip(compared.items(), adjusted, strict=True)
    }
