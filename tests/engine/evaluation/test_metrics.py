"""Metrics against scikit-learn, plain loops and worked numbers."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    brier_score_loss,
    cohen_kappa_score,
    confusion_matrix,
    mean_absolute_error,
    recall_score,
    roc_auc_score,
)

from engine.evaluation import metrics
from engine.evaluation.bootstrap import bootstrap_counts, group_indices

GRADES = list(range(1, 11))
graded = st.lists(st.tuples(st.sampled_from(GRADES), st.sampled_from(GRADES)), min_size=1, max_size=40)


def random_probabilities(seed, cards):
    """(cards, 10) probabilities of varying confidence."""
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(10, 0.3), size=cards)


@given(graded)
def test_qwk_is_scikit_learn_s(pairs):
    truth, predicted = np.array(pairs).T
    score = metrics.qwk(metrics.confusion(truth, predicted))
    if len(set(truth) | set(predicted)) == 1:
        assert score is None
    else:
        assert score == pytest.approx(cohen_kappa_score(truth, predicted, labels=GRADES, weights="quadratic"), abs=1e-9)


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
    probabilities = random_probabilities(seed, cards)
    truth = np.random.default_rng(seed + 1).integers(1, 11, cards)
    expected, bins = 0.0, 15
    for index in range(bins):
        confidences, correct = [], []
        for row, grade in zip(probabilities, truth, strict=True):
            if index / bins <= row.max() < (index + 1) / bins or (index == bins - 1 and row.max() == 1):
                confidences.append(row.max())
                correct.append(float(row.argmax() + 1 == grade))
        if confidences:
            expected += abs(np.mean(confidences) - np.mean(correct)) * len(correct) / cards
    assert metrics.point_metrics(truth, probabilities)["ece"] == pytest.approx(expected, abs=1e-9)


def test_confidence_point_eight_with_half_of_the_cards_right_is_point_three_off():
    probabilities = np.full((10, 10), 0.2 / 9)
    probabilities[:, 4] = 0.8
    truth = np.array([5] * 5 + [6] * 5)
    assert metrics.point_metrics(truth, probabilities)["ece"] == pytest.approx(0.3)


def test_a_certain_right_answer_is_perfectly_calibrated():
    assert metrics.point_metrics(np.array([1, 7]), np.eye(10)[[0, 6]])["ece"] == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_the_auc_of_tens_against_nines_is_scikit_learn_s_over_those_two_grades(seed):
    probabilities, truth = random_probabilities(seed, 30), np.random.default_rng(seed + 1).integers(7, 11, 30)
    nine_or_ten = np.isin(truth, (9, 10))
    ranking = probabilities[nine_or_ten, 9] / (probabilities[nine_or_ten, 8] + probabilities[nine_or_ten, 9])
    auc = metrics.auc_9_10(truth, probabilities)
    if len(set(truth[nine_or_ten])) < 2:
        assert auc is None
    else:
        assert auc == pytest.approx(roc_auc_score(truth[nine_or_ten] == 10, ranking))


@pytest.mark.parametrize("truth", [[10, 10, 8], [9, 9], [1, 2, 3]])
def test_the_auc_is_undefined_without_nines_or_tens(truth):
    assert metrics.auc_9_10(np.array(truth), random_probabilities(0, len(truth))) is None


def bootstrap_by_copying_cards(truth, predicted, groups, draws, seed):
    """Explicit bootstrap: draw group names, copy all their cards, score the copy with scikit-learn."""
    random, names, scores = np.random.default_rng(seed), sorted(set(groups)), []
    members = {name: [i for i, group in enumerate(groups) if group == name] for name in names}
    for _ in range(draws):
        cards = [card for name in random.choice(names, len(names)) for card in members[name]]
        if len({*truth[cards], *predicted[cards]}) > 1:
            scores.append(cohen_kappa_score(truth[cards], predicted[cards], labels=GRADES, weights="quadratic"))
    return np.quantile(scores, [0.025, 0.975])


def certain(predicted):
    """All probability on the predicted grade."""
    return np.eye(10)[np.array(predicted) - 1]


def qwk_interval(truth, predicted, groups, **options):
    bounds = metrics.metric_intervals(truth, certain(predicted), groups, **options)
    return bounds["qwk_low"], bounds["qwk_high"]


@pytest.mark.slow
def test_the_interval_is_that_of_resampling_whole_groups():
    random = np.random.default_rng(3)
    truth = random.integers(1, 11, 60)
    predicted = np.clip(truth + random.integers(-2, 3, 60), 1, 10)
    groups = [f"group {i % 12}" for i in range(60)]
    expected = bootstrap_by_copying_cards(truth, predicted, groups, 1500, seed=1)
    np.testing.assert_allclose(qwk_interval(truth, predicted, groups, draws=4000), expected, atol=0.015)


def test_ten_copies_of_each_card_in_its_group_leave_the_interval_as_it_was():
    random = np.random.default_rng(4)
    truth = random.integers(1, 11, 30)
    predicted = np.clip(truth + random.integers(-3, 4, 30), 1, 10)
    groups = [f"{i:02}" for i in range(30)]
    once = qwk_interval(truth, predicted, groups)
    copied = qwk_interval(np.repeat(truth, 10), np.repeat(predicted, 10), list(np.repeat(groups, 10)))
    assert copied == pytest.approx(once)
    alone = [f"{i:03}" for i in range(300)]
    too_narrow = qwk_interval(np.repeat(truth, 10), np.repeat(predicted, 10), alone)
    assert too_narrow[1] - too_narrow[0] < 0.6 * (once[1] - once[0])


def test_one_group_alone_has_no_interval():
    assert qwk_interval(np.array([1, 5, 9]), [1, 5, 8], ["same"] * 3) == (None, None)


def test_the_interval_of_a_fraction_is_the_binomial_s():
    """A mean over independent cards: the normal approximation is the closed form."""
    random = np.random.default_rng(5)
    truth = random.integers(1, 11, 2000)
    predicted = np.where(random.random(2000) < 0.6, truth, 1 + truth % 10)
    exact = (predicted == truth).mean()
    half = 1.96 * np.sqrt(exact * (1 - exact) / 2000)
    bounds = metrics.metric_intervals(truth, certain(predicted), [str(i) for i in range(2000)], draws=4000)
    assert bounds["exact_low"] == pytest.approx(exact - half, abs=0.002)
    assert bounds["exact_high"] == pytest.approx(exact + half, abs=0.002)


def test_every_metric_of_a_resample_is_the_metric_of_the_copied_cards():
    """Sums and weights replace copies: all metrics of one draw are those of its cards."""
    random = np.random.default_rng(6)
    probabilities, truth = random_probabilities(6, 80), random.integers(7, 11, 80)
    groups = [f"{i % 15:02}" for i in range(80)]
    group_of, count = group_indices(groups)
    [counts] = bootstrap_counts(count, draws=1, seed=2)
    copied = np.repeat(np.arange(80), counts[0, group_of].astype(int))
    bounds = metrics.metric_intervals(truth, probabilities, groups, draws=1, seed=2)
    expected = metrics.point_metrics(truth[copied], probabilities[copied])
    for name in metrics.METRIC_NAMES:
        assert bounds[f"{name}_low"] == bounds[f"{name}_high"]
        low, value = (np.array(value, float) for value in (bounds[f"{name}_low"], expected[name]))
        np.testing.assert_allclose(low, value, atol=1e-12)


def test_a_draw_has_as_many_groups_as_there_are_and_equal_seeds_give_equal_draws():
    first, again, different = (np.concatenate(list(bootstrap_counts(7, draws=300, seed=seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.sum(axis=1), 7)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, different)
    # Each group is drawn once on average: the mean of 300 draws is off by .06 at one standard deviation.
    np.testing.assert_allclose(first.mean(axis=0), 1, atol=0.25)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_brier_s_score_is_scikit_learn_s(seed):
    probabilities, truth = random_probabilities(seed, 20), np.random.default_rng(seed + 1).integers(1, 11, 20)
    expected = brier_score_loss(truth, probabilities, labels=GRADES, scale_by_half=False)
    assert metrics.brier_scores(truth, probabilities).mean() == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_the_ranked_probability_score_is_the_energy_form_of_the_crps(seed):
    """Gneiting and Raftery, 2007: the sum over thresholds is E|X - y| - E|X - X'| / 2, without cumulative sums."""
    probabilities, truth = random_probabilities(seed, 20), np.random.default_rng(seed + 1).integers(1, 11, 20)
    scores = metrics.ranked_probability_scores(truth, probabilities)
    for row, grade, score in zip(probabilities, truth, scores, strict=True):
        to_truth = sum(p * abs(k - grade) for k, p in enumerate(row, 1))
        within = sum(p * q * abs(k - m) for k, p in enumerate(row) for m, q in enumerate(row))
        assert score * 9 == pytest.approx(to_truth - within / 2)


