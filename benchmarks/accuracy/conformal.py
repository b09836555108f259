"""Coverage and width of the prediction intervals on random cards, with grades as skewed as in the training history.

Grades are drawn from the mix below. The simulated network observes the grade with noise and predicts the posterior,
three times overconfident. Each of 200 rounds calibrates on 150 cards and evaluates on 2,000 others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Row
from engine.evaluation.calibration import apply_temperature, fit_temperature
from engine.evaluation.conformal import MIN_POOL_GROUPS, fit_pools, prediction_intervals

# Probabilities of the grades 1 to 10: mostly middle and high, few at the ends.
MIX = np.array([0.02, 0.02, 0.03, 0.05, 0.10, 0.13, 0.17, 0.23, 0.19, 0.06])
NOISE, OVERCONFIDENCE = 1.2, 3.0
CALIBRATION_CARDS, TEST_CARDS, ROUNDS = 150, 2000, 200
COVERAGE = 0.9
GRADES = np.arange(1, 11)
# The last pools all grades: one score for every card, as in plain conformal prediction.
POOL_SIZES = (MIN_POOL_GROUPS, 30, 50, CALIBRATION_CARDS + 1)
RARE = GRADES <= 4


def random_predictions(random: np.random.Generator, cards: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw true grades, (N,), and the probabilities of an overconfident network, (N, 10)."""
    truth = random.choice(GRADES, cards, p=MIX)
    observed = truth + NOISE * random.standard_normal(cards)
    posterior = MIX * np.exp(-((observed[:, None] - GRADES) ** 2) / (2 * NOISE**2))
    return truth, apply_temperature(posterior / posterior.sum(axis=1, keepdims=True), 1 / OVERCONFIDENCE)


def measure() -> list[Row]:
    """Measure coverage of all cards and of the rare grades 1 to 4, and width, by minimum number of groups in a pool."""
    random = np.random.default_rng(0)
    covered = np.zeros((len(POOL_SIZES), ROUNDS, 10))
    widths, temperatures = np.zeros((len(POOL_SIZES), ROUNDS)), np.zeros(ROUNDS)
    counts = np.zeros((ROUNDS, 10))
    names = [str(card) for card in range(CALIBRATION_CARDS)]
    for index in range(ROUNDS):
        truth, probabilities = random_predictions(random, CALIBRATION_CARDS)
        temperatures[index] = fit_temperature(truth, probabilities, names)
        test_truth, test_probabilities = random_predictions(random, TEST_CARDS)
        counts[index] = np.bincount(test_truth - 1, minlength=10)
        for pool_index, min_groups in enumerate(POOL_SIZES):
            calibrated = apply_temperature(probabilities, temperatures[index])
            pools = fit_pools(truth, calibrated, names, COVERAGE, min_groups)
            low, high = prediction_intervals(apply_temperature(test_probabilities, temperatures[index]), pools)
            inside = (low <= test_truth) & (test_truth <= high)
            covered[pool_index, index] = np.bincount(test_truth - 1, inside, minlength=10)
            widths[pool_index, index] = (high - low + 1).mean()
    print(
        f"temperature {temperatures.mean():.2f}, standard deviation {temperatures.std():.2f}; true {OVERCONFIDENCE:g}"
    )
    for pool_index, min_groups in enumerate(POOL_SIZES):
        by_grade = covered[pool_index].sum(axis=0) / counts.sum(axis=0)
        overall = _all(covered[pool_index], counts)
        summary = f"pools of {min_groups:3}: width {widths[pool_index].mean():.2f}, covered {overall:.3f}"
        print(f"{summary}, by grade " + " ".join(f"{value:.2f}" for value in by_grade))
    one_score, by_pool = covered[-1], covered[0]
    promised = f"the promised {COVERAGE:g}"
    return [
        Row("coverage of all cards, by grade", promised, _all(by_pool, counts) / COVERAGE, ROUNDS, at_least=0.99),
        Row("coverage of all cards, one score", promised, _all(one_score, counts) / COVERAGE, ROUNDS, at_least=0.99),
        Row("coverage of grades 1 to 4, by grade", promised, _rare(by_pool, counts) / COVERAGE, ROUNDS, at_least=0.99),
        Row(
            "coverage of grades 1 to 4, by grade",
            "one score for all grades",
            _rare(by_pool, counts) / _rare(one_score, counts),
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
        Row("temperature", "the true one", temperatures.mean() / OVERCONFIDENCE, ROUNDS, at_least=0.95),
    ]


def _all(covered: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    return float(covered.sum() / counts.sum())


def _rare(covered: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    return float(covered[:, RARE].sum() / counts[:, RARE].sum())
