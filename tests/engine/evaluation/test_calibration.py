"""Temperature, maximum interval width and the whole calibration, against closed forms, scikit-learn and simulation."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from engine.cards.pairs import CardPair
from engine.data.selection import LabelledCard
from engine.evaluation.bootstrap import bootstrap_counts, group_indices, group_sums
from engine.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    Calibration,
    TooFewCards,
    apply_calibration,
    apply_temperature,
    calibrate_on_validation,
    fit,
    fit_temperature,
    max_graded_width,
    too_few_groups_message,
)
from engine.evaluation.predictions import Predictions


def alone(cards):
    """Groups of one card each."""
    return [f"{card:04}" for card in range(cards)]


def overconfident(seed, cards, factor=2.0):
    """True grades drawn from ten probabilities, and a network whose logits are `factor` times too large."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (cards, 10))
    truth = np.array([random.choice(np.arange(1, 11), p=row) for row in softmax(logits, axis=1)])
    return truth, softmax(logits * factor, axis=1)


def held_out(seed=0, cards=400, factor=2.0):
    return Predictions(tuple(alone(cards)), tuple(alone(cards)), *overconfident(seed, cards, factor))


# --- temperature


@given(st.integers(0, 2**32 - 1), st.floats(0.25, 8))
@settings(max_examples=30, deadline=None)
def test_temperature_scaling_is_the_softmax_of_log_probabilities_over_the_temperature(seed, temperature):
    logits = np.random.default_rng(seed).normal(0, 3, (5, 10))
    calibrated = apply_temperature(softmax(logits, axis=1), temperature)
    np.testing.assert_allclose(calibrated, softmax(logits / temperature, axis=1), rtol=1e-9)
    assert (calibrated.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_the_temperature_s_worked_number_and_certainty_that_stays_finite():
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 2), [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(apply_temperature(np.eye(10)[[3]], 8), np.eye(10)[[3]], atol=1e-30)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_an_overconfident_network_gets_the_factor_of_its_logits_as_temperature(factor):
    truth, predictions = overconfident(1, 4000, factor)
    assert fit_temperature(truth, predictions, alone(4000)) == pytest.approx(factor, rel=0.06)


def test_no_temperature_of_a_fine_grid_has_a_lower_loss():
    truth, predictions = overconfident(2, 150)
    grid = np.geomspace(MIN_TEMPERATURE, MAX_TEMPERATURE, 4000)
    losses = [-log_softmax(np.log(predictions) / t, axis=1)[np.arange(150), truth - 1].mean() for t in grid]
    assert fit_temperature(truth, predictions, alone(150)) == pytest.approx(grid[np.argmin(losses)], rel=2e-3)


def test_between_two_grades_the_temperature_is_one_over_the_coefficient_of_a_logistic_regression():
    random = np.random.default_rng(3)
    logit = random.normal(0, 4, 500)
    ten = random.random(500) < 1 / (1 + np.exp(-logit / 1.7))
    predictions = np.zeros((500, 10))
    predictions[:, 9] = 1 / (1 + np.exp(-logit))
    predictions[:, 8] = 1 - predictions[:, 9]
    regression = LogisticRegression(fit_intercept=False, C=1e9, tol=1e-10).fit(logit[:, None], ten)
    assert fit_temperature(9 + ten, predictions, alone(500)) == pytest.approx(1 / regression.coef_[0, 0], rel=1e-4)


def test_a_group_counts_once_with_any_number_of_photos():
    truth, predictions = overconfident(4, 40)
    copies = [1 if card else 300 for card in range(40)]
    copied = fit_temperature(
        np.repeat(truth, copies), np.repeat(predictions, copies, axis=0), np.repeat(alone(40), copies)
    )
    assert copied == pytest.approx(fit_temperature(truth, predictions, alone(40)))


def test_cards_that_are_all_right_or_all_wrong_do_not_take_the_temperature_beyond_its_bounds():
    predictions = np.full((12, 10), 0.05)
    predictions[:, 6] = 0.55
    assert fit_temperature(np.full(12, 7), predictions, alone(12)) == pytest.approx(MIN_TEMPERATURE)
    assert fit_temperature(np.full(12, 1), predictions, alone(12)) == pytest.approx(MAX_TEMPERATURE)


# --- the widest interval


def test_the_limit_is_the_smallest_that_grades_nine_in_ten_and_rejects_worse_cards():
    widths = np.repeat([2, 3, 4, 7], [60, 30, 4, 6])
    errors = np.where(widths > 3, 3, np.arange(100) % 2)
    assert max_graded_width(widths, errors, alone(100)) == 3
    # With one more card wider than 3, that limit would grade fewer than nine in ten.
    widths = np.repeat([2, 3, 4, 7], [60, 29, 5, 6])
    assert max_graded_width(widths, np.where(widths > 3, 3, np.arange(100) % 2), alone(100)) == 4


def test_without_a_significant_difference_no_card_is_rejected():
    widths = np.repeat([2, 6], [95, 5])
    assert max_graded_width(widths, np.arange(100) % 2, alone(100)) == 10
    assert max_graded_width(np.full(100, 9), np.arange(100) % 2, alone(100)) == 10
    wrong = np.where(widths > 2, 3, np.arange(100) % 2)
    assert max_graded_width(widths, wrong, alone(100)) == 2
    # Three cards are too few to be significant, even with the largest errors.
    assert max_graded_width(np.repeat([2, 6], [97, 3]), np.repeat([0, 9], [97, 3]), alone(100)) == 10
    # The same five as photos of two cards, one right and one wrong: two groups are not significant.
    groups = [*alone(95), "a", "a", "a", "b", "b"]
    assert max_graded_width(widths, np.where(np.array(groups) == "b", 3, np.arange(100) % 2), groups) == 10


def test_the_standard_error_is_that_of_resampling_groups():
    """A difference just above 1.96 bootstrap standard errors is accepted, one just below is not."""
    random = np.random.default_rng(5)
    groups = [f"{number:03}" for number in random.integers(0, 150, 600)]
    widths = np.where(random.random(600) < 0.08, 5, 2)
    errors = random.gamma(2.0, 0.5, 600)
    group_of, count = group_indices(groups)
    rejected = widths > 2
    sums = group_sums(np.column_stack([rejected, ~rejected, errors * rejected, errors * ~rejected]), group_of, count)
    resampled = np.concatenate([counts @ sums for counts in bootstrap_counts(count, draws=4000)])
    spread = (resampled[:, 2] / resampled[:, 0] - resampled[:, 3] / resampled[:, 1]).std()
    gap = errors[rejected].mean() - errors[~rejected].mean()
    for factor, limit in ((2.2, 2), (1.7, 10)):
        assert max_graded_width(widths, errors + rejected * (factor * spread - gap), groups) == limit


def test_several_limits_are_corrected_for_multiple_testing():
    """A difference of 1.96 to 2.24 standard errors is accepted with one limit tried, and rejected with two."""
    random = np.random.default_rng(6)
    errors = random.gamma(2.0, 0.5, 1000)
    for values, limit in (((2, 5), 2), ((2, 5, 9), 10)):
        widths = np.repeat(values, [950, 50] if len(values) == 2 else [950, 25, 25])
        rejected = widths > 2
        shifted = errors
        for _ in range(50):
            centered = shifted - shifted.mean()
            terms = np.where(rejected, centered / rejected.sum(), centered / (~rejected).sum())
            gap = shifted[rejected].mean() - shifted[~rejected].mean()
            shifted = shifted + rejected * (2.1 * np.sqrt((terms**2).sum()) - gap)
        assert max_graded_width(widths, shifted, alone(1000)) == limit


# --- the whole


def test_calibration_corrects_an_overconfident_network():
    calibration = fit(held_out(cards=1500), on="drawn cards")
    truth, network = overconfident(9, 4000)
    predictions = apply_calibration(network, calibration)
    gaps = [
        abs(p.max(axis=1).mean() - (p.argmax(axis=1) + 1 == truth).mean()) for p in (network, predictions.probabilities)
    ]
    assert gaps[0] > 0.15
    assert gaps[1] < 0.03
    assert ((predictions.low <= truth) & (truth <= predictions.high)).mean() == pytest.approx(0.91, abs=0.025)
    assert predictions.coverage == 0.9


def test_without_a_calibration_the_probabilities_are_unchanged_and_the_interval_has_90_percent_of_them():
    _, network = overconfident(10, 50)
    predictions = apply_calibration(network, None)
    np.testing.assert_array_equal(predictions.probabilities, network)
    assert predictions.coverage == 0.9
    for row, low, high in zip(network, predictions.low, predictions.high, strict=True):
        assert row[low - 1 : high].sum() >= 0.9 - 1e-9


def test_the_metrics_are_measured_on_cards_not_used_for_calibration():
    """Pure noise: intervals cover 80 % or more of the calibration cards, and 80 % of other cards on average."""
    random, calibration_cards, other_cards = np.random.default_rng(11), [], []
    for _ in range(8):
        truth, probabilities = random.integers(1, 11, 60), random.dirichlet(np.ones(10), 60)
        predictions = Predictions(tuple(alone(60)), tuple(alone(60)), truth, probabilities)
        calibration = fit(predictions, on="noise", coverage=0.8)
        calibrated = apply_calibration(probabilities, calibration)
        calibration_cards.append(((calibrated.low <= truth) & (truth <= calibrated.high)).mean())
        other_cards.append(calibration.measured["coverage"])
    assert min(calibration_cards) >= 0.8
    assert np.mean(other_cards) == pytest.approx(0.8, abs=0.07)
    assert np.mean(other_cards) < np.mean(calibration_cards)


def test_the_metrics_keep_the_order_of_the_cards():
    predictions = held_out(cards=200)
    measured = fit(predictions, on="drawn cards").measured
    assert measured["n"] == 200
    # The temperature changes no ranking: the confusion matrix is that of the uncalibrated network.
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (predictions.truth - 1, predictions.probabilities.argmax(axis=1)), 1)
    assert measured["confusion"] == confusion.tolist()
    assert measured["uncalibrated"]["nll"] > measured["nll"]


