"""Conditioning on a ceiling, against frequencies of drawn grades and the laws that every card must satisfy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cards.grades import GRADES
from engine.evaluation.conformal import narrowest_intervals
from engine.evaluation.grade_ceiling import WRONG_CEILINGS, apply_ceilings, condition_on_ceiling, is_credible
from engine.evaluation.uncertainty import CalibratedPredictions

CEILINGS = st.integers(1, 10)


def row(**at):
    """(1, 10) probabilities given by grade, such as g8=0.3."""
    return np.array([[at.get(f"g{grade}", 0.0) for grade in GRADES]])


@st.composite
def cards(draw):
    """(N, 10) probabilities, and (N,) ceilings."""
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 8))
    spread = draw(st.sampled_from([0.5, 3.0, 12.0]))
    logits = np.random.default_rng(seed).normal(0, spread, (count, 10))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    ceilings = draw(st.lists(CEILINGS, min_size=count, max_size=count))
    return powers / powers.sum(axis=1, keepdims=True), np.array(ceilings)


def with_intervals(probabilities, draw_seed=0):
    """Conformal-like predictions: any interval that includes the predicted grade."""
    random, grades = np.random.default_rng(draw_seed), probabilities.argmax(axis=1) + 1
    low = np.maximum(grades - random.integers(0, 4, len(grades)), 1)
    high = np.minimum(grades + random.integers(0, 4, len(grades)), 10)
    return CalibratedPredictions(probabilities, low, high, 0.9)


def test_the_worked_numbers():
    probabilities = row(g7=0.1, g8=0.3, g9=0.2, g10=0.4)
    limited = condition_on_ceiling(probabilities, np.array([9]))
    np.testing.assert_allclose(limited, row(g7=1 / 6, g8=1 / 2, g9=1 / 3))
    np.testing.assert_allclose([(p @ GRADES).item() for p in (probabilities, limited)], [8.9, 49 / 6])
    before = CalibratedPredictions(probabilities, np.array([8]), np.array([10]), 0.9)
    after = apply_ceilings(before, np.array([9]), is_calibrated=True)
    assert (after.low[0], after.high[0], after.grades[0]) == (8, 9, 8)
    out_of_reach = CalibratedPredictions(row(g8=0.1, g9=0.4, g10=0.5), np.array([9]), np.array([10]), 0.9)
    after = apply_ceilings(out_of_reach, np.array([8]), is_calibrated=True)
    assert (after.low[0], after.high[0], after.grades[0]) == (8, 8, 8)


def test_the_probabilities_are_the_frequencies_of_drawn_grades_of_which_those_above_the_ceiling_are_dropped():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(10))
    drawn = random.choice(GRADES, 200_000, p=probabilities)
    for ceiling in (3, 7, 9):
        kept = drawn[drawn <= ceiling]
        frequencies = np.bincount(kept, minlength=11)[1:] / len(kept)
        limited = condition_on_ceiling(probabilities[None], np.array([ceiling]))[0]
        np.testing.assert_allclose(limited, frequencies, atol=0.01)


@settings(max_examples=60, deadline=None)
@given(cards())
def test_no_ceiling_raises_a_grade_or_lowers_the_probability_of_a_grade_in_reach(sample):
    probabilities, ceilings = sample
    limited = condition_on_ceiling(probabilities, ceilings)
    np.testing.assert_allclose(limited.sum(axis=1), 1)
    in_reach = np.array(GRADES) <= ceilings[:, None]
    assert not limited[~in_reach].any()
    assert (limited[in_reach] >= probabilities[in_reach] * (1 - 1e-12)).all()
    assert (limited.argmax(axis=1) <= probabilities.argmax(axis=1)).all()
    assert (limited @ GRADES <= probabilities @ GRADES + 1e-9).all()
    np.testing.assert_allclose(limited[ceilings == 10], probabilities[ceilings == 10])


@settings(max_examples=60, deadline=None)
@given(cards(), st.integers(0, 1000))
def test_a_clipped_interval_has_every_grade_in_reach_that_it_had_and_the_predicted_grade(sample, seed):
    probabilities, ceilings = sample
    before = with_intervals(probabilities, seed)
    after = apply_ceilings(before, ceilings, is_calibrated=True)
    assert (after.low <= after.grades).all()
    assert (after.grades <= after.high).all()
    assert (after.high <= ceilings).all()
    assert (after.low >= 1).all()
    for card, ceiling in enumerate(ceilings):
        for truth in range(1, ceiling + 1):
            if before.low[card] <= truth <= before.high[card]:
                assert after.low[card] <= truth <= after.high[card]


def test_an_uncalibrated_interval_has_again_the_probability_that_it_states():
    probabilities = row(g6=0.05, g7=0.1, g8=0.2, g9=0.1, g10=0.55)
    before = CalibratedPredictions(probabilities, *narrowest_intervals(probabilities, 0.9), 0.9)
    assert (before.low[0], before.high[0]) == (7, 10)
    after = apply_ceilings(before, np.array([9]), is_calibrated=False)
    # Of .45 in reach, 7 to 9 have .4 / .45 = .89; clipping to the ceiling would state .9.
    assert (after.low[0], after.high[0]) == (6, 9)


def test_a_ceiling_is_believed_if_it_is_right_in_most_drawn_cases_in_which_it_is_reported():
    """A ceiling is wrong for a share of cards whatever their grade, otherwise reported only if it is true."""
    random = np.random.default_rng(1)
    is_wrong = random.random(400_000) < WRONG_CEILINGS
    for in_reach in (0.02, 0.04, 0.07, 0.5):
        grades = np.where(random.random(len(is_wrong)) < in_reach, 8, 9)
        is_right = ~is_wrong & (grades <= 8)
        expected = is_right.sum() > is_wrong.sum()
        assert is_credible(row(g8=in_reach, g9=1 - in_reach), np.array([8])) == expected


def test_a_card_without_any_probability_in_reach_gets_all_of_it_on_its_ceiling():
    for probability in (1.0, 1 - 1e-320):
        np.testing.assert_array_equal(condition_on_ceiling(row(g10=probability), np.array([4])), row(g4=1.0))
