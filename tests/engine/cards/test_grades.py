"""The PSA scale: parsing, names and training classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cards.grades import (
    HALF_GRADES,
    NO_GRADES,
    QUALIFIERS,
    BadGrade,
    NoTarget,
    grade_name,
    parse_grade,
    parse_qualifier,
    training_target,
)

SCALE = [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 10]


@pytest.mark.parametrize(
    ("text", "grade"),
    [("9", 9), (" 8.5 ", 8.5), ("PSA 10", 10), ("psa9", 9), (7, 7), (6.0, 6), ("", None), ("  ", None), (None, None)],
)
def test_a_grade_is_parsed_in_every_common_spelling(text, grade):
    assert parse_grade(text) == grade


@pytest.mark.parametrize("text", ["9.5", "0", "11", "-1", "8.25", "nan", "inf", "mint", "PSA", "PSA PSA 9", "1_0"])
def test_a_grade_outside_the_scale_is_refused_naming_it(text):
    with pytest.raises(BadGrade, match=f"grade '{text}' is not on the PSA scale"):
        parse_grade(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_accepted_if_and_only_if_it_is_on_the_scale(number):
    if number in SCALE:
        assert parse_grade(number) == number
    else:
        with pytest.raises(BadGrade):
            parse_grade(number)


@pytest.mark.parametrize("grade", SCALE)
def test_every_grade_of_the_scale_is_read_back_as_it_is_written(grade):
    assert parse_grade(f"{grade:g}") == grade
    assert parse_grade(f"PSA {grade:g}") == grade


@pytest.mark.parametrize(
    ("grade", "name"), [(10, "Gem Mint"), (9, "Mint"), (8.5, "NM-MT+"), (1.5, "Fair"), (1, "Poor")]
)
def test_a_grade_has_its_printed_name(grade, name):
    assert grade_name(grade) == name


@pytest.mark.parametrize("code", [*QUALIFIERS, *NO_GRADES])
def test_qualifiers_and_no_grades_are_read_in_any_case(code):
    assert parse_qualifier(f" {code.lower()} ") == code


@pytest.mark.parametrize("text", ["", None, "  "])
def test_an_empty_qualifier_is_none(text):
    assert parse_qualifier(text) is None


def test_an_unknown_qualifier_is_refused_naming_the_known_ones():
    with pytest.raises(BadGrade, match="qualifier 'XX' is not known; use one of OC, MC"):
        parse_qualifier("XX")


@pytest.mark.parametrize("grade", range(1, 11))
def test_a_whole_grade_is_its_own_class(grade):
    assert training_target(grade, None) == grade


@pytest.mark.parametrize("grade", HALF_GRADES)
def test_a_half_grade_trains_as_the_whole_grade_below(grade):
    assert training_target(grade, None) == grade - 0.5


@pytest.mark.parametrize("code", [*QUALIFIERS, *NO_GRADES])
def test_a_qualified_or_ungraded_card_is_left_out_and_the_reason_names_the_flaw(code):
    left_out = training_target(8, code)
    assert isinstance(left_out, NoTarget)
    assert (QUALIFIERS | NO_GRADES)[code] in left_out.reason


def test_an_unlabelled_card_is_left_out_as_not_labelled():
    assert training_target(None, None) == NoTarget("not labelled")


@pytest.mark.parametrize(
    ("text", "grade"),
    [("8,5", 8.5), ("GEM MT 10", 10), ("Mint 9", 9), ("PSA NM-MT+ 8.5", 8.5), ("VG-EX 4", 4), ("fair 1.5", 1.5)],
)
def test_a_decimal_comma_and_the_words_on_a_label_are_read(text, grade):
    assert parse_grade(text) == grade


@pytest.mark.parametrize("text", ["MINT 10", "NM 8", "NM-MT 8.5", "BGS 9", "9 MINT", "8,5,5"])
def test_words_that_name_another_grade_or_grader_are_refused(text):
    with pytest.raises(BadGrade, match=text):
        parse_grade(text)
