"""Measuring a drawn side recovers its borders and defects, or refuses with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from app.grading.annotate import EDGE, FRAME, annotated_picture
from app.grading.json_report import report
from app.screens.verdict import verdict_html
from engine.image.rectify import TRADING, CardSize
from engine.inference.card_side import CardSide
from engine.inference.grade_card import GradedCard
from engine.measure.centering.ceiling import axes_of_side, card_ceiling
from engine.measure.centering.centering import BadLines, MeasuredCentering, NoCentering, centering_from_lines
from engine.measure.centering.line_correction import LineCorrection, with_card_from_edges
from engine.measure.findings.findings import findings_of
from tests.app.card_factory import GROUND_MM, PX_PER_MM, SIZE_MM, card_quad, inset, picture_of_card, side_of

TODAY, BEFORE_2025 = date(2025, 6, 1), date(2024, 6, 1)


def corrected(printed: np.ndarray, *, quad: np.ndarray | None = None) -> LineCorrection:
    return LineCorrection(card_quad() if quad is None else quad, TRADING, inset(0, 0, 0, 0), printed, author="ada")


@pytest.fixture(scope="module")
def off_centre() -> CardSide:
    return side_of(picture_of_card(3.5, 2.5, 3.0, 3.0, bare_corner_mm=2.0))


def graded(front: CardSide | None, back: CardSide | None = None) -> GradedCard:
    return GradedCard({"front": front, "back": back})


def test_borders_are_measured_as_they_were_drawn(off_centre):
    centering = off_centre.centering
    assert isinstance(centering, MeasuredCentering)
    borders = [centering.left_mm, centering.right_mm, centering.top_mm, centering.bottom_mm]
    assert borders == pytest.approx([3.5, 2.5, 3.0, 3.0], abs=0.05)
    assert centering.lr == pytest.approx(100 * 3.5 / 6, abs=1.0)
    assert not centering.by_hand


def test_a_card_without_a_border_is_refused_with_a_reason_and_caps_nothing():
    measured = side_of(picture_of_card(0, 0, 0, 0))
    assert isinstance(measured.centering, NoCentering)
    card_report = report(graded(measured))
    assert card_report["front"]["centering"] is None
    assert "no printed frame found" in card_report["front"]["centering_reason"]
    assert card_report["centering_ceiling"] is None
    assert card_report["back"] is None


def test_no_centering_is_measured_on_an_outline_that_is_not_sure_unless_a_person_gives_it(off_centre):
    assert report(graded(off_centre))["front"]["certain"]
    unsure = replace(off_centre, detection=replace(off_centre.detection, confidence=0.3))
    card_report = report(graded(unsure))
    assert card_report["front"]["certain"] is False
    assert card_report["front"]["centering"] is None
    assert card_report["front"]["centering_reason"].startswith("not sure where the card ends")
    assert card_report["centering_ceiling"] is None
    by_hand = report(graded(replace(unsure, correction=corrected(inset(3.5, 2.5, 3, 3)))))
    assert by_hand["front"]["certain"]
    assert by_hand["front"]["centering"]["lr"] == pytest.approx(100 * 3.5 / 6, abs=0.5)


def test_a_low_resolution_picture_is_refused_with_a_reason_and_never_raises():
    fine = picture_of_card(3, 3, 3, 3)
    for times, refused in ((3, ("corners", "surface")), (6, ("corners", "surface", "centering"))):
        coarse = side_of(fine[::times, ::times].copy(), (card_quad() + 0.5) / times - 0.5)
        card_report = report(graded(coarse))["front"]
        reasons = {
            "corners": card_report["corners"][0]["reason"],
            "surface": card_report["surface_reason"],
            "centering": card_report["centering_reason"],
        }
        for name in refused:
            assert "the picture is too small to" in reasons[name]
        assert (len(card_report["corners"]), len(card_report["edges"]), card_report["surface"]) == (4, 4, None)


def test_a_bare_corner_is_measured_with_its_drawn_position_and_area(off_centre):
    bare = [finding for finding in findings_of(off_centre.measurements).listed if "whitening of" in finding.description]
    assert [finding.place for finding in bare] == ["top left corner"]
    [corner] = [corner for corner in off_centre.measurements.corners if corner.name == "top left"]
    assert corner.whitening_mm2 == pytest.approx(2.0 * 2.0 / 2, rel=0.25)
    at_px = bare[0].as_json("front", off_centre.measurements)["at_px"]
    assert np.abs(np.array(at_px) - GROUND_MM * PX_PER_MM).max() < PX_PER_MM


def test_the_report_lists_the_certain_findings_with_their_cost_and_the_four_sub_grades(off_centre):
    card_report = report(graded(off_centre))
    [finding] = [entry for entry in card_report["front"]["findings"] if entry["place"] == "top left corner"]
    assert finding["side"] == "front" and finding["grades_lost"] == 4  # 2 mm2 of whitening is a 6
    assert finding["confidence"] >= card_report["front"]["min_finding_confidence"]
    left, top, right, bottom = finding["box_mm"]
    assert left < 0.5 < right and top < 0.5 < bottom
    subgrades = card_report["subgrades"]
    assert list(subgrades) == ["centering", "corners", "edges", "surface"]
    assert all(1 <= grade["low"] <= grade["grade"] <= grade["high"] <= 10 for grade in subgrades.values())


def test_the_verdict_names_the_sub_grades_and_what_cannot_be_measured(off_centre):
    coarse = side_of(picture_of_card(3, 3, 3, 3)[::6, ::6].copy(), (card_quad() + 0.5) / 6 - 0.5)
    grade = report(graded(off_centre))["subgrades"]["corners"]["grade"]
    assert f"<dt>Corners</dt><dd><strong>{grade}</strong>" in verdict_html(graded(off_centre))
    refused = "<dt>Corners</dt><dd>not measurable here<small>The picture is too small to measure wear"
    assert refused in verdict_html(graded(coarse))


def test_the_overlay_s_lines_are_on_the_card_s_edge_and_frame(off_centre):
    picture = annotated_picture(off_centre)
    flat = off_centre.measurements.flat
    times = picture.shape[0] / flat.rgb.shape[0]
    row = picture[round(picture.shape[0] * 0.5)].astype(int)
    for color, x_mm in ((EDGE, 0.0), (FRAME, 3.5), (FRAME, SIZE_MM[0] - 2.5), (EDGE, SIZE_MM[0])):
        at = (x_mm + flat.margin_mm[0]) * flat.px_per_mm * times
        nearest = np.abs(row - color).sum(axis=1)[round(at) - 4 : round(at) + 5]
        assert nearest.min() < 40, (color, x_mm)


# --- ceilings


def test_the_lower_of_two_ceilings_counts_and_is_named():
    assert card_ceiling({"front": 57.0, "back": 60.0}, TODAY) == (
        9,
        "front centering is 57/43; PSA allows at most a 9 (rule since 2025)",
    )
    assert card_ceiling({"front": 51.0, "back": 80.0}, TODAY)[0] == 9
    assert card_ceiling({"front": 57.0, "back": None}, BEFORE_2025)[0] == 10
    assert card_ceiling({"front": None, "back": None}, TODAY)[0] is None


def test_an_axis_names_the_other_grade_that_its_uncertainty_allows(off_centre):
    """Drawn 58.3/41.7: a 9 by the rule of 2025 (60/40), a 10 by the rule before it (60/40)."""
    today, before = (axes_of_side("front", off_centre.centering, on)[0] for on in (TODAY, BEFORE_2025))
    assert (today.best_grade, today.grade_text) == (9, "9")
    assert (before.best_grade, before.grade_text) == (10, "10")
    wide = side_of(picture_of_card(3.29, 2.71, 3, 3))  # 54.8: a 10, but a 9 within half a point
    [axis, _] = axes_of_side("front", wide.centering, TODAY)
    if axis.larger_percent + axis.uncertainty > 55 >= axis.larger_percent:
        assert axis.grade_text == "10 (may be 9)"


def test_an_axis_names_both_ends_if_its_uncertainty_reaches_beyond_the_ceiling_on_either_side():
    """58 ± 4 by the rule of 2025, which allows a 10 up to 55/45, a 9 up to 60/40 and an 8 up to 65/35."""
    centering = replace(centering_from_lines(inset(0, 0, 0, 0), inset(5.8, 4.2, 3.0, 3.0)), lr_uncertainty=4.0)
    axis, _ = axes_of_side("front", centering, TODAY)
    assert (axis.larger_percent, axis.lowest_grade, axis.highest_grade) == (pytest.approx(58.0), 8, 10)
    assert axis.grade_text == "9 (8 to 10)"


def test_the_ceiling_is_reported_separately_from_the_grade(off_centre):
    card_report = report(graded(off_centre))
    assert card_report["centering_ceiling"] == 9
    assert card_report["ceiling_reason"].startswith("front centering is 58.")
    assert (card_report["grade"], card_report["probabilities"], card_report["abstained"]) == (None, None, True)


def test_a_missing_border_is_a_fraction_of_100_percent_and_no_error():
    centering = centering_from_lines(inset(0, 0, 0, 0), inset(3.17, -0.2, 3.0, 3.0))
    axis, _ = axes_of_side("front", centering, TODAY)
    assert (axis.larger_percent, axis.best_grade) == (100.0, 1)


# --- line corrections


def test_a_line_correction_replaces_the_measured_lines_which_are_still_reported():
    correction = corrected(inset(3.0, 3.0, 2.0, 4.0))
    card_report = report(graded(side_of(picture_of_card(3.5, 2.5, 3.0, 3.0), correction=correction)))["front"]
    assert card_report["centering"]["by_hand"] is True
    assert (card_report["centering"]["lr"], card_report["centering"]["tb"]) == (
        50.0,
        pytest.approx(100 * 4 / 6, abs=0.01),
    )
    assert card_report["centering"]["corrected_by"] == "ada"
    assert card_report["centering_measured"]["by_hand"] is False
    assert card_report["centering_measured"]["left_mm"] == pytest.approx(3.5, abs=0.05)


def test_a_border_that_was_not_measured_can_be_corrected_by_hand():
    card_report = report(graded(side_of(picture_of_card(0, 0, 0, 0), correction=corrected(inset(3, 2, 3, 3)))))
    assert card_report["front"]["centering"]["lr"] == pytest.approx(60.0)
    assert card_report["front"]["centering_measured"] is None
    assert card_report["front"]["centering_measured_reason"]
    assert card_report["centering_ceiling"] == 9


def test_edges_corrected_by_hand_fix_a_card_that_was_detected_too_large():
    """The detected quad reaches 2 mm beyond the card at its right and top; the user drags the edges onto the card."""
    wrong = card_quad() + PX_PER_MM * np.array([(0, -2.0), (2.0, -2.0), (2.0, 0), (0, 0)])
    across, down = (
        SIZE_MM[0] / (SIZE_MM[0] + 2),
        SIZE_MM[1] / (SIZE_MM[1] + 2),
    )  # one measured millimeter in true millimeters
    stretch = np.array([across, down])
    correction = LineCorrection(
        wrong,
        TRADING,
        inset(0, 2 * across, 2 * down, 0),
        (inset(3.5, 2.5, 3.0, 3.0) + np.array([0, 2])) * stretch,
    )
    right = with_card_from_edges(correction, picture_of_card(3.5, 2.5, 3.0, 3.0).shape[:2])
    assert np.abs(right.quad - card_quad()).max() < 0.05
    assert (right.size.width_mm, right.size.height_mm) == SIZE_MM
    assert np.abs(right.physical.reshape(-1, 2) - inset(0, 0, 0, 0).reshape(-1, 2)).max() < 0.01
    assert np.abs(right.printed - inset(3.5, 2.5, 3.0, 3.0)).max() < 0.01


def test_measurements_are_given_in_the_millimeters_of_a_corrected_quad():
    """The same card with another quad: positions in the picture and the measured centering stay the same."""
    rgb = picture_of_card(3.5, 2.5, 3.0, 3.0, bare_corner_mm=2.0)
    shifted = card_quad() + PX_PER_MM * np.array([0.3, 0.2])
    plain, moved = side_of(rgb), side_of(rgb, correction=corrected(inset(3, 3, 3, 3), quad=shifted))
    assert moved.measurements.centering.lr == pytest.approx(plain.measurements.centering.lr, abs=0.2)
    first, second = findings_of(plain.measurements).listed[0], findings_of(moved.measurements).listed[0]
    assert first.place == second.place
    assert np.array(first.at_mm) - np.array(second.at_mm) == pytest.approx([0.3, 0.2], abs=0.1)
    assert first.as_json("front", plain.measurements)["at_px"] == pytest.approx(
        second.as_json("front", moved.measurements)["at_px"], abs=1.5
    )


@pytest.mark.parametrize(
    ("physical", "complaint"),
    [
        (np.zeros((4, 2, 2)), "is a point"),
        (np.array([[(0, 0), (63, 88)], [(63, 0), (0, 88)], [(63, 88), (0, 0)], [(0, 88), (63, 0)]]), "enclose no card"),
    ],
)
def test_edges_that_enclose_no_card_are_refused_with_a_message(physical, complaint):
    correction = LineCorrection(card_quad(), CardSize(63, 88, "x"), physical.astype(float), inset(3, 3, 3, 3))
    with pytest.raises(BadLines, match=complaint):
        with_card_from_edges(correction, (1152, 852))
