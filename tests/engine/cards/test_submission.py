"""Worth of submitting a card, against numbers worked by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cards.grades import GRADES
from engine.cards.submission import BadAmount, CardValues, SubmissionCosts, submission_worth

COSTS = SubmissionCosts(grading_fee=25, shipping=5, selling_fee=0.1)
VALUES = CardValues(raw=40, graded={10: 300, 9: 80, 8: 45})
CHANCES = [0.0] * 7 + [0.2, 0.5, 0.3]
amounts = st.floats(0, 1e6)
distributions = (
    st.lists(st.integers(0, 100), min_size=10, max_size=10)
    .filter(any)
    .map(lambda weights: [weight / sum(weights) for weight in weights])
)


def worth(chances=CHANCES, values=VALUES, costs=COSTS, interval=(8, 10)):
    return submission_worth(chances, interval, values, costs)


def test_the_expected_gain_and_its_range_are_those_worked_by_hand():
    # Ungraded: 40 - 4 = 36. A 10: 300 - 30 - 30 - 36 = 204; a 9: 80 - 8 - 66 = 6; an 8: 45 - 4.5 - 66 = -25.5.
    card = worth()
    assert card.gains[7:] == pytest.approx((-25.5, 6, 204))
    assert card.expected_gain == pytest.approx(0.3 * 204 + 0.5 * 6 - 0.2 * 25.5) == pytest.approx(59.1)
    assert (card.low, card.high) == pytest.approx((-25.5, 204))
    assert card.chance_of_gain == pytest.approx(0.8)


def test_the_break_even_chance_of_a_10_is_that_worked_by_hand():
    # Without a 10 the mean gain is (.5 * 6 - .2 * 25.5) / .7 = -3; q * 204 - (1 - q) * 3 = 0 at q = 3 / 207.
    assert worth().break_even_p10 == pytest.approx(float(Fraction(3, 207)))
    assert worth(values=CardValues(40, {10: 60, 9: 60})).break_even_p10 is None, "a 10 does not pay either"
    assert worth(values=CardValues(40, {10: 300, 8: 100})).break_even_p10 == 0, "pays without any 10"
    assert worth(chances=[0.0] * 9 + [1.0]).break_even_p10 is None, "no other grade to weigh against"


def test_each_factor_is_changed_for_the_worse_as_worked_by_hand():
    changed = worth().changed_gains
    # Half of each grade's chance moves down: .15, .4, .35 and .1 for a 7, which sells for the raw 40: a gain of -30.
    assert changed["grade"] == pytest.approx(0.15 * 204 + 0.4 * 6 - 0.35 * 25.5 - 0.1 * 30)
    # 10 % less for the graded card: 27, 7.2 and 4.05 less after the selling fee.
    assert changed["graded values"] == pytest.approx(59.1 - (0.3 * 27 + 0.5 * 7.2 + 0.2 * 4.05))
    assert changed["raw value"] == pytest.approx(59.1 - 3.6)
    assert worth().hangs_on == "grade"


@given(st.integers(1, 10), distributions, amounts)
def test_with_every_fee_nought_and_equal_values_the_advice_is_to_keep(grade, chances, value):
    card = submission_worth(chances, (1, 10), CardValues(value, {grade: value}), SubmissionCosts())
    assert card.expected_gain == pytest.approx(0, abs=1e-6)
    assert card.advice == "keep"


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({10: 300, 9: 80, 8: 45}, "submit"),
        ({10: 150, 9: 75, 8: 45}, "borderline"),  # expected 16.4, but -1 if half a grade lower
        ({10: 80, 9: 75, 8: 45}, "keep"),
    ],
)
def test_the_advice_follows_the_expected_gain_and_one_change_for_the_worse(values, advice):
    assert worth(values=CardValues(40, values)).advice == advice


def test_grades_without_a_value_are_between_their_neighbors_or_beyond_the_outermost():
    assert list(CardValues(40, {4: 20, 6: 60, 9: 90}).of_all_grades()) == [20, 20, 20, 20, 40, 60, 70, 80, 90, 90]
    assert list(CardValues(10, {9: 50}).of_all_grades()) == [10] * 8 + [50, 50]
    assert CardValues(10, {1: 50}).of_all_grades()[0] == 50


@given(distributions, amounts, st.dictionaries(st.sampled_from(GRADES), amounts, min_size=1), st.floats(0, 0.99))
def test_the_expected_gain_is_that_of_a_sum_over_the_grades_and_nought_at_the_break_even(chances, raw, graded, fee):
    values, costs = CardValues(raw, graded), SubmissionCosts(20, 3, fee)
    card = submission_worth(chances, (1, 10), values, costs)
    prices = values.of_all_grades()
    by_hand = sum(p * (v * (1 - fee) - 23 - raw * (1 - fee)) for p, v in zip(chances, prices, strict=True))
    assert card.expected_gain == pytest.approx(by_hand, abs=1e-3)
    assert card.low <= card.high
    if card.break_even_p10:
        rest = [(1 - card.break_even_p10) * p / (1 - chances[-1]) for p in chances[:-1]]
        at_break_even = submission_worth([*rest, card.break_even_p10], (1, 10), values, costs)
        assert at_break_even.expected_gain == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SubmissionCosts(grading_fee=-1), "grading fee, -1"),
        (lambda: SubmissionCosts(shipping=float("nan")), "shipping, nan"),
        (lambda: SubmissionCosts(selling_fee=1), "selling fee of 100 %"),
        (lambda: CardValues(float("inf"), {10: 1}), "value of the ungraded card, inf"),
        (lambda: CardValues(1, {}), "no value of a graded card"),
        (lambda: CardValues(1, {11: 5}), "11 is not a grade"),
        (lambda: CardValues(1, {9: 2e9}), r"value of a 9, 2e\+09"),
    ],
)
def test_an_amount_that_cannot_be_used_is_named(make, message):
    with pytest.raises(BadAmount, match=message):
        make()
