"""The verdict as the page shows it: grade and chances first, what limits the grade, nothing the model card denies."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest

from app.grading.json_report import report
from app.screens.verdict import verdict_html
from app.screens.verdict_progress import BUSY
from engine.cards.rubric import centering_ceiling
from engine.evaluation.conformal import Interval
from engine.inference.grade_card import GradedCard
from engine.inference.model_card import EvaluationResult, ModelCard
from engine.inference.predict import Prediction
from engine.measure.centering.ceiling import AppliedCeiling
from tests.app.card_factory import card_quad, picture_of_card, side_of

PROBABILITIES = np.array([0, 0, 0, 0, 0, 0, 0.2, 0.5, 0.27, 0.03])
MARKUP = '<img src="http://evil.example/i.png">'


def model(auc_low: float | None, learned_from: str = "simulated cards") -> SimpleNamespace:
    """The part of a model that a verdict reads, with a card of these figures."""
    card = ModelCard(
        sha256="0" * 64,
        learned_from=learned_from,
        data=[],
        recipe="loupe",
        changes={},
        commands=[],
        measured=[EvaluationResult(on="cards", figures={"auc_9_10": 0.6, "auc_9_10_low": auc_low})],
        agreement={},
        licence="MIT",
        limits=["26% of its grades are right; figures for experts"],
    )
    identity = {"name": "starter", "sha256": "0" * 64, "trained_on": "cards"}
    return SimpleNamespace(card=card, calibration=None, sides=(True, True), identity=identity)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture(scope="module")
def graded() -> GradedCard:
    """A measured card of 58.3/41.7, graded 8 and limited by its centering."""
    sides = {"front": side_of(picture_of_card(3.5, 2.5, 3.0, 3.0)), "back": None}
    prediction = Prediction(8, 8.13, PROBABILITIES, Interval(0.9, 7, 9))
    return GradedCard(sides, model=model(0.7), prediction=prediction, ceiling=AppliedCeiling(9, 0.1))


def test_the_grade_comes_with_its_name_its_range_and_the_chances_of_the_best_grades(graded):
    text = text_of(verdict_html(graded))
    assert text.startswith("8 NM-MT 90 % range: 7 to 9.")
    assert "Chance of a 10: 3%. Chance of a 9 or better: 30%." in text
    assert "26% of its grades are right." in text and "figures for experts" not in text.split("More about")[0]


@pytest.mark.parametrize(("auc_low", "is_said"), [(0.45, True), (0.7, False), (None, False)])
def test_a_model_that_separates_tens_by_chance_says_so_beside_their_chance(graded, auc_low, is_said):
    text = text_of(verdict_html(replace(graded, model=model(auc_low))))
    assert ("cannot tell a 10 from a 9" in text) == is_said


def test_what_limits_the_grade_is_one_sentence(graded):
    percent = round(float(graded.sides["front"].centering.worse_axis), 1)
    assert percent == pytest.approx(58.3, abs=0.4) and centering_ceiling("front", percent, date.today()) == 9
    ratio = f"front {percent:g}/{round(100 - percent, 1):g}"
    assert f"Centering limits this card to a 9: {ratio}." in text_of(verdict_html(graded))
    worn = side_of(picture_of_card(3.0, 3.0, 3.0, 3.0, bare_corner_mm=2.0))
    unlimited = replace(graded, sides={"front": worn, "back": None}, ceiling=None)
    assert "Corners are its weakest point: sub-grade" in text_of(verdict_html(unlimited))
    coarse = side_of(picture_of_card(3, 3, 3, 3)[::6, ::6].copy(), (card_quad() + 0.5) / 6 - 0.5)
    unmeasured = replace(unlimited, sides={"front": coarse, "back": None})
    assert "no reason for the grade can be given" in text_of(verdict_html(unmeasured))


def test_the_sub_grade_of_the_centering_its_ceiling_and_its_sentence_are_one_grade(graded):
    shown = text_of(verdict_html(graded))
    assert "Centering 9" in shown and "limits this card to a 9" in shown
    values = report(graded)
    assert values["subgrades"]["centering"]["grade"] == values["centering_ceiling"] == 9
    # A line was mistaken for the frame of the back: left and right are 0 and 12 mm.
    wrong = replace(graded.sides["front"].centering, left_mm=0.0, right_mm=12.0, lr=100.0)
    back = side_of(picture_of_card(3.5, 2.5, 3.0, 3.0))
    vars(back)["centering"] = wrong
    values = report(replace(graded, sides={**graded.sides, "back": back}))
    assert values["subgrades"]["centering"]["grade"] == values["centering_ceiling"] == 9


def test_before_measuring_the_verdict_is_busy_and_has_no_sub_grades_and_measures_nothing():
    unmeasured = side_of(picture_of_card(3.5, 2.5, 3.0, 3.0))
    prediction = Prediction(8, 8.13, PROBABILITIES, Interval(0.9, 7, 9))
    card = GradedCard({"front": unmeasured, "back": None}, model=model(0.7), prediction=prediction)
    html = verdict_html(card, is_measured=False, to_come="Now measuring ...")
    assert BUSY in html and "Sub-grades" not in html and "limits this card" not in html
    assert "measurements" not in vars(unmeasured)
    assert BUSY not in verdict_html(card)


def test_text_of_others_is_shown_as_text(graded):
    html = verdict_html(replace(graded, model=model(0.7, MARKUP), notes=(MARKUP,)))
    assert "<img" not in html and html.count("&lt;img") >= 2


def test_a_refused_picture_says_what_to_do():
    blurred = side_of(np.full_like(picture_of_card(3, 3, 3, 3), 5))
    assert blurred.quality.verdict == "refuse"
    card = GradedCard({"front": blurred, "back": None}, notes=tuple(blurred.quality.reasons))
    text = text_of(verdict_html(card))
    assert text.startswith("No grade") and "use more light" in text and "then grade the card again" in text