def test_a_calibration_goes_through_plain_values_and_json_unchanged():
    calibration = fit(held_out(cards=100), on="drawn cards", coverage=0.8, max_interval_width=4)
    assert (calibration.cards, calibration.groups, calibration.widest, calibration.coverage) == (100, 100, 4, 0.8)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict(), allow_nan=False))) == calibration


ALL = {"low": 1, "high": 10, "cards": 9, "groups": 9, "threshold": 0.5}
BROKEN = {
    "no pools": {"pools": []},
    "grade 1 missing": {"pools": [{**ALL, "low": 2}]},
    "grade 10 missing": {"pools": [{**ALL, "high": 9}]},
    "a gap": {"pools": [{**ALL, "high": 4}, {**ALL, "low": 6}]},
    "an overlap": {"pools": [{**ALL, "high": 5}, {**ALL, "low": 5}]},
    "backwards": {"pools": [{**ALL, "high": 12}, {**ALL, "low": 13}]},
    "half grades": {"pools": [{**ALL, "high": 4.5}, {**ALL, "low": 5.5}]},
    "no threshold": {"pools": [{**ALL, "threshold": float("nan")}]},
    "a foreign pool": {"pools": [{"low": 1}]},
    "no list": {"pools": 7},
    "no temperature": {"temperature": None},
    "absolute zero": {"temperature": 0.0},
    "infinite temperature": {"temperature": float("inf")},
    "a coverage in percent": {"coverage": 90},
    "no width": {"widest": 0},
    "an unknown key": {"color": "red"},
    "no number of groups": {"pools": [{**ALL, "groups": {}}]},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_invalid_values_are_refused(changes):
    plain = fit(held_out(cards=100), on="drawn cards").to_dict()
    with pytest.raises((KeyError, TypeError, ValueError)):
        Calibration.from_dict({**plain, **changes})


def test_a_single_pool_with_an_infinite_threshold_is_valid():
    plain = fit(held_out(cards=100), on="drawn cards").to_dict()
    assert Calibration.from_dict({**plain, "pools": [{**ALL, "threshold": float("inf")}]}).pools[0].high == 10


def test_too_few_groups_are_refused_and_the_message_names_the_number_needed():
    with pytest.raises(TooFewCards, match=r"^8 groups of held-out cards are too few .* 9 are needed"):
        fit(held_out(cards=8), on="drawn cards")
    one_group = replace(held_out(cards=50), groups=("same",) * 50)
    with pytest.raises(TooFewCards, match=r"^1 groups"):
        fit(one_group, on="drawn cards")
    assert fit(held_out(cards=9), on="drawn cards").measured is None
    assert fit(held_out(cards=12), on="drawn cards").measured is not None
    assert (too_few_groups_message(alone(19), 0.95), too_few_groups_message(alone(18), 0.95) != "") == ("", True)


def test_a_run_s_validation_cards_calibrate_its_model_if_there_are_enough():
    predictions = held_out(cards=30)
    cards = [
        LabelledCard(CardPair(name, None, None), int(grade))
        for name, grade in zip(predictions.cards, predictions.truth, strict=True)
    ]
    plain = calibrate_on_validation(cards, predictions.probabilities)
    assert plain["cards"] == 30
    assert "by which its epoch was chosen" in plain["on"]
    assert calibrate_on_validation(cards[:8], predictions.probabilities[:8]) is None
