"""The agreement of two forms of one model: by hand, and by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from engine.evaluation.agreement import agreement
from engine.evaluation.predictions import Predictions


def said(probabilities, truth):
    names = tuple(f"card {place}" for place in range(len(truth)))
    return Predictions(names, names, np.array(truth), np.array(probabilities, np.float64))


def test_equal_grades_and_differences_are_those_counted_by_hand():
    full = np.zeros((2, 10))
    full[0, 8:] = 0.6, 0.4
    full[1, 2:4] = 0.9, 0.1
    other = full.copy()
    other[0, 8:] = 0.4, 0.6
    figures = agreement(said(full, [9, 3]), said(other, [9, 3]))
    assert figures["cards"] == 2
    assert figures["equal_grades"] == 0.5
    assert figures["largest_difference"] == pytest.approx(0.2)
    assert figures["mean_difference"] == pytest.approx(0.4 / 20)


def test_both_qwk_are_scikit_learn_s():
    random = np.random.default_rng(0)
    truth = random.integers(1, 11, 60)
    both = random.dirichlet(np.ones(10), (2, 60))
    figures = agreement(said(both[0], truth), said(both[1], truth))
    for name, probabilities in zip(("qwk_full", "qwk"), both, strict=True):
        predicted = probabilities.argmax(axis=1) + 1
        expected = cohen_kappa_score(truth, predicted, labels=range(1, 11), weights="quadratic")
        assert figures[name] == pytest.approx(expected)


def test_other_cards_are_not_compared():
    with pytest.raises(ValueError, match="same cards"):
        agreement(said(np.eye(10)[:2], [1, 2]), said(np.eye(10)[:3], [1, 2, 3]))
