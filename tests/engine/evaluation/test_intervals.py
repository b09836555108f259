"""The narrowest run of grades that holds enough, against brute force and worked numbers."""

import numpy as np
import pytest

from engine.evaluation.intervals import Interval, narrowest_intervals


def by_brute_force(probabilities, coverage):
    """The most mass that the shortest sufficient run of grades holds, and its length."""
    for length in range(1, 11):
        most = max(sum(probabilities[low : low + length]) for low in range(11 - length))
        if most >= coverage - 1e-9:
            return most, length
    raise AssertionError("the whole scale holds everything")


def test_the_narrowest_interval_is_that_of_brute_force():
    random = np.random.default_rng(0)
    for concentration in (0.1, 0.5, 2.0):
        probabilities = random.dirichlet(np.full(10, concentration), 100)
        coverage = random.uniform(0.05, 0.999)
        for row, low, high in zip(probabilities, *narrowest_intervals(probabilities, coverage), strict=True):
            mass, length = by_brute_force(row, coverage)
            assert high - low + 1 == length
            assert row[low - 1 : high].sum() == pytest.approx(mass)


@pytest.mark.parametrize(
    ("coverage", "low", "high"), [(0.75, 9, 10), (0.5, 9, 9), (0.7, 8, 9), (0.9, 8, 10), (1.0, 8, 10)]
)
def test_the_interval_s_worked_numbers(coverage, low, high):
    probabilities = np.array([0, 0, 0, 0, 0, 0, 0, 0.2, 0.5, 0.3])
    if coverage == 0.7:
        probabilities[7:] = 0.3, 0.5, 0.2
    assert np.ravel(narrowest_intervals(probabilities[None], coverage)).tolist() == [low, high]


def test_certainty_is_an_interval_of_one_grade_and_all_ten_are_ten_wide():
    assert np.ravel(narrowest_intervals(np.eye(10)[[3]], 0.9)).tolist() == [4, 4]
    assert (Interval(0.9, 4, 4).width, Interval(0.9, 1, 10).width) == (1, 10)
