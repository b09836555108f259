"""Do the intervals hold what they promise, and what does it cost: drawn cards, their grades as skewed as the history's.

A card's grade is drawn from the mix below, what a network sees of it is the grade and noise, and the network's word is
the posterior, three times too sure. 150 cards calibrate and 2,000 others judge, 200 times over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Row
from engine.evaluation.calibration import best_temperature, tempered
from engine.evaluation.conformal import POOL, fit_pools, spans

# Many cards in the middle and above, hardly any at the ends.
MIX = np.array([0.02, 0.02, 0.03, 0.05, 0.10, 0.13, 0.17, 0.23, 0.19, 0.06])
NOISE, TOO_SURE = 1.2, 3.0
HELD_OUT, JUDGED, ROUNDS = 150, 2000, 200
COVERAGE = 0.9
GRADES = np.arange(1, 11)
# The largest pool takes all grades: one score for every card, the plain rule.
LEAST = (POOL, 30, 50, HELD_OUT + 1)
RARE = GRADES <= 4


def drawn(random: np.random.Generator, cards: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """True grades, (N,), and the ten probabilities of a network that is too sure, (N, 10)."""
    truth = random.choice(GRADES, cards, p=MIX)
    seen = truth + NOISE * random.standard_normal(cards)
    posterior = MIX * np.exp(-((seen[:, None] - GRADES) ** 2) / (2 * NOISE**2))
    return truth, tempered(posterior / posterior.sum(axis=1, keepdims=True), 1 / TOO_SURE)


def measure() -> list[Row]:
    """Coverage of all cards and of the rare grades 1 to 4, and width, by how many groups a pool needs."""
    random = np.random.default_rng(0)
    covered = np.zeros((len(LEAST), ROUNDS, 10))
    widths, temperatures = np.zeros((len(LEAST), ROUNDS)), np.zeros(ROUNDS)
    counted = np.zeros((ROUNDS, 10))
    names = [str(card) for card in range(HELD_OUT)]
    for number in range(ROUNDS):
        truth, said = drawn(random, HELD_OUT)
        temperatures[number] = best_temperature(truth, said, names)
        others, said_of_others = drawn(random, JUDGED)
        counted[number] = np.bincount(others - 1, minlength=10)
        for place, least in enumerate(LEAST):
            pools = fit_pools(truth, tempered(said, temperatures[number]), names, COVERAGE, least)
            low, high = spans(tempered(said_of_others, temperatures[number]), pools)
            inside = (low <= others) & (others <= high)
            covered[place, number] = np.bincount(others - 1, inside, minlength=10)
            widths[place, number] = (high - low + 1).mean()
    print(
        f"temperature {temperatures.mean():.2f}, spread {temperatures.std():.2f}; the network is {TOO_SURE:g} too sure"
    )
    for place, least in enumerate(LEAST):
        by_grade = covered[place].sum(axis=0) / counted.sum(axis=0)
        told = f"pools of {least:3}: width {widths[place].mean():.2f}, covered {_all(covered[place], counted):.3f}"
        print(f"{told}, by grade " + " ".join(f"{value:.2f}" for value in by_grade))
    plain, chosen = covered[-1], covered[0]
    promised = f"the promised {COVERAGE:g}"
    return [
        Row("coverage of all cards, by grade", promised, _all(chosen, counted) / COVERAGE, ROUNDS, at_least=0.99),
        Row("coverage of all cards, one score", promised, _all(plain, counted) / COVERAGE, ROUNDS, at_least=0.99),
        Row("coverage of grades 1 to 4, by grade", promised, _rare(chosen, counted) / COVERAGE, ROUNDS, at_least=0.99),
        Row(
            "coverage of grades 1 to 4, by grade",
            "one score for all grades",
            _rare(chosen, counted) / _rare(plain, counted),
            ROUNDS,
            at_least=1.1,
        ),
        Row(
            "width, by grade",
            "one score for all grades",
            widths[0].mean() / widths[-1].mean(),
            ROUNDS,
            at_most=1.3,
        ),
        Row("temperature", "the true one", temperatures.mean() / TOO_SURE, ROUNDS, at_least=0.95),
    ]


def _all(covered: NDArray[np.float64], counted: NDArray[np.float64]) -> float:
    return float(covered.sum() / counted.sum())


def _rare(covered: NDArray[np.float64], counted: NDArray[np.float64]) -> float:
    return float(covered[:, RARE].sum() / counted[:, RARE].sum())
