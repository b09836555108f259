"""Sub-grades: the rubric's limits, monotone models, ranges, and what cannot be measured."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from engine.cards.wear_limits import MAX_AMOUNTS
from engine.measure.centering.centering import NoCentering
from engine.measure.side.measure_side import SideMeasurements, measure_side
from engine.measure.subgrades.ordinal_model import OrdinalModel, model_from_json
from engine.measure.subgrades.severities import SEVERITIES, UNSEEN, severity
from engine.measure.subgrades.subgrades import (
    BORDERS_DISAGREE,
    Subgrade,
    grade_and_range,
    shipped_models,
    subgrades,
)
from tests.engine.measure.card_factory import DrawnCard
from tools.findings.fit import fit_ordinal

ON = date(2025, 6, 1)


@pytest.fixture(scope="module")
def flawless() -> SideMeasurements:
    card = DrawnCard()
    return measure_side(card.picture(), card.quad(), card.size, "scan")


def with_corners(side: SideMeasurements, **amounts: float) -> SideMeasurements:
    """The side with these amounts on its first two corners."""
    assert side.corners is not None
    worn = [replace(corner, **amounts) for corner in side.corners[:2]]
    return replace(side, corners=[*worn, *side.corners[2:]])


def test_the_limit_of_a_grade_is_half_a_grade_below_it():
    limits = MAX_AMOUNTS["corners"]["whitening_mm2"]
    for column, lost in ((0, 0.5), (1, 1.5), (8, 8.5)):
        assert severity("corners", "whitening_mm2", limits[column]) == pytest.approx(lost)
    assert severity("edges", "whitening_mm", 0.0) == 0.0


def test_a_flawless_card_has_high_grades_everywhere(flawless: SideMeasurements):
    grades = subgrades({"front": flawless, "back": flawless}, ON)
    assert {name: grade.grade >= 9 for name, grade in grades.items() if grade.grade} == dict.fromkeys(grades, True)


@pytest.mark.parametrize("measure", ["whitening_mm2", "rounding_mm", "fray_mm"])
def test_more_wear_never_raises_the_grade_of_the_corners(flawless: SideMeasurements, measure: str):
    grades = [
        subgrades({"front": with_corners(flawless, **{measure: amount}), "back": flawless}, ON)["corners"].grade
        for amount in MAX_AMOUNTS["corners"][measure]
    ]
    assert grades == sorted(grades, reverse=True)


def with_centering(side: SideMeasurements, percent: float, uncertainty: float = 0.2) -> SideMeasurements:
    """The side with this larger border between left and right."""
    return replace(side, centering=replace(side.centering, lr=percent, tb=50.0, lr_uncertainty=uncertainty))


# PSA's table of fronts since 2025; 58.7 of a front was a 10 beside "Centering limits this card to a 9".
@pytest.mark.parametrize(
    ("percent", "grade"), [(50.0, 10), (54.9, 10), (55.3, 9), (58.7, 9), (59.9, 9), (60.1, 8), (75, 6)]
)
def test_the_grade_of_the_centering_is_what_the_rubric_allows(flawless: SideMeasurements, percent: float, grade: int):
    off = with_centering(flawless, percent, 0.05)
    assert subgrades({"front": off, "back": flawless}, ON)["centering"] == Subgrade(grade, grade, grade)


def test_the_centering_of_a_certificate_from_before_2025_has_five_points_more(flawless: SideMeasurements):
    off = with_centering(flawless, 59.0)
    assert subgrades({"front": off, "back": None}, date(2024, 1, 1))["centering"].grade == 10


def test_the_range_of_the_centering_is_that_of_its_uncertainty(flawless: SideMeasurements):
    unsure = with_centering(flawless, 59.0, 6.5)  # 52.5 to 65.5
    assert subgrades({"front": unsure, "back": None}, ON)["centering"] == Subgrade(9, 7, 10)


def test_a_side_whose_borders_are_not_those_of_one_frame_has_no_say_in_the_centering(flawless: SideMeasurements):
    off = with_centering(flawless, 90.0)
    wrong = replace(off, centering=replace(off.centering, left_mm=20.0))
    assert subgrades({"front": wrong, "back": flawless}, ON)["centering"].grade == 10
    assert subgrades({"front": wrong, "back": None}, ON)["centering"].reason == BORDERS_DISAGREE


def test_what_was_not_measured_has_no_grade_and_a_reason(flawless: SideMeasurements):
    coarse = DrawnCard(px_per_mm=4.0)
    measured = measure_side(coarse.picture(), coarse.quad(), coarse.size, "scan")
    blind = replace(measured, centering=NoCentering("no printed frame found at the top"))
    grades = subgrades({"front": blind, "back": None}, ON)
    assert grades["centering"].as_json() == {"grade": None, "reason": "no printed frame found at the top"}
    assert grades["corners"].grade is None and "too small" in grades["corners"].reason


def test_corners_of_a_holder_are_not_graded(flawless: SideMeasurements):
    unsure = replace(flawless, corner_evidence=np.full(4, -0.5))
    grade = subgrades({"front": unsure, "back": None}, ON)["corners"]
    assert (grade.grade, grade.reason) == (None, "not sure where the card ends")


def test_the_range_holds_the_median_and_enough_probability():
    probabilities = np.array([0, 0, 0.05, 0.1, 0.2, 0.4, 0.2, 0.05, 0, 0])
    assert grade_and_range(probabilities, 0.75) == (6, 5, 7)
    assert grade_and_range(probabilities, 0.99) == (6, 3, 8)


def test_the_ordinal_model_is_that_of_its_formula():
    model = OrdinalModel(("x",), (0.5,), tuple(np.arange(9) - 4.0))
    probabilities = model.probabilities({"x": 2.0})
    at_most_five = 1 / (1 + np.exp(-(0.0 + 0.5 * 2.0)))
    assert probabilities.sum() == pytest.approx(1.0)
    assert probabilities[:5].sum() == pytest.approx(at_most_five)
    assert model_from_json(model.as_json()) == model


def test_the_fit_recovers_the_model_that_drew_the_grades():
    random = np.random.default_rng(5)
    drawn = OrdinalModel(("x", "y"), (0.8, 0.3), tuple(np.linspace(-6.0, 1.0, 9)))
    inputs = random.uniform(0, 8, (1500, 2))
    grades = np.array([random.choice(np.arange(1, 11), p=drawn.probabilities({"x": x, "y": y})) for x, y in inputs])
    fitted = fit_ordinal(("x", "y"), inputs, grades, np.ones(len(grades)), ("x", "y"))
    assert fitted.weights == pytest.approx(drawn.weights, abs=0.08)


def test_no_severity_of_the_models_that_ship_raises_a_grade():
    for name, model in shipped_models().models.items():
        weights = dict(zip(model.names, model.weights, strict=True))
        assert set(weights) == {*SEVERITIES[name], *UNSEEN[name]}
        assert min(weights[key] for key in SEVERITIES[name]) >= 0
        assert list(model.thresholds) == sorted(model.thresholds)
