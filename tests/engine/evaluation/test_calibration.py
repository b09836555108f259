"""The temperature, the widest interval and the calibration as a whole: closed cases, scikit-learn, repeated draws."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from engine.cards.pairs import CardPair
from engine.data.selection import Trainable
from engine.evaluation.bootstrap import drawn_times, group_sums, numbered
from engine.evaluation.calibration import (
    COLDEST,
    HOTTEST,
    Calibration,
    TooFewCards,
    best_temperature,
    fit,
    of_validation,
    said_of,
    shortage,
    tempered,
    widest_that_pays,
)
from engine.evaluation.predictions import Predictions


def alone(cards):
    """Every card a group of its own."""
    return [f"{card:04}" for card in range(cards)]


def too_sure(seed, cards, times=2.0):
    """Grades drawn from ten probabilities, and a network that says them `times` too surely."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (cards, 10))
    truth = np.array([random.choice(np.arange(1, 11), p=row) for row in softmax(logits, axis=1)])
    return truth, softmax(logits * times, axis=1)


def held_out(seed=0, cards=400, times=2.0):
    return Predictions(tuple(alone(cards)), tuple(alone(cards)), *too_sure(seed, cards, times))


# --- temperature


@given(st.integers(0, 2**32 - 1), st.floats(0.25, 8))
@settings(max_examples=30, deadline=None)
def test_tempering_is_the_softmax_of_log_probabilities_over_the_temperature(seed, temperature):
    logits = np.random.default_rng(seed).normal(0, 3, (5, 10))
    ours = tempered(softmax(logits, axis=1), temperature)
    np.testing.assert_allclose(ours, softmax(logits / temperature, axis=1), rtol=1e-9)
    assert (ours.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_the_temperature_s_worked_number_and_certainty_that_stays_finite():
    np.testing.assert_allclose(tempered(np.array([[0.8, 0.2]]), 2), [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(tempered(np.eye(10)[[3]], 8), np.eye(10)[[3]], atol=1e-30)


@pytest.mark.parametrize("times", [0.5, 1.0, 3.0])
def test_a_network_that_is_so_many_times_too_sure_gets_that_temperature(times):
    truth, said = too_sure(1, 4000, times)
    assert best_temperature(truth, said, alone(4000)) == pytest.approx(times, rel=0.06)


def test_no_temperature_of_a_fine_grid_is_likelier():
    truth, said = too_sure(2, 150)
    grid = np.geomspace(COLDEST, HOTTEST, 4000)
    losses = [-log_softmax(np.log(said) / t, axis=1)[np.arange(150), truth - 1].mean() for t in grid]
    assert best_temperature(truth, said, alone(150)) == pytest.approx(grid[np.argmin(losses)], rel=2e-3)


def test_between_two_grades_the_temperature_is_one_over_the_coefficient_of_a_logistic_regression():
    random = np.random.default_rng(3)
    logit = random.normal(0, 4, 500)
    ten = random.random(500) < 1 / (1 + np.exp(-logit / 1.7))
    said = np.zeros((500, 10))
    said[:, 9] = 1 / (1 + np.exp(-logit))
    said[:, 8] = 1 - said[:, 9]
    regression = LogisticRegression(fit_intercept=False, C=1e9, tol=1e-10).fit(logit[:, None], ten)
    assert best_temperature(9 + ten, said, alone(500)) == pytest.approx(1 / regression.coef_[0, 0], rel=1e-4)


def test_a_group_counts_once_however_many_photos_it_has():
    truth, said = too_sure(4, 40)
    copies = [1 if card else 300 for card in range(40)]
    copied = best_temperature(np.repeat(truth, copies), np.repeat(said, copies, axis=0), np.repeat(alone(40), copies))
    assert copied == pytest.approx(best_temperature(truth, said, alone(40)))


def test_cards_that_are_all_right_or_all_wrong_do_not_take_the_temperature_beyond_its_bounds():
    said = np.full((12, 10), 0.05)
    said[:, 6] = 0.55
    assert best_temperature(np.full(12, 7), said, alone(12)) == pytest.approx(COLDEST)
    assert best_temperature(np.full(12, 1), said, alone(12)) == pytest.approx(HOTTEST)


# --- the widest interval


def test_the_limit_is_the_narrowest_that_grades_nine_in_ten_and_leaves_out_worse_cards():
    widths = np.repeat([2, 3, 4, 7], [60, 30, 4, 6])
    errors = np.where(widths > 3, 3, np.arange(100) % 2)
    assert widest_that_pays(widths, errors, alone(100)) == 3
    # One card more beyond 3, and that limit would grade fewer than nine in ten.
    widths = np.repeat([2, 3, 4, 7], [60, 29, 5, 6])
    assert widest_that_pays(widths, np.where(widths > 3, 3, np.arange(100) % 2), alone(100)) == 4


def test_where_the_wide_are_no_worse_or_chance_may_be_why_nothing_is_left_out():
    widths = np.repeat([2, 6], [95, 5])
    assert widest_that_pays(widths, np.arange(100) % 2, alone(100)) == 10
    assert widest_that_pays(np.full(100, 9), np.arange(100) % 2, alone(100)) == 10
    wrong = np.where(widths > 2, 3, np.arange(100) % 2)
    assert widest_that_pays(widths, wrong, alone(100)) == 2
    # Three are too few to be anything but chance, however wrong.
    assert widest_that_pays(np.repeat([2, 6], [97, 3]), np.repeat([0, 9], [97, 3]), alone(100)) == 10
    # The very same five cards as photos of two cards, one right and one wrong: two do not show it.
    groups = [*alone(95), "a", "a", "a", "b", "b"]
    assert widest_that_pays(widths, np.where(np.array(groups) == "b", 3, np.arange(100) % 2), groups) == 10


def test_the_standard_error_that_decides_is_that_of_drawing_groups():
    """Just above 1.96 spreads of the bootstrap the limit is taken, just below it is not."""
    random = np.random.default_rng(5)
    groups = [f"{number:03}" for number in random.integers(0, 150, 600)]
    widths = np.where(random.random(600) < 0.08, 5, 2)
    errors = random.gamma(2.0, 0.5, 600)
    number, count = numbered(groups)
    out = widths > 2
    sums = group_sums(np.column_stack([out, ~out, errors * out, errors * ~out]), number, count)
    drawn = np.concatenate([times @ sums for times in drawn_times(count, draws=4000)])
    spread = (drawn[:, 2] / drawn[:, 0] - drawn[:, 3] / drawn[:, 1]).std()
    gap = errors[out].mean() - errors[~out].mean()
    for times, limit in ((2.2, 2), (1.7, 10)):
        assert widest_that_pays(widths, errors + out * (times * spread - gap), groups) == limit


def test_several_limits_share_the_chance_to_err():
    """At a gap between 1.96 and 2.24 standard errors one limit is taken, and neither of two is."""
    random = np.random.default_rng(6)
    errors = random.gamma(2.0, 0.5, 1000)
    for values, limit in (((2, 5), 2), ((2, 5, 9), 10)):
        widths = np.repeat(values, [950, 50] if len(values) == 2 else [950, 25, 25])
        out = widths > 2
        shifted = errors
        for _ in range(50):
            off = shifted - shifted.mean()
            spread = np.sqrt(np.where(out, (off / out.sum()) ** 2, (off / (~out).sum()) ** 2).sum())
            shifted = shifted + out * (2.1 * spread - (shifted[out].mean() - shifted[~out].mean()))
        assert widest_that_pays(widths, shifted, alone(1000)) == limit


# --- the whole


def test_calibrated_probabilities_come_true_where_the_network_s_own_did_not():
    calibration = fit(held_out(cards=1500), on="drawn cards")
    truth, own = too_sure(9, 4000)
    said = said_of(own, calibration)
    gaps = [abs(p.max(axis=1).mean() - (p.argmax(axis=1) + 1 == truth).mean()) for p in (own, said.probabilities)]
    assert gaps[0] > 0.15
    assert gaps[1] < 0.03
    assert ((said.low <= truth) & (truth <= said.high)).mean() == pytest.approx(0.91, abs=0.025)
    assert said.coverage == 0.9


def test_without_a_calibration_the_network_s_own_word_stays_and_90_percent_of_it_is_the_interval():
    _, own = too_sure(10, 50)
    said = said_of(own, None)
    np.testing.assert_array_equal(said.probabilities, own)
    assert said.coverage == 0.9
    for row, low, high in zip(own, said.low, said.high, strict=True):
        assert row[low - 1 : high].sum() >= 0.9 - 1e-9


def test_what_is_measured_is_measured_on_cards_that_did_not_calibrate():
    """Of pure noise: intervals of the very cards that calibrated hold 80 % or more, those of others that on average."""
    random, own, others = np.random.default_rng(11), [], []
    for _ in range(8):
        truth, said = random.integers(1, 11, 60), random.dirichlet(np.ones(10), 60)
        predictions = Predictions(tuple(alone(60)), tuple(alone(60)), truth, said)
        calibration = fit(predictions, on="noise", coverage=0.8)
        told = said_of(said, calibration)
        own.append(((told.low <= truth) & (truth <= told.high)).mean())
        others.append(calibration.measured["coverage"])
    assert min(own) >= 0.8
    assert np.mean(others) == pytest.approx(0.8, abs=0.07)
    assert np.mean(others) < np.mean(own)


def test_what_is_measured_keeps_the_order_of_the_cards():
    predictions = held_out(cards=200)
    measured = fit(predictions, on="drawn cards").measured
    assert measured["n"] == 200
    # Tempering changes no order: the confusion is that of the network's own word.
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (predictions.truth - 1, predictions.probabilities.argmax(axis=1)), 1)
    assert measured["confusion"] == confusion.tolist()
    assert measured["uncalibrated"]["nll"] > measured["nll"]


def test_a_calibration_goes_through_plain_values_and_json_unchanged():
    calibration = fit(held_out(cards=100), on="drawn cards", coverage=0.8, widest=4)
    assert (calibration.cards, calibration.groups, calibration.widest, calibration.coverage) == (100, 100, 4, 0.8)
    assert Calibration.from_plain(json.loads(json.dumps(calibration.as_plain(), allow_nan=False))) == calibration


ALL = {"low": 1, "high": 10, "cards": 9, "groups": 9, "threshold": 0.5}
BROKEN = {
    "no pools": {"pools": []},
    "grade 1 missing": {"pools": [{**ALL, "low": 2}]},
    "grade 10 missing": {"pools": [{**ALL, "high": 9}]},
    "a gap": {"pools": [{**ALL, "high": 4}, {**ALL, "low": 6}]},
    "an overlap": {"pools": [{**ALL, "high": 5}, {**ALL, "low": 5}]},
    "backwards": {"pools": [{**ALL, "high": 12}, {**ALL, "low": 13}]},
    "half grades": {"pools": [{**ALL, "high": 4.5}, {**ALL, "low": 5.5}]},
    "no score": {"pools": [{**ALL, "threshold": float("nan")}]},
    "a foreign pool": {"pools": [{"low": 1}]},
    "no list": {"pools": 7},
    "no temperature": {"temperature": None},
    "absolute zero": {"temperature": 0.0},
    "endless heat": {"temperature": float("inf")},
    "a coverage in percent": {"coverage": 90},
    "no width": {"widest": 0},
    "another word": {"colour": "red"},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_what_no_calibration_says_is_refused(changes):
    plain = fit(held_out(cards=100), on="drawn cards").as_plain()
    with pytest.raises((KeyError, TypeError, ValueError)):
        Calibration.from_plain({**plain, **changes})


def test_a_single_pool_with_an_endless_score_is_a_calibration():
    plain = fit(held_out(cards=100), on="drawn cards").as_plain()
    assert Calibration.from_plain({**plain, "pools": [{**ALL, "threshold": float("inf")}]}).pools[0].high == 10


def test_too_few_groups_are_no_calibration_and_the_sentence_says_how_many_are_wanted():
    with pytest.raises(TooFewCards, match=r"^8 groups of held-out cards are too few .* 9 are wanted"):
        fit(held_out(cards=8), on="drawn cards")
    one_group = replace(held_out(cards=50), groups=("same",) * 50)
    with pytest.raises(TooFewCards, match=r"^1 groups"):
        fit(one_group, on="drawn cards")
    assert fit(held_out(cards=9), on="drawn cards").measured is None
    assert fit(held_out(cards=12), on="drawn cards").measured is not None
    assert (shortage(alone(19), 0.95), shortage(alone(18), 0.95) != "") == ("", True)


def test_a_run_s_validation_cards_calibrate_its_model_where_there_are_enough():
    predictions = held_out(cards=30)
    cards = [
        Trainable(CardPair(name, None, None), int(grade))
        for name, grade in zip(predictions.cards, predictions.truth, strict=True)
    ]
    plain = of_validation(cards, predictions.probabilities)
    assert plain["cards"] == 30
    assert "by which its epoch was chosen" in plain["on"]
    assert of_validation(cards[:8], predictions.probabilities[:8]) is None
