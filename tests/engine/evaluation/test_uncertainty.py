"""Uncertainty metrics against counts card by card, numeric integration and explicit resamples."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from engine.evaluation import uncertainty
from engine.evaluation.bootstrap import bootstrap_counts, group_indices
from engine.evaluation.metrics import point_metrics
from engine.evaluation.predictions import Predictions
from engine.evaluation.uncertainty import CalibratedPredictions, all_metrics, uncertainty_metrics


def random_predictions(seed, cards=80):
    """True grades and random predictions."""
    random = np.random.default_rng(seed)
    truth, probabilities = random.integers(3, 11, cards), random.dirichlet(np.full(10, 0.4), cards)
    ends = np.sort(random.integers(1, 11, (cards, 2)), axis=1)
    return truth, CalibratedPredictions(probabilities, ends[:, 0], ends[:, 1], 0.9)


def alone(cards):
    return [f"{card:04}" for card in range(cards)]


def test_coverage_and_width_are_those_counted_card_by_card():
    truth, predictions = random_predictions(0)
    metrics = uncertainty_metrics(truth, predictions, alone(80))
    covered = [low <= grade <= high for grade, low, high in zip(truth, predictions.low, predictions.high, strict=True)]
    assert metrics["coverage"] == pytest.approx(np.mean(covered))
    widths = [len(range(low, high + 1)) for low, high in zip(predictions.low, predictions.high, strict=True)]
    assert metrics["mean_width"] == pytest.approx(np.mean(widths))
    assert metrics["nll"] == pytest.approx(log_loss(truth, predictions.probabilities, labels=range(1, 11)))


def test_coverage_by_grade_names_the_grades_it_pools_and_counts_every_card_once():
    truth, predictions = random_predictions(1, 200)
    rows = uncertainty_metrics(truth, predictions, alone(200))["coverage_by_grade"]
    assert [grade for row in rows for grade in row["grades"]] == list(range(1, 11))
    assert sum(row["n"] for row in rows) == 200
    for row in rows:
        in_pool = np.isin(truth, row["grades"])
        assert row["n"] == in_pool.sum() >= 20
        assert row["coverage"] == pytest.approx(
            ((predictions.low <= truth) & (truth <= predictions.high))[in_pool].mean()
        )
        assert row["coverage_low"] <= row["coverage"] <= row["coverage_high"]


def test_the_reliability_bins_are_scikit_learn_s_and_their_gaps_give_the_calibration_error():
    truth, predictions = random_predictions(2, 300)
    rows = uncertainty_metrics(truth, predictions, alone(300))["reliability"]
    assert len(rows) == 15
    assert sum(row["n"] for row in rows) == 300
    filled = [row for row in rows if row["n"]]
    correct = predictions.probabilities.argmax(axis=1) + 1 == truth
    accuracy, confidence = calibration_curve(correct, predictions.probabilities.max(axis=1), n_bins=15)
    np.testing.assert_allclose([row["accuracy"] for row in filled], accuracy)
    np.testing.assert_allclose([row["confidence"] for row in filled], confidence)
    assert all(row["from"] <= row["confidence"] <= row["to"] for row in filled)
    error = sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in filled) / 300
    assert point_metrics(truth, predictions.probabilities)["ece"] == pytest.approx(error)
    assert [row for row in rows if not row["n"]] == [
        row for row in rows if (row["confidence"], row["accuracy"]) == (None, None)
    ]


def test_the_risk_coverage_curve_is_that_of_leaving_out_wide_intervals_by_hand():
    truth, predictions = random_predictions(3)
    for row in uncertainty_metrics(truth, predictions, alone(80))["risk_coverage"]:
        graded = predictions.widths <= row["widest"]
        assert (row["n"], row["graded"]) == (graded.sum(), pytest.approx(graded.mean()))
        error = np.abs(predictions.probabilities.argmax(axis=1) + 1 - truth)[graded]
        assert row["mae"] == (pytest.approx(error.mean()) if len(error) else None)
        assert row["error"] == (pytest.approx((error > 0).mean()) if len(error) else None)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_area_under_the_curve_is_the_numeric_integral_of_the_error_over_coverage(seed):
    truth, predictions = random_predictions(seed, 60)
    error = np.abs(predictions.probabilities.argmax(axis=1) + 1 - truth)
    fractions = [(predictions.widths <= width).mean() for width in range(11)]
    errors = [error[predictions.widths <= width].sum() / 60 for width in range(11)]
    middle = (np.arange(200_000) + 0.5) / 200_000
    expected = (np.interp(middle, fractions, errors) / middle).mean()
    assert uncertainty_metrics(truth, predictions, alone(60))["aurc"] == pytest.approx(expected, rel=1e-3)


def test_the_area_is_that_of_adding_cards_one_by_one_with_ties_in_random_order():
    truth, predictions = random_predictions(4, 800)
    error, random = np.abs(predictions.probabilities.argmax(axis=1) + 1 - truth), np.random.default_rng(5)
    areas = []
    for _ in range(200):
        order = np.lexsort((random.random(800), predictions.widths))
        areas.append((error[order].cumsum() / np.arange(1, 801)).mean())
    assert uncertainty_metrics(truth, predictions, alone(800))["aurc"] == pytest.approx(np.mean(areas), abs=0.01)


def test_the_area_s_worked_number_and_that_of_equal_widths():
    correct, wrong = np.full((5, 10), 0.0), np.full((5, 10), 0.0)
    correct[:, 4], wrong[:, 5] = 1, 1
    predictions = CalibratedPredictions(np.vstack([correct, wrong]), np.full(10, 5), np.repeat([5, 6], 5), 0.9)
    assert uncertainty_metrics(np.full(10, 5), predictions, alone(10))["aurc"] == pytest.approx(0.5 - np.log(2) / 2)
    equal_widths = CalibratedPredictions(predictions.probabilities, predictions.low, predictions.low, 0.9)
    assert uncertainty_metrics(np.full(10, 5), equal_widths, alone(10))["aurc"] == pytest.approx(0.5)


def test_every_interval_is_that_of_the_resampled_cards():
    truth, predictions = random_predictions(6)
    groups = [f"{card % 15:02}" for card in range(80)]
    group_of, count = group_indices(groups)
    [counts] = bootstrap_counts(count, draws=1, seed=2)
    copied = np.repeat(np.arange(80), counts[0, group_of].astype(int))
    bounds = uncertainty_metrics(truth, predictions, groups, draws=1, seed=2)
    expected = uncertainty_metrics(
        truth[copied], CalibratedPredictions(*(part[copied] for part in predictions[:3]), 0.9), alone(len(copied))
    )
    for name in uncertainty.UNCERTAINTY_METRICS:
        assert bounds[f"{name}_low"] == bounds[f"{name}_high"] == pytest.approx(expected[name])


def test_all_metrics_are_json_and_undefined_ones_are_null():
    truth, predictions = random_predictions(7)
    metrics = all_metrics(
        Predictions(tuple(alone(80)), tuple(alone(80)), truth, predictions.probabilities), predictions, calibrated=True
    )
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert metrics["uncalibrated"]["ece"] == metrics["ece"]
    single = all_metrics(
        Predictions(("a",), ("g",), truth[:1], predictions.probabilities[:1]),
        CalibratedPredictions(*(part[:1] for part in predictions[:3]), 0.9),
        calibrated=False,
    )
    assert (single["uncalibrated"], single["coverage_low"], single["coverage_by_grade"][0]["coverage_low"]) == (
        None,
        None,
        None,
    )
    empty = uncertainty_metrics(
        np.empty(0, int), CalibratedPredictions(np.empty((0, 10)), np.empty(0, int), np.empty(0, int), 0.9), []
    )
    assert {empty[name] for name in uncertainty.UNCERTAINTY_METRICS} == {None}
    assert empty["coverage_by_grade"] == []
    assert {row["graded"] for row in empty["risk_coverage"]} == {None}
