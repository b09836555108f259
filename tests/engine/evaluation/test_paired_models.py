"""Two models on the same cards; the oracles are scikit-learn, explicit resamples and counting by hand."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from engine.evaluation.comparison import NoCommonCards
from engine.evaluation.paired_models import CardAnswers, compare_answers, obstacles
from engine.evaluation.predictions import Predictions

TRUTH = np.random.default_rng(0).integers(1, 11, 200)


def answers(predicted, *, truth=TRUTH, names=None, groups=None, width=2, calibrated=True):
    """Answers that give the predicted grade .9 of the probability, with a range of `width` grades to each side."""
    predicted = np.clip(np.array(predicted), 1, 10)
    names = tuple(names or (f"c{number}" for number in range(len(predicted))))
    probabilities = np.full((len(predicted), 10), 0.1 / 9)
    probabilities[np.arange(len(predicted)), predicted - 1] = 0.9
    cards = Predictions(names, tuple(groups or names), np.array(truth), probabilities)
    low, high = np.maximum(predicted - width, 1), np.minimum(predicted + width, 10)
    return CardAnswers(cards, low, high, 0.9, calibrated)


def noisy(seed, width, truth=TRUTH):
    return truth + np.random.default_rng(seed).integers(-width, width + 1, len(truth))


def test_the_difference_in_qwk_and_error_is_that_of_the_two_models():
    candidate, reference = noisy(1, 1), noisy(2, 3)
    paired = compare_answers(answers(candidate), answers(reference))
    kappas = [
        cohen_kappa_score(TRUTH, np.clip(grades, 1, 10), labels=range(1, 11), weights="quadratic")
        for grades in (candidate, reference)
    ]
    errors = [np.abs(np.clip(grades, 1, 10) - TRUTH).mean() for grades in (candidate, reference)]
    assert paired.differences["qwk"].delta == pytest.approx(kappas[0] - kappas[1])
    assert paired.differences["mae"].delta == pytest.approx(errors[0] - errors[1])
    assert paired.differences["mae"].candidate == pytest.approx(errors[0])


def test_the_interval_of_the_difference_in_error_is_that_of_a_paired_mean():
    candidate, reference = noisy(1, 1), noisy(2, 3)
    error = compare_answers(answers(candidate), answers(reference)).differences["mae"]
    by_card = np.abs(np.clip(candidate, 1, 10) - TRUTH) - np.abs(np.clip(reference, 1, 10) - TRUTH)
    half = 1.96 * by_card.std() / np.sqrt(len(by_card))
    assert error.low == pytest.approx(by_card.mean() - half, abs=0.05)
    assert error.high == pytest.approx(by_card.mean() + half, abs=0.05)


def test_the_error_by_grade_counts_the_cards_of_that_grade_alone():
    candidate, reference = noisy(1, 1), noisy(2, 3)
    paired = compare_answers(answers(candidate), answers(reference))
    assert [row.grade for row in paired.by_grade] == sorted(set(TRUTH.tolist()))
    for row in paired.by_grade:
        of_grade = row.grade == TRUTH
        expected = np.abs(np.clip(candidate, 1, 10) - TRUTH)[of_grade].mean()
        assert (row.cards, row.error.candidate) == (of_grade.sum(), pytest.approx(expected))
        assert row.error.low <= row.error.delta <= row.error.high


def test_the_changed_cards_are_those_with_another_grade_the_worst_first():
    truth = [5, 5, 5, 5]
    paired = compare_answers(answers([5, 7, 9, 5], truth=truth), answers([5, 5, 6, 8], truth=truth))
    assert [(card.card_id, card.worse) for card in paired.changed] == [("c2", 3), ("c1", 2), ("c3", -3)]


def test_only_cards_that_both_have_answered_with_one_label_count():
    candidate = answers([5, 6, 7], truth=[5, 6, 7], names=["a", "b", "c"])
    reference = answers([6, 6, 7], truth=[5, 5, 7], names=["a", "b", "d"])
    assert compare_answers(candidate, reference).cards == 1
    with pytest.raises(NoCommonCards):
        compare_answers(candidate, answers([6], truth=[5], names=["z"]))


def test_a_model_is_as_good_as_itself_and_passes():
    same = answers(noisy(1, 1))
    assert obstacles(same, compare_answers(same, same)) == []


def test_a_better_model_passes_and_the_worse_one_is_refused():
    better, worse = answers(noisy(1, 1)), answers(noisy(2, 4), width=4)
    assert obstacles(better, compare_answers(better, worse)) == []
    assert obstacles(worse, compare_answers(worse, better)) == ["worse"]


def test_a_constant_answer_is_refused_against_no_model_at_all():
    constant = answers(np.full(200, 10), width=9)
    assert constant.figures["qwk"] == 0
    assert obstacles(constant, None) == ["worse"]
    assert obstacles(answers(noisy(1, 1)), None) == []


def test_too_few_cards_are_no_proof():
    few, candidate, reference = TRUTH[:9], noisy(1, 1)[:9], noisy(2, 3)[:9]
    new, old = answers(candidate, truth=few), answers(reference, truth=few)
    assert obstacles(new, compare_answers(new, old)) == ["few_cards"]
    # Two models of the same error, on too few cards to exclude that one is worse.
    some = slice(0, 30)
    new, old = (answers(noisy(seed, 3)[some], truth=TRUTH[some], width=3) for seed in (3, 4))
    paired = compare_answers(new, old)
    assert paired.differences["qwk"].low < -0.05 < paired.differences["qwk"].delta
    assert obstacles(new, paired) == ["perhaps_worse"]


def test_ranges_that_were_never_fitted_or_miss_too_often_are_refused():
    good = noisy(1, 1)
    reference = answers(good)
    unfitted = answers(good, calibrated=False)
    assert obstacles(unfitted, compare_answers(unfitted, reference)) == ["uncalibrated"]
    narrow = answers(good, width=0)  # a third of the cards
    assert obstacles(narrow, compare_answers(narrow, reference)) == ["coverage"]


def test_cards_of_one_grade_cannot_judge():
    truth = np.full(40, 9)
    predicted = np.full(40, 9)
    new = answers(predicted, truth=truth)
    assert obstacles(new, compare_answers(new, new)) == ["qwk_undefined"]


def test_cards_of_one_group_give_no_interval():
    new = answers(noisy(1, 1), groups=["one"] * 200)
    paired = compare_answers(new, new)
    assert (paired.differences["qwk"].low, paired.differences["qwk"].high) == (None, None)
    assert obstacles(new, paired) == ["qwk_undefined"]
