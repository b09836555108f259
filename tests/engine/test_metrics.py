"""The figures against scikit-learn, plain loops and worked numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix, mean_absolute_error, roc_auc_score

from engine import metrics

GRADES = list(range(1, 11))
graded = st.lists(st.tuples(st.sampled_from(GRADES), st.sampled_from(GRADES)), min_size=1, max_size=40)


def probable(seed, cards):
    """(cards, 10) probabilities, some sure and some not."""
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(10, 0.3), size=cards)


@given(graded)
def test_qwk_is_scikit_learn_s(pairs):
    truth, predicted = np.array(pairs).T
    ours = metrics.qwk(metrics.confusion(truth, predicted))
    if len(set(truth) | set(predicted)) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(cohen_kappa_score(truth, predicted, labels=GRADES, weights="quadratic"), abs=1e-9)


@given(graded)
def test_the_confusion_is_scikit_learn_s(pairs):
    truth, predicted = np.array(pairs).T
    np.testing.assert_array_equal(
        metrics.confusion(truth, predicted), confusion_matrix(truth, predicted, labels=GRADES)
    )


def test_qwk_s_worked_number():
    assert metrics.qwk(metrics.confusion(np.array([1, 1, 10, 10]), np.array([1, 10, 10, 10]))) == pytest.approx(0.5)


def test_qwk_of_no_card_is_undefined():
    assert metrics.qwk(np.zeros((10, 10), int)) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
@settings(max_examples=50)
def test_the_calibration_error_is_that_of_a_plain_loop_over_bins(seed, cards):
    probabilities = probable(seed, cards)
    truth = np.random.default_rng(seed + 1).integers(1, 11, cards)
    expected, bins = 0.0, 15
    for number in range(bins):
        confidences, hits = [], []
        for row, grade in zip(probabilities, truth, strict=True):
            if number / bins <= row.max() < (number + 1) / bins or (number == bins - 1 and row.max() == 1):
                confidences.append(row.max())
                hits.append(float(row.argmax() + 1 == grade))
        if confidences:
            expected += abs(np.mean(confidences) - np.mean(hits)) * len(hits) / cards
    assert metrics.expected_calibration_error(truth, probabilities) == pytest.approx(expected, abs=1e-9)


def test_confidence_point_eight_with_half_of_the_cards_right_is_point_three_off():
    probabilities = np.full((10, 10), 0.2 / 9)
    probabilities[:, 4] = 0.8
    truth = np.array([5] * 5 + [6] * 5)
    assert metrics.expected_calibration_error(truth, probabilities) == pytest.approx(0.3)


def test_a_certain_right_answer_is_perfectly_calibrated():
    assert metrics.expected_calibration_error(np.array([1, 7]), np.eye(10)[[0, 6]]) == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_the_auc_of_tens_against_nines_is_scikit_learn_s_over_those_two_grades(seed):
    probabilities, truth = probable(seed, 30), np.random.default_rng(seed + 1).integers(7, 11, 30)
    either = np.isin(truth, (9, 10))
    share = probabilities[either, 9] / (probabilities[either, 8] + probabilities[either, 9])
    ours = metrics.auc_9_10(truth, probabilities)
    if len(set(truth[either])) < 2:
        assert ours is None
    else:
        assert ours == pytest.approx(roc_auc_score(truth[either] == 10, share))


@pytest.mark.parametrize("truth", [[10, 10, 8], [9, 9], [1, 2, 3]])
def test_the_auc_is_undefined_where_nines_or_tens_are_missing(truth):
    assert metrics.auc_9_10(np.array(truth), probable(0, len(truth))) is None


def bootstrap_by_copying_cards(truth, predicted, groups, draws, seed):
    """The bootstrap spelled out: draw group names, copy all their cards, let scikit-learn score the copy."""
    random, names, scores = np.random.default_rng(seed), sorted(set(groups)), []
    members = {name: [i for i, group in enumerate(groups) if group == name] for name in names}
    for _ in range(draws):
        cards = [card for name in random.choice(names, len(names)) for card in members[name]]
        if len({*truth[cards], *predicted[cards]}) > 1:
            scores.append(cohen_kappa_score(truth[cards], predicted[cards], labels=GRADES, weights="quadratic"))
    return np.quantile(scores, [0.025, 0.975])


def test_the_interval_is_that_of_drawing_whole_groups():
    random = np.random.default_rng(3)
    truth = random.integers(1, 11, 60)
    predicted = np.clip(truth + random.integers(-2, 3, 60), 1, 10)
    groups = [f"group {i % 12}" for i in range(60)]
    low, high = metrics.bootstrap_qwk(truth, predicted, groups, draws=4000)
    expected = bootstrap_by_copying_cards(truth, predicted, groups, 1500, seed=1)
    np.testing.assert_allclose([low, high], expected, atol=0.015)


def test_ten_copies_of_each_card_in_its_group_leave_the_interval_as_it_was():
    random = np.random.default_rng(4)
    truth = random.integers(1, 11, 30)
    predicted = np.clip(truth + random.integers(-3, 4, 30), 1, 10)
    groups = [f"{i:02}" for i in range(30)]
    once = metrics.bootstrap_qwk(truth, predicted, groups)
    copied = metrics.bootstrap_qwk(np.repeat(truth, 10), np.repeat(predicted, 10), list(np.repeat(groups, 10)))
    assert copied == pytest.approx(once)
    alone = [f"{i:03}" for i in range(300)]
    too_sure = metrics.bootstrap_qwk(np.repeat(truth, 10), np.repeat(predicted, 10), alone)
    assert too_sure[1] - too_sure[0] < 0.6 * (once[1] - once[0])


def test_one_group_alone_has_no_interval():
    assert metrics.bootstrap_qwk(np.array([1, 5, 9]), np.array([1, 5, 8]), ["same"] * 3) == (None, None)


def test_all_figures_are_scikit_learn_s():
    probabilities, truth = probable(7, 200), np.random.default_rng(8).integers(3, 11, 200)
    figures = metrics.measure(truth, probabilities, [str(i) for i in range(200)])
    predicted = probabilities.argmax(axis=1) + 1
    error = np.abs(predicted - truth)
    assert figures["qwk"] == pytest.approx(cohen_kappa_score(truth, predicted, labels=GRADES, weights="quadratic"))
    assert figures["exact"] == pytest.approx((error == 0).mean())
    assert figures["within_one"] == pytest.approx((error <= 1).mean())
    assert figures["mae"] == pytest.approx(mean_absolute_error(truth, predicted))
    per_grade = [mean_absolute_error(truth[truth == grade], predicted[truth == grade]) for grade in range(3, 11)]
    assert figures["macro_mae"] == pytest.approx(np.mean(per_grade))
    assert figures["confusion"] == confusion_matrix(truth, predicted, labels=GRADES).tolist()
    assert figures["n"] == 200
    assert figures["qwk_low"] < figures["qwk"] < figures["qwk_high"]
    assert all(value is None or type(value) in (int, float, list) for value in figures.values())


def test_no_card_at_all_gives_figures_that_are_undefined_not_made_up():
    figures = metrics.measure(np.empty(0, int), np.empty((0, 10)), [])
    assert figures.pop("n") == 0
    assert np.sum(figures.pop("confusion")) == 0
    assert set(figures.values()) == {None}
