"""The intervals' promise, against brute force, the order statistic of the textbook, and repeated draws."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.conformal import (
    Pool,
    fit_pools,
    grade_scores,
    held_by_groups,
    least_groups,
    pooled,
    spans,
    threshold,
)
from engine.evaluation.metrics import ranked_probability_scores

seeds = st.integers(0, 2**32 - 1)


def probable(seed, cards=20):
    return np.random.default_rng(seed).dirichlet(np.full(10, 0.4), cards)


def one_pool(score):
    return (Pool(1, 10, 0, 0, score),)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_grade_s_score_is_the_squared_distance_of_the_cumulative_probabilities_written_out(seed):
    probabilities = probable(seed)
    for row, scores in zip(probabilities, grade_scores(probabilities), strict=True):
        for grade in range(1, 11):
            wanted = sum((sum(row[:k]) - (grade <= k)) ** 2 for k in range(1, 10))
            assert scores[grade - 1] == pytest.approx(wanted, abs=1e-9)


def test_the_score_is_nine_times_the_published_one_and_its_worked_number():
    probabilities, truth = probable(1), np.random.default_rng(2).integers(1, 11, 20)
    of_truth = grade_scores(probabilities)[np.arange(20), truth - 1]
    np.testing.assert_allclose(of_truth, 9 * ranked_probability_scores(truth, probabilities))
    np.testing.assert_allclose(grade_scores(np.eye(10)[[3]]), [[3, 2, 1, 0, 1, 2, 3, 4, 5, 6]])


@given(seeds, st.floats(0.01, 3))
@settings(max_examples=100, deadline=None)
def test_with_one_score_for_all_the_grades_allowed_have_no_gap_and_hold_the_median(seed, score):
    probabilities = probable(seed)
    allowed = grade_scores(probabilities) <= score
    for row, inside in zip(probabilities, allowed, strict=True):
        places = np.flatnonzero(inside)
        if len(places):
            assert places.tolist() == list(range(places[0], places[-1] + 1))
            assert inside[np.searchsorted(row.cumsum(), 0.5)]


@given(seeds, st.floats(0.0, 3))
@settings(max_examples=100, deadline=None)
def test_an_interval_holds_all_that_is_allowed_and_the_grade_that_is_told_and_no_more(seed, score):
    probabilities = probable(seed)
    low, high = spans(probabilities, one_pool(score))
    for row, first, last in zip(probabilities, low, high, strict=True):
        held = {grade + 1 for grade in np.flatnonzero(grade_scores(row[None])[0] <= score)} | {int(row.argmax()) + 1}
        assert (first, last) == (min(held), max(held))


@given(seeds, st.floats(0.0, 2), st.floats(0.0, 2))
@settings(max_examples=50, deadline=None)
def test_a_larger_score_never_gives_a_narrower_interval(seed, one, more):
    probabilities = probable(seed)
    low, high = spans(probabilities, one_pool(one))
    wider_low, wider_high = spans(probabilities, one_pool(one + more))
    assert (wider_low <= low).all()
    assert (wider_high >= high).all()


@given(st.integers(1, 120), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]), seeds)
@settings(max_examples=100, deadline=None)
def test_where_every_card_is_a_group_the_score_is_the_textbook_s_order_statistic(cards, coverage, seed):
    scores = np.random.default_rng(seed).random(cards)
    rank = ceil(round((cards + 1) * coverage, 9))
    wanted = np.sort(scores)[rank - 1] if rank <= cards else np.inf
    assert threshold(scores, [str(card) for card in range(cards)], coverage) == wanted
    assert (rank <= cards) == (cards >= least_groups(coverage))


def test_copies_of_a_card_in_its_own_group_change_no_score():
    scores, groups = np.random.default_rng(0).random(25), [f"{card:02}" for card in range(25)]
    copied = threshold(np.repeat(scores, 7), list(np.repeat(groups, 7)), 0.9)
    assert copied == threshold(scores, groups, 0.9)
    many = [1 if card else 500 for card in range(25)]
    assert threshold(np.repeat(scores, many), list(np.repeat(groups, many)), 0.9) == threshold(scores, groups, 0.9)


def network(random, cards, mix):
    """Grades drawn from a mix, and a network's ten probabilities, not even calibrated."""
    truth = random.choice(np.arange(1, 11), cards, p=mix)
    seen = truth + 1.3 * random.standard_normal(cards)
    said = np.exp(-((seen[:, None] - np.arange(1, 11)) ** 2))
    return truth, said / said.sum(axis=1, keepdims=True)


EVEN = np.full(10, 0.1)
SKEWED = np.array([1, 1, 1, 2, 3, 5, 8, 12, 10, 2]) / 45


