"""Two ways of training are compared on the same cards under the same draws; the oracles are closed forms and copies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score

from engine.evaluation.comparison import NothingInCommon, common_cards, difference, holm, two_sided
from engine.evaluation.predictions import Predictions


def said(truth, predicted, *, groups=None, names=None):
    names = names or [f"c{n}" for n in range(len(truth))]
    return Predictions(tuple(names), tuple(groups or names), np.array(truth), np.eye(10)[np.array(predicted) - 1])


def noisy(seed, truth, width):
    random = np.random.default_rng(seed)
    return np.clip(truth + random.integers(-width, width + 1, len(truth)), 1, 10)


TRUTH = np.random.default_rng(0).integers(1, 11, 120)


def test_a_run_against_itself_differs_by_nothing():
    once = said(TRUTH, noisy(1, TRUTH, 2))
    found = difference([once], [once])
    assert (found.delta, found.low, found.high, found.better, found.p) == (0, 0, 0, 0.5, 1)


def test_the_difference_and_its_interval_are_those_of_copying_the_drawn_cards():
    groups = [f"g{n % 40:02}" for n in range(120)]
    one, other = noisy(1, TRUTH, 1), noisy(2, TRUTH, 3)
    found = difference([said(TRUTH, one, groups=groups)], [said(TRUTH, other, groups=groups)], draws=4000)

    def kappa(cards, predicted):
        return cohen_kappa_score(TRUTH[cards], predicted[cards], labels=range(1, 11), weights="quadratic")

    every = np.arange(120)
    assert found.delta == pytest.approx(kappa(every, one) - kappa(every, other))
    random, members = np.random.default_rng(9), [np.flatnonzero(every % 40 == n) for n in range(40)]
    deltas = []
    for _ in range(1000):
        cards = np.concatenate([members[n] for n in random.integers(40, size=40)])
        deltas.append(kappa(cards, one) - kappa(cards, other))
    np.testing.assert_allclose([found.low, found.high], np.quantile(deltas, [0.025, 0.975]), atol=0.02)
    assert (found.cards, found.groups, found.seeds) == (120, 40, 1)
    assert found.better > 0.99


def test_pairing_the_cards_makes_the_interval_narrower_than_two_apart():
    """Two runs that err on the same cards: their difference is surer than either score."""
    base = noisy(1, TRUTH, 2)
    almost = base.copy()
    almost[:6] = TRUTH[:6]
    paired = difference([said(TRUTH, almost)], [said(TRUTH, base)])
    apart = difference([said(TRUTH, noisy(5, TRUTH, 2))], [said(TRUTH, base)])
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)


def test_what_seeds_do_by_chance_is_in_the_interval():
    """Candidates whose seeds differ widely: drawn seeds alone spread the mean by their standard deviation / sqrt(S)."""
    widths = [0, 1, 2, 3, 4, 5]
    candidates = [said(TRUTH, noisy(n, TRUTH, width)) for n, width in enumerate(widths)]
    reference = [said(TRUTH, noisy(9, TRUTH, 2))] * len(widths)
    found = difference(candidates, reference, draws=4000)
    scores = [cohen_kappa_score(TRUTH, each.probabilities.argmax(1) + 1, weights="quadratic") for each in candidates]
    half = norm.ppf(0.975) * np.std(scores) / np.sqrt(len(widths))
    assert found.high - found.low > 2 * half * 0.95
    assert found.delta == pytest.approx(np.mean(scores) - found.reference_qwk)


def test_only_cards_that_both_have_judged_under_one_label_count():
    one = said([1, 5, 9, 10], [1, 5, 9, 10], names=["a", "b", "c", "d"])
    other = said([5, 9, 9, 1], [4, 8, 9, 2], names=["b", "c", "d", "e"])
    assert common_cards([one, other]) == ["b", "c"]
    assert difference([one], [other]).cards == 2
    with pytest.raises(NothingInCommon, match="no card in common"):
        difference([one], [said([1], [1], names=["z"])])
    with pytest.raises(NothingInCommon, match="QWK is undefined on the 1 cards"):
        difference([said([9], [9], names=["a"])], [said([9], [9], names=["a"])])


def test_the_p_value_s_worked_number():
    assert two_sided(np.array([1.0] * 996 + [-1.0] * 4)) == pytest.approx(2 * 5 / 1001)
    assert two_sided(np.zeros(10)) == 1


# By hand: sorted, times the number of those left, never below the one before.
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
    """The rule as it was published: go up the sorted p-values while p <= level / (those that are left)."""
    rejected, left = set(), len(p)
    for place in sorted(range(len(p)), key=lambda place: p[place]):
        if p[place] * left > level:
            break
        rejected.add(place)
        left -= 1
    assert {place for place, value in enumerate(holm(p)) if value <= level} == rejected
