"""All figures of 5,000 cards with their intervals from 1,000 draws, against one kappa of scikit-learn for each draw."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import cohen_kappa_score

from benchmarks.harness import Row, medians_in_turn, one_thread
from engine.evaluation.bootstrap import DRAWS
from engine.evaluation.metrics import measure as all_figures
from engine.evaluation.metrics import quick_measures

CARDS, KAPPAS = 5000, 20


def measure() -> list[Row]:
    """Both in turn on one thread; scikit-learn's draws are timed a few at a time and scaled up."""
    one_thread()
    random = np.random.default_rng(0)
    truth, probabilities = random.integers(1, 11, CARDS), random.dirichlet(np.full(10, 0.3), CARDS)
    predicted, groups = probabilities.argmax(axis=1) + 1, [str(card // 2) for card in range(CARDS)]

    def kappas() -> None:
        for _ in range(KAPPAS):
            drawn = random.integers(CARDS, size=CARDS)
            cohen_kappa_score(truth[drawn], predicted[drawn], weights="quadratic")

    seconds = medians_in_turn(
        {
            "ours": lambda: all_figures(truth, probabilities, groups),
            "kappas": kappas,
            "an epoch": lambda: quick_measures(truth, probabilities),
        },
        rounds=5,
    )
    print(f"all figures and intervals {seconds['ours']:.3f} s, an epoch's figures {seconds['an epoch']:.4f} s")
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
