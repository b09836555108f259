"""Distribution of the simulated grades, and the best agreement with noisy labels."""

import numpy as np
import pytest
from scipy.stats import chisquare, norm
from sklearn.metrics import cohen_kappa_score

from engine.simulate.mix import best_agreement, draw_grade, draw_label, grade_probabilities, label_probabilities

HISTORY = np.array([87, 23, 32, 176, 294, 547, 889, 1582, 2211, 3983])


def test_grade_probabilities_match_the_published_counts():
    assert grade_probabilities("history") == pytest.approx(HISTORY / 9824)
    percent = 99 * grade_probabilities("psa")
    assert percent[5:] == pytest.approx([5, 9, 20, 36, 25])
    assert percent[:5].sum() == pytest.approx(4)
    assert (np.diff(percent[:5]) > 0).all()
    assert grade_probabilities("uniform") == pytest.approx(np.full(10, 0.1))


@pytest.mark.parametrize("mix", ["history", "psa", "uniform"])
def test_grades_are_drawn_with_the_probabilities_of_the_mix(mix):
    random = np.random.default_rng(4)
    counts = np.bincount([draw_grade(random, mix) for _ in range(4000)], minlength=11)[1:]
    assert chisquare(counts, 4000 * grade_probabilities(mix)).pvalue > 0.001


def test_label_errors_are_normal_and_clipped_to_the_scale():
    probabilities = label_probabilities(0.8)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(10))
    assert probabilities[4, 4] == pytest.approx(norm.cdf(0.5 / 0.8) - norm.cdf(-0.5 / 0.8))
    assert probabilities[9, 9] == pytest.approx(norm.sf(-0.5 / 0.8))
    assert (label_probabilities(0) == np.eye(10)).all()


@pytest.mark.parametrize("mix", ["history", "uniform"])
def test_the_best_agreement_equals_that_of_many_drawn_labels(mix):
    random = np.random.default_rng(8)
    grades = random.choice(10, size=40_000, p=grade_probabilities(mix)) + 1
    labels = np.clip(np.rint(grades + random.normal(0, 0.7, len(grades))), 1, 10).astype(int)
    best = best_agreement(mix, 0.7)
    assert best["qwk"] == pytest.approx(cohen_kappa_score(grades, labels, weights="quadratic"), abs=0.005)
    assert best["exact"] == pytest.approx((grades == labels).mean(), abs=0.01)
    assert best["within_one"] == pytest.approx((abs(grades - labels) <= 1).mean(), abs=0.01)


def test_without_noise_the_label_is_the_grade_and_agreement_is_perfect():
    random = np.random.default_rng(1)
    assert all(draw_label(random, grade, 0.0) == grade for grade in range(1, 11))
    assert best_agreement("psa", 0.0) == {"qwk": 1.0, "exact": pytest.approx(1), "within_one": pytest.approx(1)}
