"""What certainty is worth, counted out card by card, integrated numerically, and drawn as copies."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from engine.evaluation import uncertainty
from engine.evaluation.bootstrap import drawn_times, numbered
from engine.evaluation.metrics import quick_measures
from engine.evaluation.predictions import Predictions
from engine.evaluation.uncertainty import Said, measure, published


def drawn(seed, cards=80):
    """True grades and something said of each."""
    random = np.random.default_rng(seed)
    truth, probabilities = random.integers(3, 11, cards), random.dirichlet(np.full(10, 0.4), cards)
    ends = np.sort(random.integers(1, 11, (cards, 2)), axis=1)
    return truth, Said(probabilities, ends[:, 0], ends[:, 1], 0.9)


def alone(cards):
    return [f"{card:04}" for card in range(cards)]


def test_coverage_and_width_are_those_of_a_count_card_by_card():
    truth, said = drawn(0)
    figures = measure(truth, said, alone(80))
    inside = [low <= grade <= high for grade, low, high in zip(truth, said.low, said.high, strict=True)]
    assert figures["coverage"] == pytest.approx(np.mean(inside))
    spanned = [len(range(low, high + 1)) for low, high in zip(said.low, said.high, strict=True)]
    assert figures["mean_width"] == pytest.approx(np.mean(spanned))
    assert figures["nll"] == pytest.approx(log_loss(truth, said.probabilities, labels=range(1, 11)))


def test_coverage_by_grade_names_the_grades_it_pools_and_counts_every_card_once():
    truth, said = drawn(1, 200)
    rows = measure(truth, said, alone(200))["coverage_by_grade"]
    assert [grade for row in rows for grade in row["grades"]] == list(range(1, 11))
    assert sum(row["n"] for row in rows) == 200
    for row in rows:
        own = np.isin(truth, row["grades"])
        assert row["n"] == own.sum() >= 20
        assert row["coverage"] == pytest.approx(((said.low <= truth) & (truth <= said.high))[own].mean())
        assert row["coverage_low"] <= row["coverage"] <= row["coverage_high"]


def test_the_reliability_bins_are_scikit_learn_s_and_their_gaps_are_the_published_error():
    truth, said = drawn(2, 300)
    rows = measure(truth, said, alone(300))["reliability"]
    assert len(rows) == 15
    assert sum(row["n"] for row in rows) == 300
    full = [row for row in rows if row["n"]]
    hits = said.probabilities.argmax(axis=1) + 1 == truth
    accuracy, confidence = calibration_curve(hits, said.probabilities.max(axis=1), n_bins=15)
    np.testing.assert_allclose([row["accuracy"] for row in full], accuracy)
    np.testing.assert_allclose([row["confidence"] for row in full], confidence)
    assert all(row["from"] <= row["confidence"] <= row["to"] for row in full)
    error = sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in full) / 300
    assert quick_measures(truth, said.probabilities)["ece"] == pytest.approx(error)
    assert [row for row in rows if not row["n"]] == [
        row for row in rows if (row["confidence"], row["accuracy"]) == (None, None)
    ]


def test_the_risk_coverage_curve_is_that_of_leaving_out_the_wide_by_hand():
    truth, said = drawn(3)
    for row in measure(truth, said, alone(80))["risk_coverage"]:
        graded = said.widths <= row["widest"]
        assert (row["n"], row["graded"]) == (graded.sum(), pytest.approx(graded.mean()))
        off = np.abs(said.probabilities.argmax(axis=1) + 1 - truth)[graded]
        assert row["mae"] == (pytest.approx(off.mean()) if len(off) else None)
        assert row["error"] == (pytest.approx((off > 0).mean()) if len(off) else None)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_area_under_the_curve_is_the_numeric_integral_of_the_summed_error_over_the_share_graded(seed):
    truth, said = drawn(seed, 60)
    off = np.abs(said.probabilities.argmax(axis=1) + 1 - truth)
    shares = [(said.widths <= width).mean() for width in range(11)]
    errors = [off[said.widths <= width].sum() / 60 for width in range(11)]
    middle = (np.arange(200_000) + 0.5) / 200_000
    wanted = (np.interp(middle, shares, errors) / middle).mean()
    assert measure(truth, said, alone(60))["aurc"] == pytest.approx(wanted, rel=1e-3)


def test_the_area_is_that_of_grading_card_by_card_with_the_equally_wide_in_random_order():
    truth, said = drawn(4, 800)
    off, random = np.abs(said.probabilities.argmax(axis=1) + 1 - truth), np.random.default_rng(5)
    areas = []
    for _ in range(200):
        order = np.lexsort((random.random(800), said.widths))
        areas.append((off[order].cumsum() / np.arange(1, 801)).mean())
    assert measure(truth, said, alone(800))["aurc"] == pytest.approx(np.mean(areas), abs=0.01)


def test_the_area_s_worked_number_and_that_of_no_doubt_at_all():
    sure, unsure = np.full((5, 10), 0.0), np.full((5, 10), 0.0)
    sure[:, 4], unsure[:, 5] = 1, 1
    said = Said(np.vstack([sure, unsure]), np.full(10, 5), np.repeat([5, 6], 5), 0.9)
    assert measure(np.full(10, 5), said, alone(10))["aurc"] == pytest.approx(0.5 - np.log(2) / 2)
    alike = Said(said.probabilities, said.low, said.low, 0.9)
    assert measure(np.full(10, 5), alike, alone(10))["aurc"] == pytest.approx(0.5)


def test_every_interval_is_that_of_the_drawn_cards_copied_out():
    truth, said = drawn(6)
    groups = [f"{card % 15:02}" for card in range(80)]
    number, count = numbered(groups)
    [times] = drawn_times(count, draws=1, seed=2)
    copied = np.repeat(np.arange(80), times[0, number].astype(int))
    bounds = measure(truth, said, groups, draws=1, seed=2)
    wanted = measure(truth[copied], Said(*(part[copied] for part in said[:3]), 0.9), alone(len(copied)))
    for name in uncertainty.NAMES:
        assert bounds[f"{name}_low"] == bounds[f"{name}_high"] == pytest.approx(wanted[name])


def test_all_that_is_published_is_json_and_what_is_undefined_is_null():
    truth, said = drawn(7)
    figures = published(
        Predictions(tuple(alone(80)), tuple(alone(80)), truth, said.probabilities), said, calibrated=True
    )
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["uncalibrated"]["ece"] == figures["ece"]
    one = published(
        Predictions(("a",), ("g",), truth[:1], said.probabilities[:1]),
        Said(*(part[:1] for part in said[:3]), 0.9),
        calibrated=False,
    )
    assert (one["uncalibrated"], one["coverage_low"], one["coverage_by_grade"][0]["coverage_low"]) == (None, None, None)
    nothing = measure(np.empty(0, int), Said(np.empty((0, 10)), np.empty(0, int), np.empty(0, int), 0.9), [])
    assert {nothing[name] for name in uncertainty.NAMES} == {None}
    assert nothing["coverage_by_grade"] == []
    assert {row["graded"] for row in nothing["risk_coverage"]} == {None}
