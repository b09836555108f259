"""The ceiling that binds a prediction: sure only beyond the uncertainty, and only if the borders can be one frame's."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from engine.measure.centering.ceiling import moved_probability_reason, sure_ceiling
from engine.measure.centering.centering import MeasuredCentering, NoCentering, centering_from_lines
from tests.app.card_factory import inset

TODAY, BEFORE_2025 = date(2025, 6, 1), date(2024, 6, 1)
SEEN = {"front": False, "back": False}


def measured(left: float, right: float, top: float = 3.0, bottom: float = 3.0, *, uncertainty: float = 0.5):
    """The centering of these borders in mm as if measured, with the same uncertainty on both axes, in points."""
    centering = centering_from_lines(inset(0, 0, 0, 0), inset(left, right, top, bottom))
    return replace(centering, by_hand=False, lr_uncertainty=uncertainty, tb_uncertainty=uncertainty)


def grade_of(on: date = TODAY, whole_pictures: dict | None = None, **centerings: MeasuredCentering | NoCentering):
    ceiling = sure_ceiling(centerings, whole_pictures or SEEN, on)
    return None if ceiling is None else ceiling.grade


@pytest.mark.parametrize(("uncertainty", "grade"), [(0.5, 8), (2.9, 8), (3.1, 9), (7.9, 9), (8.1, None)])
def test_a_grade_is_out_of_reach_only_if_it_is_at_both_ends_of_the_uncertainty(uncertainty, grade):
    """A front of 63/37: PSA allows an 8 up to 65/35, a 9 up to 60/40, a 10 up to 55/45."""
    assert grade_of(front=measured(3.78, 2.22, uncertainty=uncertainty)) == grade


def test_the_axis_and_the_side_that_allow_least_count():
    assert grade_of(front=measured(3.0, 3.0, 3.78, 2.22), back=measured(3.0, 3.0)) == 8
    assert grade_of(front=measured(3.0, 3.0), back=measured(4.8, 1.2)) == 9
    assert grade_of(front=measured(3.0, 3.0), back=measured(3.0, 3.0)) is None
    ceiling = sure_ceiling({"front": measured(3.78, 2.22), "back": measured(4.8, 1.2)}, SEEN, TODAY)
    assert not ceiling.by_hand
    assert ceiling.reason == "front centering is 62.5/37.5 or worse; PSA allows at most an 8 (rule since 2025)"


def test_the_rule_is_that_of_the_day():
    assert (grade_of(front=measured(3.5, 2.5)), grade_of(BEFORE_2025, front=measured(3.5, 2.5))) == (9, None)


def test_a_side_without_centering_rules_nothing_out():
    assert grade_of(front=NoCentering("no printed frame found at the top")) is None
    assert grade_of(front=NoCentering("no printed frame found at the top"), back=measured(4.8, 1.2)) == 9
    assert grade_of() is None


def test_lines_that_are_not_one_frame_and_edges_that_were_not_seen_rule_nothing_out_unless_a_person_laid_the_lines():
    """Left and right are 2.9 mm together, top and bottom 4.8: one of the four lines is not the frame's."""
    another_line = measured(0.42, 2.47, 2.21, 2.62)
    assert grade_of(front=another_line) is None
    by_hand = sure_ceiling({"front": replace(another_line, by_hand=True)}, SEEN, TODAY)
    assert (by_hand.grade, by_hand.by_hand) == (5, True)
    cropped = {"front": True, "back": False}
    assert grade_of(front=measured(3.78, 2.22), whole_pictures=cropped) is None
    assert grade_of(front=replace(measured(3.78, 2.22), by_hand=True), whole_pictures=cropped) == 8


def test_the_reason_names_the_probability_that_moved():
    nine, eight = (sure_ceiling({"front": measured(*borders)}, SEEN, TODAY) for borders in ((3.5, 2.5), (3.78, 2.22)))
    assert moved_probability_reason(nine, 0.314).endswith(", so the 31% for a 10 went to the grades in reach")
    assert moved_probability_reason(eight, 0.314).endswith(", so the 31% for better grades went to the grades in reach")
