"""Prediction intervals, against brute force, the textbook's order statistic, and simulated coverage."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.conformal import (
    Interval,
    Pool,
    conformal_threshold,
    fit_pools,
    grade_scores,
    grades_in_groups,
    min_groups,
    narrowest_intervals,
    pool_grades,
    prediction_intervals,
)
from engine.evaluation.metrics import ranked_probability_scores

seeds = st.integers(0, 2**32 - 1)


def random_probabilities(seed, cards=20):
    return np.random.default_rng(seed).dirichlet(np.full(10, 0.4), cards)


def one_pool(score):
    return (Pool(1, 10, 0, 0, score),)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_grade_s_score_is_the_squared_distance_of_the_cumulative_probabilities(seed):
    probabilities = random_probabilities(seed)
    for row, scores in zip(probabilities, grade_scores(probabilities), strict=True):
        for grade in range(1, 11):
            expected = sum((sum(row[:k]) - (grade <= k)) ** 2 for k in range(1, 10))
            assert scores[grade - 1] == pytest.approx(expected, abs=1e-9)


def test_the_score_is_nine_times_the_published_one_and_its_worked_number():
    probabilities, truth = random_probabilities(1), np.random.default_rng(2).integers(1, 11, 20)
    of_truth = grade_scores(probabilities)[np.arange(20), truth - 1]
    np.testing.assert_allclose(of_truth, 9 * ranked_probability_scores(truth, probabilities))
    np.testing.assert_allclose(grade_scores(np.eye(10)[[3]]), [[3, 2, 1, 0, 1, 2, 3, 4, 5, 6]])


@given(seeds, st.floats(0.01, 3))
@settings(max_examples=100, deadline=None)
def test_with_one_threshold_the_grades_within_it_have_no_gap_and_include_the_median(seed, score):
    probabilities = random_probabilities(seed)
    within = grade_scores(probabilities) <= score
    for row, inside in zip(probabilities, within, strict=True):
        indices = np.flatnonzero(inside)
        if len(indices):
            assert indices.tolist() == list(range(indices[0], indices[-1] + 1))
            assert inside[np.searchsorted(row.cumsum(), 0.5)]


@given(seeds, st.floats(0.0, 3))
@settings(max_examples=100, deadline=None)
def test_an_interval_spans_the_grades_within_the_threshold_and_the_predicted_grade(seed, score):
    probabilities = random_probabilities(seed)
    low, high = prediction_intervals(probabilities, one_pool(score))
    for row, first, last in zip(probabilities, low, high, strict=True):
        grades = {grade + 1 for grade in np.flatnonzero(grade_scores(row[None])[0] <= score)} | {int(row.argmax()) + 1}
        assert (first, last) == (min(grades), max(grades))


@given(seeds, st.floats(0.0, 2), st.floats(0.0, 2))
@settings(max_examples=50, deadline=None)
def test_a_larger_threshold_never_gives_a_narrower_interval(seed, score, increase):
    probabilities = random_probabilities(seed)
    low, high = prediction_intervals(probabilities, one_pool(score))
    wider_low, wider_high = prediction_intervals(probabilities, one_pool(score + increase))
    assert (wider_low <= low).all()
    assert (wider_high >= high).all()


@given(st.integers(1, 120), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]), seeds)
@settings(max_examples=100, deadline=None)
def test_with_one_card_per_group_the_threshold_is_the_textbook_s_order_statistic(cards, coverage, seed):
    scores = np.random.default_rng(seed).random(cards)
    rank = ceil(round((cards + 1) * coverage, 9))
    expected = np.sort(scores)[rank - 1] if rank <= cards else np.inf
    assert conformal_threshold(scores, [str(card) for card in range(cards)], coverage) == expected
    assert (rank <= cards) == (cards >= min_groups(coverage))


def test_copies_of_a_card_in_its_group_change_no_threshold():
    scores, groups = np.random.default_rng(0).random(25), [f"{card:02}" for card in range(25)]
    copied = conformal_threshold(np.repeat(scores, 7), list(np.repeat(groups, 7)), 0.9)
    assert copied == conformal_threshold(scores, groups, 0.9)
    copies = [1 if card else 500 for card in range(25)]
    assert conformal_threshold(np.repeat(scores, copies), list(np.repeat(groups, copies)), 0.9) == conformal_threshold(
        scores, groups, 0.9
    )


def network(random, cards, mix):
    """True grades drawn from a mix, and uncalibrated probabilities of a network."""
    truth = random.choice(np.arange(1, 11), cards, p=mix)
    estimate = truth + 1.3 * random.standard_normal(cards)
    densities = np.exp(-((estimate[:, None] - np.arange(1, 11)) ** 2))
    return truth, densities / densities.sum(axis=1, keepdims=True)


EVEN = np.full(10, 0.1)
SKEWED = np.array([1, 1, 1, 2, 3, 5, 8, 12, 10, 2]) / 45


def test_the_threshold_covers_as_often_as_the_theory_says():
    """Continuous scores: a new one is below the threshold with probability ceil((n + 1) .9) / (n + 1), exactly."""
    random = np.random.default_rng(1)
    for cards in (9, 20, 57):
        names = [str(card) for card in range(cards)]
        # Uniform scores: the probability that a new one is below the threshold is the threshold itself.
        frequency = np.mean([conformal_threshold(random.random(cards), names, 0.9) for _ in range(4000)])
        exact = ceil(0.9 * (cards + 1) - 1e-9) / (cards + 1)
        assert 0.9 <= exact <= 0.9 + 1 / (cards + 1)
        assert frequency == pytest.approx(exact, abs=4 * np.sqrt(0.09 / cards / 4000))


def test_a_new_group_s_card_is_covered_as_guaranteed_with_dependent_cards_in_groups():
    """Groups of one to six cards with almost equal scores, which the plain rule would count as independent."""
    random = np.random.default_rng(2)
    covered = []
    for _ in range(3000):
        sizes = random.integers(1, 7, 25)
        groups = np.repeat(np.arange(25), sizes)
        scores = random.random(25)[groups] + 0.001 * random.random(len(groups))
        covered.append(
            random.random() + 0.001 * random.random() <= conformal_threshold(scores, [str(g) for g in groups], 0.9)
        )
    assert np.mean(covered) > 0.9 - 3 * np.sqrt(0.09 / 3000)


def test_intervals_cover_each_pool_of_grades_as_guaranteed():
    random, covered, total = np.random.default_rng(3), np.zeros(10), np.zeros(10)
    for _ in range(120):
        names = [str(card) for card in range(300)]
        pools = fit_pools(*network(random, 300, SKEWED), names, 0.9)
        truth, probabilities = network(random, 400, SKEWED)
        low, high = prediction_intervals(probabilities, pools)
        covered += np.bincount(truth - 1, (low <= truth) & (truth <= high), minlength=10)
        total += np.bincount(truth - 1, minlength=10)
    assert (covered[4:9] / total[4:9] > 0.885).all(), covered / total
    assert covered[:4].sum() / total[:4].sum() > 0.885
    assert 0.89 < covered.sum() / total.sum() < 0.95


def test_thresholds_by_grade_are_valid_for_another_mix_but_a_single_threshold_is_not():
    random, coverage = np.random.default_rng(4), {}
    for min_pool_groups in (20, 1000):
        covered = []
        for _ in range(60):
            names = [str(card) for card in range(400)]
            truth, probabilities = network(random, 400, SKEWED)
            # The network predicts low grades too high, as a network trained on few of them does.
            new_truth, new_probabilities = network(random, 400, EVEN)
            biased = [
                np.roll(p, 1, axis=1) * (t < 5)[:, None] + p * (t >= 5)[:, None]
                for p, t in ((probabilities, truth), (new_probabilities, new_truth))
            ]
            low, high = prediction_intervals(biased[1], fit_pools(truth, biased[0], names, 0.9, min_pool_groups))
            covered.append(((low <= new_truth) & (new_truth <= high)).mean())
        coverage[min_pool_groups] = np.mean(covered)
    assert coverage[20] > 0.89
    assert coverage[1000] < 0.87


def test_pools_have_no_gaps_and_each_has_enough_groups():
    random = np.random.default_rng(5)
    for cards in (5, 40, 150, 900):
        truth = random.choice(np.arange(1, 11), cards, p=SKEWED)
        groups = [f"g{number}" for number in random.integers(0, max(cards // 2, 1), cards)]
        pools = pool_grades(grades_in_groups(truth, groups), 20)
        assert [grade for low, high in pools for grade in range(low, high + 1)] == list(range(1, 11))
        for low, high in pools:
            in_pool = {group for group, grade in zip(groups, truth, strict=True) if low <= grade <= high}
            assert len(in_pool) >= 20 or len(pools) == 1
    assert pool_grades(np.ones((20, 10), bool), 20) == [(grade, grade) for grade in range(1, 11)]


def test_a_pool_counts_its_cards_and_groups():
    truth, probabilities = network(np.random.default_rng(6), 200, SKEWED)
    groups = [f"g{card // 2}" for card in range(200)]
    for pool in fit_pools(truth, probabilities, groups, 0.9):
        in_pool = (truth >= pool.low) & (truth <= pool.high)
        assert pool.cards == in_pool.sum()
        assert pool.groups == len({group for group, inside in zip(groups, in_pool, strict=True) if inside})
        scores = grade_scores(probabilities)[np.arange(200), truth - 1]
        assert pool.threshold in scores[in_pool]


@pytest.mark.parametrize(("coverage", "expected"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_the_minimum_number_of_groups(coverage, expected):
    assert min_groups(coverage) == expected


# --- narrowest intervals


def by_brute_force(probabilities, coverage):
    """Largest probability of the shortest sufficient run of grades, and its length."""
    for length in range(1, 11):
        mass = max(sum(probabilities[low : low + length]) for low in range(11 - length))
        if mass >= coverage - 1e-9:
            return mass, length
    raise AssertionError("the whole scale has all of the probability")


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
