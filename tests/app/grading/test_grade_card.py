"""Grading a card whose centering rules grades out, with a network of random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.grading.answer_text import ceiling_text
from app.grading.json_report import report
from app.screens.verdict import verdict_html
from engine.cards.grades import GRADES
from engine.evaluation.conformal import Interval, Pool
from engine.inference.grade_card import GradedCard, grade_card, limit_prediction
from engine.inference.load_model import open_grader
from engine.inference.predict import Prediction
from engine.measure.centering.ceiling import SureCeiling
from engine.storage import checkpoint
from tests.app.card_factory import picture_of_card
from tests.commands import call
from tests.engine.conftest import saved_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model that gives every grade some probability."""
    return saved_model(tmp_path_factory.mktemp("model") / "model.pt")


@pytest.fixture(scope="module")
def calibrated(model) -> Path:
    """The same model with ranges that contain all ten grades."""
    path = model.with_name("calibrated.pt")
    pools = [{"low": 1, "high": 10, "cards": 60, "groups": 60, "threshold": 9.0}]
    calibration = {
        **{"temperature": 1.0, "coverage": 0.9, "pools": pools, "widest": 10, "cards": 60, "groups": 60, "on": "cards"}
    }
    assert Pool(**pools[0])
    checkpoint.save(path, {**checkpoint.load(model), "calibration": calibration})
    return path


@pytest.fixture(scope="module")
def front(tmp_path_factory) -> Path:
    """A front of 66.7/33.3, which allows a 7."""
    path = tmp_path_factory.mktemp("pictures") / "front.png"
    Image.fromarray(picture_of_card(4.0, 2.0, 3.0, 3.0)).save(path)
    return path


@pytest.fixture(scope="module")
def both(front, model) -> tuple[GradedCard, GradedCard]:
    """The card graded without and with the ceiling."""
    return tuple(
        grade_card(front, None, open_grader(model), with_saliency=False, ceiling_binds=binds) for binds in (False, True)
    )


def test_the_probability_of_the_grades_out_of_reach_goes_to_the_others_and_all_figures_follow(both):
    without, limited = (report(graded) for graded in both)
    before = np.array(without["probabilities"])
    assert before[7:].sum() > 0.05, "the network must consider a grade that is out of reach"
    expected = np.append(before[:7] / before[:7].sum(), [0, 0, 0])
    np.testing.assert_allclose(limited["probabilities"], expected)
    assert limited["expected"] == pytest.approx(expected @ GRADES)
    assert limited["grade"] == 1 + expected.argmax() <= limited["centering_ceiling"] == 7
    assert limited["interval"]["high"] <= 7
    assert limited["ceiling_applied"] == {"grade": 7, "probability_moved": pytest.approx(before[7:].sum())}
    share = f"{before[7:].sum():.0%}"
    assert [reason for reason in limited["reasons"] if f"the {share} for better grades went to" in reason]
    assert without["ceiling_applied"] is None
    assert not [reason for reason in without["reasons"] if "centering" in reason]
    assert without["centering_ceiling"] == 7, "the ceiling is measured either way"


def test_a_calibrated_range_is_clipped_to_the_ceiling(front, calibrated):
    intervals = [
        report(grade_card(front, None, open_grader(calibrated), with_saliency=False, ceiling_binds=binds))["interval"]
        for binds in (False, True)
    ]
    assert [(interval["low"], interval["high"]) for interval in intervals] == [(1, 10), (1, 7)]


def test_the_page_states_the_ceiling_and_whether_the_grade_takes_it_into_account(both):
    without, limited = both
    worst = {"front": limited.sides["front"].centering.worse_axis}
    texts = [ceiling_text(worst, graded=graded) for graded in (limited, without, None)]
    assert ["Centering limits this card to a 7" in text for text in texts] == [True, False, True]
    assert "Centering may limit this card to a 7" in texts[1]
    assert "takes into account that more than a 7 is out of reach" in texts[0]
    assert "does not take this limit into account" in texts[1]
    assert "Press **Grade** to apply this limit" in texts[2]
    assert "went to the grades in reach" in verdict_html(limited)


def test_the_stated_ceiling_is_that_of_the_worse_side():
    assert "Centering limits this card to a 9" in ceiling_text({"front": 58.3, "back": 52.0})
    assert "Centering allows a 10" in ceiling_text({"front": 50.0})
    assert "sets no limit" in ceiling_text({"front": None, "back": None}).lower()


def test_a_measured_ceiling_that_the_model_contradicts_does_not_bind_but_lines_laid_by_hand_do():
    sure_of_a_ten = Prediction(10, 9.97, np.array([0, 0, 0, 0, 0, 0, 0, 0, 0.03, 0.97]), Interval(0.9, 9, 10))
    measured = SureCeiling(9, "front centering is 57/43 or worse")
    prediction, applied, [reason] = limit_prediction(sure_of_a_ten, measured, None)
    assert (prediction, applied) == (sure_of_a_ten, None)
    assert "57/43 or worse, but the model gives grades up to 9 only 3%" in reason
    assert "check the lines" in reason
    by_hand, applied, [reason] = limit_prediction(sure_of_a_ten, replace(measured, by_hand=True), None)
    assert (by_hand.grade, by_hand.interval.high, applied.grade) == (9, 9, 9)
    assert reason.endswith("the 97% for a 10 went to the grades in reach")


@pytest.mark.slow
def test_a_centered_card_is_graded_as_without_the_ceiling(model, tmp_path):
    path = tmp_path / "front.png"
    Image.fromarray(picture_of_card(3.0, 3.0, 3.0, 3.0)).save(path)
    grader = open_grader(model)
    reports = [
        report(grade_card(path, None, grader, with_saliency=False, ceiling_binds=binds)) for binds in (False, True)
    ]
    assert reports[0] == reports[1]
    assert reports[1]["ceiling_applied"] is None


def test_the_grade_command_has_a_switch_for_the_ceiling(front, model, both, monkeypatch, tmp_path):
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path))
    limited, free = (call("grade", front, "--model", model, *switch).result for switch in ((), ("--no-ceiling",)))
    assert limited["probabilities"] == report(both[1])["probabilities"]
    assert free["probabilities"] == report(both[0])["probabilities"]