def test_the_probability_scores_worked_numbers():
    even = np.full((1, 10), 0.1)
    assert metrics.brier_scores(np.array([1]), even) == pytest.approx(0.9)
    assert metrics.ranked_probability_scores(np.array([1]), even) == pytest.approx(2.85 / 9)
    assert metrics.ranked_probability_scores(np.array([1]), np.eye(10)[[9]]) == pytest.approx(1)
    assert metrics.brier_scores(np.array([1]), np.eye(10)[[9]]) == pytest.approx(2)


def test_all_metrics_are_scikit_learn_s():
    probabilities, truth = random_probabilities(7, 200), np.random.default_rng(8).integers(3, 11, 200)
    result = metrics.metrics_with_intervals(truth, probabilities, [str(i) for i in range(200)])
    predicted = probabilities.argmax(axis=1) + 1
    error = np.abs(predicted - truth)
    assert result["qwk"] == pytest.approx(cohen_kappa_score(truth, predicted, labels=GRADES, weights="quadratic"))
    assert result["exact"] == pytest.approx((error == 0).mean())
    assert result["within_one"] == pytest.approx((error <= 1).mean())
    assert result["mae"] == pytest.approx(mean_absolute_error(truth, predicted))
    per_grade = [mean_absolute_error(truth[truth == grade], predicted[truth == grade]) for grade in range(3, 11)]
    assert result["macro_mae"] == pytest.approx(np.mean(per_grade))
    assert result["confusion"] == confusion_matrix(truth, predicted, labels=GRADES).tolist()
    assert result["n"] == 200
    recall = recall_score(truth, predicted, labels=GRADES, average=None, zero_division=np.nan)
    assert result["recall"] == pytest.approx([None, None, *recall[2:]])
    for name in set(metrics.METRIC_NAMES) - {"recall", "ece"}:
        assert result[f"{name}_low"] < result[name] < result[f"{name}_high"]
    assert set(result) == {f"{name}{end}" for name in metrics.METRIC_NAMES for end in ("", "_low", "_high")} | {
        "confusion",
        "n",
    }
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_without_cards_every_metric_is_undefined():
    result = metrics.metrics_with_intervals(np.empty(0, int), np.empty((0, 10)), [])
    assert result.pop("n") == 0
    assert np.sum(result.pop("confusion")) == 0
    assert result.pop("recall") == [None] * 10
    assert set(result.values()) == {None}
