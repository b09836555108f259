"""Scores for the labeling queue against SciPy's distances and entropies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy, wasserstein_distance

from engine.cards.grades import GRADES
from engine.evaluation.label_scores import central_range, rarity, suspicion, uncertainty

weights = arrays(np.float64, 10, elements=st.floats(0, 1)).filter(lambda values: values.sum() > 0.1)


@given(weights, st.integers(1, 10))
def test_suspicion_is_the_label_s_earth_mover_s_distance_beyond_that_of_the_best_grade(values, grade):
    distribution = values / values.sum()
    distances = [wasserstein_distance([label], GRADES, None, distribution) for label in GRADES]
    expected = (distances[grade - 1] - min(distances)) / 9
    assert suspicion(distribution[None], np.array([grade]))[0] == pytest.approx(expected, abs=1e-9)


@given(weights)
def test_uncertainty_is_the_entropy_in_digits(values):
    distribution = values / values.sum()
    assert uncertainty(distribution[None])[0] == pytest.approx(entropy(distribution, base=10), abs=1e-9)


def test_a_card_of_which_the_model_is_unsure_is_not_suspect_for_that():
    unsure, sure = np.full(10, 0.1), np.eye(10)[8]
    scores = suspicion(np.stack([unsure, unsure, sure, sure]), np.array([5, 10, 9, 4]))
    assert scores[[0, 2]] == pytest.approx(0, abs=1e-12)
    assert scores[3] == pytest.approx(5 / 9)
    assert scores[3] > scores[1] > 0


def test_the_rarest_grades_score_highest():
    assert rarity(np.array([0, 5, 10, 10, 0, 0, 0, 0, 0, 0])) == pytest.approx([1, 0.5, 0, 0, 1, 1, 1, 1, 1, 1])
    assert rarity(np.zeros(10, int)) == pytest.approx(np.ones(10))


def test_the_central_range_leaves_a_tenth_at_each_end():
    assert central_range(np.array([0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05, 0, 0, 0])) == (2, 6)
    assert central_range(np.eye(10)[9]) == (10, 10)