def test_over_many_draws_the_score_covers_as_often_as_the_theory_says():
    """Continuous scores: a new one stays below with a mean frequency of ceil((n + 1) .9) / (n + 1), exactly."""
    random = np.random.default_rng(1)
    for cards in (9, 20, 57):
        names = [str(card) for card in range(cards)]
        # Uniform scores: the frequency with which a new one stays below a score is the score itself.
        frequency = np.mean([threshold(random.random(cards), names, 0.9) for _ in range(4000)])
        exact = ceil(0.9 * (cards + 1) - 1e-9) / (cards + 1)
        assert 0.9 <= exact <= 0.9 + 1 / (cards + 1)
        assert frequency == pytest.approx(exact, abs=4 * np.sqrt(0.09 / cards / 4000))


def test_over_many_draws_a_new_group_s_card_is_covered_as_often_as_promised_though_groups_are_alike_within():
    """Groups of one to six cards whose scores hardly differ: the plain rule over cards would count them as many."""
    random = np.random.default_rng(2)
    covered = []
    for _ in range(3000):
        sizes = random.integers(1, 7, 25)
        groups = np.repeat(np.arange(25), sizes)
        scores = random.random(25)[groups] + 0.001 * random.random(len(groups))
        covered.append(random.random() + 0.001 * random.random() <= threshold(scores, [str(g) for g in groups], 0.9))
    assert np.mean(covered) > 0.9 - 3 * np.sqrt(0.09 / 3000)


def test_over_many_draws_intervals_cover_each_pool_of_grades_as_often_as_promised():
    random, covered, counted = np.random.default_rng(3), np.zeros(10), np.zeros(10)
    for _ in range(120):
        names = [str(card) for card in range(300)]
        pools = fit_pools(*network(random, 300, SKEWED), names, 0.9)
        truth, said = network(random, 400, SKEWED)
        low, high = spans(said, pools)
        covered += np.bincount(truth - 1, (low <= truth) & (truth <= high), minlength=10)
        counted += np.bincount(truth - 1, minlength=10)
    assert (covered[4:9] / counted[4:9] > 0.885).all(), covered / counted
    assert covered[:4].sum() / counted[:4].sum() > 0.885
    assert 0.89 < covered.sum() / counted.sum() < 0.95


def test_intervals_told_by_grade_hold_of_another_mix_too_where_one_score_for_all_does_not():
    random, told = np.random.default_rng(4), {}
    for least in (20, 1000):
        covered = []
        for _ in range(60):
            names = [str(card) for card in range(400)]
            truth, said = network(random, 400, SKEWED)
            # The network leans upwards on low grades, as one does that has seen few of them.
            others, said_of_others = network(random, 400, EVEN)
            leaning = [
                np.roll(p, 1, axis=1) * (t < 5)[:, None] + p * (t >= 5)[:, None]
                for p, t in ((said, truth), (said_of_others, others))
            ]
            low, high = spans(leaning[1], fit_pools(truth, leaning[0], names, 0.9, least))
            covered.append(((low <= others) & (others <= high)).mean())
        told[least] = np.mean(covered)
    assert told[20] > 0.89
    assert told[1000] < 0.87


def test_pools_are_neighbours_without_gaps_and_each_is_held_by_enough_groups():
    random = np.random.default_rng(5)
    for cards in (5, 40, 150, 900):
        truth = random.choice(np.arange(1, 11), cards, p=SKEWED)
        groups = [f"g{number}" for number in random.integers(0, max(cards // 2, 1), cards)]
        runs = pooled(held_by_groups(truth, groups), 20)
        assert [grade for low, high in runs for grade in range(low, high + 1)] == list(range(1, 11))
        for low, high in runs:
            own = {group for group, grade in zip(groups, truth, strict=True) if low <= grade <= high}
            assert len(own) >= 20 or len(runs) == 1
    assert pooled(np.ones((20, 10), bool), 20) == [(grade, grade) for grade in range(1, 11)]


def test_a_pool_says_on_how_many_cards_and_groups_it_stands():
    truth, said = network(np.random.default_rng(6), 200, SKEWED)
    groups = [f"g{card // 2}" for card in range(200)]
    for pool in fit_pools(truth, said, groups, 0.9):
        own = (truth >= pool.low) & (truth <= pool.high)
        assert pool.cards == own.sum()
        assert pool.groups == len({group for group, inside in zip(groups, own, strict=True) if inside})
        scores = grade_scores(said)[np.arange(200), truth - 1]
        assert pool.threshold in scores[own]


@pytest.mark.parametrize(("coverage", "wanted"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_how_many_groups_are_needed_at_least(coverage, wanted):
    assert least_groups(coverage) == wanted
