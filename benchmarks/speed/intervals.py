"""Metrics of 5,000 cards with bootstrap intervals from 1,000 draws, against scikit-learn's kappa of each draw."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import cohen_kappa_score

from benchmarks.harness import Row, interleaved_medians, use_one_thread
from engine.evaluation.bootstrap import DRAWS
from engine.evaluation.metrics import metrics_with_intervals, point_metrics

CARDS, KAPPAS = 5000, 20


def measure() -> list[Row]:
    """Time both on one thread; scikit-learn is timed for a few draws and scaled up."""
    use_one_thread()
    random = np.random.default_rng(0)
    truth, probabilities = random.integers(1, 11, CARDS), random.dirichlet(np.full(10, 0.3), CARDS)
    predicted, groups = probabilities.argmax(axis=1) + 1, [str(card // 2) for card in range(CARDS)]

    def kappas() -> None:
        for _ in range(KAPPAS):
            resample = random.integers(CARDS, size=CARDS)
            cohen_kappa_score(truth[resample], predicted[resample], weights="quadratic")

    seconds = interleaved_medians(
        {
            "ours": lambda: metrics_with_intervals(truth, probabilities, groups),
            "kappas": kappas,
            "an epoch": lambda: point_metrics(truth, probabilities),
        },
        rounds=5,
    )
    print(f"all metrics and intervals {seconds['ours']:.3f} s, an epoch's metrics {seconds['an epoch']:.4f} s")
    what = f"figures of {CARDS} cards"
    return [
        Row(
            f"{what}, all intervals",
            f"{DRAWS} kappas of scikit-learn",
            seconds["kappas"] * DRAWS / KAPPAS / seconds["ours"],
            5,
            at_least=10,
        ),
        Row(f"{what}, an epoch's without", "with intervals", seconds["ours"] / seconds["an epoch"], 5, at_least=5),
    ]
