"""The centering table as PSA publishes it, and the five points more allowed to fronts until early 2025."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cards.rubric import (
    BadCentering,
    centering_ceiling,
    explain,
    format_centering,
    larger_border_percent,
    max_border_percent,
    overall_ceiling,
)

NOW, BEFORE = date(2025, 6, 1), date(2024, 12, 31)
PERCENTS = st.floats(50, 100)
# Grade, front, back: the larger border in percent, as PSA's page gives it.
TABLE = [
    (10, 55, 75),
    (9, 60, 90),
    (8, 65, 90),
    (7, 70, 90),
    (6, 80, 90),
    (5, 85, 90),
    (4, 85, 90),
    (3, 90, 90),
    (2, 90, 90),
    (1, 90, 90),
]
FRONTS_BEFORE = {10: 60, 9: 65, 8: 70, 7: 75}


@pytest.mark.parametrize(("grade", "front", "back"), TABLE)
def test_every_grade_allows_the_borders_of_the_table(grade, front, back):
    assert max_border_percent("front", grade, NOW) == front
    assert max_border_percent("back", grade, NOW) == back
    assert max_border_percent("front", grade, BEFORE) == FRONTS_BEFORE.get(grade, front)
    assert max_border_percent("back", grade, BEFORE) == back


@pytest.mark.parametrize(
    ("side", "percent", "now", "before"),
    [
        ("front", 50, 10, 10),
        ("front", 55, 10, 10),
        ("front", 57, 9, 10),
        ("front", 60.01, 8, 9),
        ("front", 75, 6, 7),
        ("front", 85, 5, 5),
        ("front", 90, 3, 3),
        ("front", 90.5, 1, 1),
        ("back", 75, 10, 10),
        ("back", 75.5, 9, 9),
        ("back", 90, 9, 9),
        ("back", 95, 1, 1),
    ],
)
def test_the_ceiling_is_the_best_grade_that_still_allows_the_border(side, percent, now, before):
    assert centering_ceiling(side, percent, NOW) == now
    assert centering_ceiling(side, percent, BEFORE) == before


@given(PERCENTS, PERCENTS, st.sampled_from(["front", "back"]), st.sampled_from([NOW, BEFORE]))
def test_a_worse_centering_never_has_a_better_ceiling(first, second, side, day):
    better, worse = sorted((first, second))
    assert centering_ceiling(side, better, day) >= centering_ceiling(side, worse, day)


@given(PERCENTS, st.sampled_from(["front", "back"]))
def test_the_older_rule_is_never_the_stricter_one(percent, side):
    assert centering_ceiling(side, percent, BEFORE) >= centering_ceiling(side, percent, NOW)


@given(PERCENTS, PERCENTS)
def test_the_worse_side_decides_and_a_side_without_borders_does_not(front, back):
    assert overall_ceiling(front, back, NOW) == min(
        centering_ceiling("front", front, NOW), centering_ceiling("back", back, NOW)
    )
    assert overall_ceiling(None, back, NOW) == centering_ceiling("back", back, NOW)
    assert overall_ceiling(None, None, NOW) is None


@pytest.mark.parametrize("percent", [49.9, 100.1, -1, float("nan")])
def test_an_impossible_border_percentage_is_refused_naming_it(percent):
    with pytest.raises(BadCentering, match=f"{percent:g} % is impossible"):
        centering_ceiling("front", percent, NOW)


def test_the_rule_is_named_by_its_year():
    assert explain("front", 57, NOW) == "front centering is 57/43; PSA allows at most a 9 (rule since 2025)"
    assert explain("front", 55.3, NOW) == "front centering is 55.3/44.7; PSA allows at most a 9 (rule since 2025)"
    assert explain("back", 80, BEFORE) == "back centering is 80/20; PSA allows at most a 9 (rule before 2025)"


def test_borders_are_written_as_collectors_write_them():
    assert format_centering(2.6, 2.4) == format_centering(2.4, 2.6) == "52/48"
    assert larger_border_percent(1.0, 3.0) == 75.0
    assert larger_border_percent(-0.4, 3.0) == 100.0
    with pytest.raises(BadCentering, match="no centering"):
        larger_border_percent(0.0, -1.0)


@given(st.floats(1e-6, 1e3))
def test_a_single_border_is_exactly_100_percent(border_mm):
    assert larger_border_percent(border_mm, 0.0) == 100.0
