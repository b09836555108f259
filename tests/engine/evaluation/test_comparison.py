"""Runs are compared on the same cards and resamples; the oracles are closed forms and explicit copies of cards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score

from engine.evaluation.comparison import NoCommonCards, agreement, common_cards, holm, qwk_difference, two_sided_p_value
from engine.evaluation.predictions import Predictions


def make_predictions(truth, predicted, *, groups=None, names=None):
    names = names or [f"c{n}" for n in range(len(truth))]
    return Predictions(tuple(names), tuple(groups or names), np.array(truth), np.eye(10)[np.array(predicted) - 1])


def noisy(seed, truth, width):
    random = np.random.default_rng(seed)
    return np.clip(truth + random.integers(-width, width + 1, len(truth)), 1, 10)


TRUTH = np.random.default_rng(0).integers(1, 11, 120)


def test_a_run_against_itself_differs_by_nothing():
    run = make_predictions(TRUTH, noisy(1, TRUTH, 2))
    difference = qwk_difference([run], [run])
    assert (difference.delta, difference.low, difference.high, difference.better, difference.p) == (0, 0, 0, 0.5, 1)


@pytest.mark.slow
def test_the_difference_and_its_interval_are_those_of_copying_the_resampled_cards():
    groups = [f"g{n % 40:02}" for n in range(120)]
    candidate, reference = noisy(1, TRUTH, 1), noisy(2, TRUTH, 3)
    difference = qwk_difference(
        [make_predictions(TRUTH, candidate, groups=groups)],
        [make_predictions(TRUTH, reference, groups=groups)],
        draws=4000,
    )

    def kappa(cards, predicted):
        return cohen_kappa_score(TRUTH[cards], predicted[cards], labels=range(1, 11), weights="quadratic")

    all_cards = np.arange(120)
    assert difference.delta == pytest.approx(kappa(all_cards, candidate) - kappa(all_cards, reference))
    random, members = np.random.default_rng(9), [np.flatnonzero(all_cards % 40 == n) for n in range(40)]
    deltas = []
    for _ in range(1000):
        cards = np.concatenate([members[n] for n in random.integers(40, size=40)])
        deltas.append(kappa(cards, candidate) - kappa(cards, reference))
    np.testing.assert_allclose([difference.low, difference.high], np.quantile(deltas, [0.025, 0.975]), atol=0.02)
    assert (difference.cards, difference.groups, difference.seeds) == (120, 40, 1)
    assert difference.better > 0.99


def test_pairing_the_cards_makes_the_interval_narrower():
    """Two runs with errors on the same cards: the interval of their difference is narrow."""
    base = noisy(1, TRUTH, 2)
    similar = base.copy()
    similar[:6] = TRUTH[:6]
    paired = qwk_difference([make_predictions(TRUTH, similar)], [make_predictions(TRUTH, base)])
    unrelated = qwk_difference([make_predictions(TRUTH, noisy(5, TRUTH, 2))], [make_predictions(TRUTH, base)])
    assert paired.high - paired.low < 0.5 * (unrelated.high - unrelated.low)


def test_the_variation_between_seeds_is_in_the_interval():
    """Candidates whose seeds differ widely: resampled seeds alone spread the mean by their deviation / sqrt(S)."""
    widths = [0, 1, 2, 3, 4, 5]
    candidates = [make_predictions(TRUTH, noisy(n, TRUTH, width)) for n, width in enumerate(widths)]
    reference = [make_predictions(TRUTH, noisy(9, TRUTH, 2))] * len(widths)
    difference = qwk_difference(candidates, reference, draws=4000)
    scores = [cohen_kappa_score(TRUTH, run.probabilities.argmax(1) + 1, weights="quadratic") for run in candidates]
    half = norm.ppf(0.975) * np.std(scores) / np.sqrt(len(widths))
    assert difference.high - difference.low > 2 * half * 0.95
    assert difference.delta == pytest.approx(np.mean(scores) - difference.reference_qwk)


def test_only_cards_that_both_have_predicted_with_the_same_label_count():
    candidate = make_predictions([1, 5, 9, 10], [1, 5, 9, 10], names=["a", "b", "c", "d"])
    reference = make_predictions([5, 9, 9, 1], [4, 8, 9, 2], names=["b", "c", "d", "e"])
    assert common_cards([candidate, reference]) == ["b", "c"]
    assert qwk_difference([candidate], [reference]).cards == 2
    with pytest.raises(NoCommonCards, match="no predictions for a common card"):
        qwk_difference([candidate], [make_predictions([1], [1], names=["z"])])
    with pytest.raises(NoCommonCards, match="QWK is undefined on the 1 cards"):
        qwk_difference([make_predictions([9], [9], names=["a"])], [make_predictions([9], [9], names=["a"])])


def test_the_p_value_s_worked_number():
    assert two_sided_p_value(np.array([1.0] * 996 + [-1.0] * 4)) == pytest.approx(2 * 5 / 1001)
    assert two_sided_p_value(np.zeros(10)) == 1


# By hand: sorted, times the number of the remaining ones, never below the one before.
@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ((0.01, 0.04, 0.03), (0.03, 0.06, 0.06)),
        ((0.01, 0.02, 0.03, 0.04, 0.05), (0.05, 0.08, 0.09, 0.09, 0.09)),
        ((0.6, 0.5), (1.0, 1.0)),
        ((0.05,), (0.05,)),
        ((), ()),
    ],
)
def test_holm_s_worked_numbers(p, adjusted):
    assert holm(p) == pytest.approx(list(adjusted))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_step_down_rule_rejects(p, level):
    """The rule as published: go up the sorted p-values while p <= level / (number of the remaining ones)."""
    rejected, remaining = set(), len(p)
    for index in sorted(range(len(p)), key=lambda index: p[index]):
        if p[index] * remaining > level:
            break
        rejected.add(index)
        remaining -= 1
    assert {index for index, value in enumerate(holm(p)) if value <= level} == rejected


# --- agreement of a model and a variant of it


def with_probabilities(probabilities, truth):
    names = tuple(f"card {index}" for index in range(len(truth)))
    return Predictions(names, names, np.array(truth), np.array(probabilities, np.float64))


def test_agreement_is_that_counted_by_hand():
    full = np.zeros((2, 10))
    full[0, 8:] = 0.6, 0.4
    full[1, 2:4] = 0.9, 0.1
    variant = full.copy()
    variant[0, 8:] = 0.4, 0.6
    result = agreement(with_probabilities(full, [9, 3]), with_probabilities(variant, [9, 3]))
    assert result["cards"] == 2
    assert result["equal_grades"] == 0.5
    assert result["largest_difference"] == pytest.approx(0.2)
    assert result["mean_difference"] == pytest.approx(0.4 / 20)


def test_both_qwk_of_an_agreement_are_scikit_learn_s():
    random = np.random.default_rng(0)
    truth = random.integers(1, 11, 60)
    both = random.dirichlet(np.ones(10), (2, 60))
    result = agreement(with_probabilities(both[0], truth), with_probabilities(both[1], truth))
    for name, probabilities in zip(("qwk_full", "qwk"), both, strict=True):
        predicted = probabilities.argmax(axis=1) + 1
        expected = cohen_kappa_score(truth, predicted, labels=range(1, 11), weights="quadratic")
        assert result[name] == pytest.approx(expected)


def test_agreement_needs_the_same_cards():
    with pytest.raises(ValueError, match="same cards"):
        agreement(with_probabilities(np.eye(10)[:2], [1, 2]), with_probabilities(np.eye(10)[:3], [1, 2, 3]))
