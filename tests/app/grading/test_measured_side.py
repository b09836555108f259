"""A side is measured to what was drawn, refuses with a reason, and its findings lie where they were drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from app.grading.annotate import EDGE, FRAME, drawn
from app.grading.centering_ceiling import axes_of, card_ceiling
from app.grading.findings import findings_of
from app.grading.grade_card import Graded, Looked
from app.grading.json_report import report
from app.grading.line_corrections import Correction, settled
from app.grading.measured_side import Measured, measure
from engine.image.rectify import TRADING, CardSize
from engine.measure.centering.centering import BadLines, Centering, NoCentering, from_lines
from tests.app.card_factory import GROUND_MM, PX_PER_MM, SIZE_MM, card_quad, picture_of_card, view_of

TODAY, BEFORE_2025 = date(2025, 6, 1), date(2024, 6, 1)


def inset(left: float, right: float, top: float, bottom: float, *, size: tuple[float, float] = SIZE_MM) -> np.ndarray:
    """(4, 2, 2) mm: the four lines these borders leave, clockwise from the top."""
    corners = [(left, top), (size[0] - right, top), (size[0] - right, size[1] - bottom), (left, size[1] - bottom)]
    return np.array([(corners[side], corners[(side + 1) % 4]) for side in range(4)])


def corrected(printed: np.ndarray, *, quad: np.ndarray | None = None) -> Correction:
    return Correction(card_quad() if quad is None else quad, TRADING, inset(0, 0, 0, 0), printed, author="ada")


@pytest.fixture(scope="module")
def off_centre() -> Measured:
    return measure(view_of(picture_of_card(3.5, 2.5, 3.0, 3.0, bare_corner_mm=2.0)))


def graded(front: Measured | None, back: Measured | None = None) -> Graded:
    view = view_of(picture_of_card(3, 3, 3, 3))
    looked = {"front": front, "back": back}
    return Graded({side: None if each is None else Looked("a" * 64, view, each) for side, each in looked.items()})


def test_borders_are_measured_as_they_were_drawn(off_centre):
    centering = off_centre.centering
    assert isinstance(centering, Centering)
    borders = [centering.left_mm, centering.right_mm, centering.top_mm, centering.bottom_mm]
    assert borders == pytest.approx([3.5, 2.5, 3.0, 3.0], abs=0.05)
    assert centering.lr == pytest.approx(100 * 3.5 / 6, abs=1.0)
    assert not centering.by_hand


def test_a_card_without_a_border_is_refused_with_a_reason_and_caps_nothing():
    measured = measure(view_of(picture_of_card(0, 0, 0, 0)))
    assert isinstance(measured.centering, NoCentering)
    said = report(graded(measured))
    assert said["front"]["centering"] is None
    assert "border" in said["front"]["centering_reason"] or "line" in said["front"]["centering_reason"]
    assert said["centering_ceiling"] is None
    assert said["back"] is None


def test_a_picture_too_coarse_is_refused_with_its_resolution_and_never_raises():
    fine = picture_of_card(3, 3, 3, 3)
    for times, refused in ((3, ("corners", "surface")), (6, ("corners", "surface", "centering"))):
        coarse = view_of(fine[::times, ::times].copy(), (card_quad() + 0.5) / times - 0.5)
        said = report(graded(measure(coarse)))["front"]
        reasons = {
            "corners": said["corners"][0]["reason"],
            "surface": said["surface_reason"],
            "centering": said["centering_reason"],
        }
        for what in refused:
            assert f"{PX_PER_MM / times:.1f} px/mm" in reasons[what]
        assert (len(said["corners"]), len(said["edges"]), said["surface"]) == (4, 4, None)


def test_a_bare_corner_is_found_where_it_was_drawn_and_as_large(off_centre):
    bare = [finding for finding in findings_of(off_centre) if "bare" in finding.what]
    assert [finding.place for finding in bare] == ["top left corner"]
    [corner] = [corner for corner in off_centre.corners if corner.name == "top left"]
    assert corner.whitening_mm2 == pytest.approx(2.0 * 2.0 / 2, rel=0.25)
    at_px = bare[0].as_json(off_centre)["at_px"]
    assert np.abs(np.array(at_px) - GROUND_MM * PX_PER_MM).max() < PX_PER_MM


def test_findings_are_numbered_from_the_largest_on(off_centre):
    findings = findings_of(off_centre)
    assert [finding.number for finding in findings] == list(range(1, len(findings) + 1))
    sizes = [finding.size_mm2 for finding in findings]
    assert sizes == sorted(sizes, reverse=True)


def test_the_drawing_has_its_lines_where_the_card_has_its_edge_and_its_frame(off_centre):
    picture = drawn(off_centre)
    flat = off_centre.flat
    times = picture.shape[0] / flat.rgb.shape[0]
    row = picture[round(picture.shape[0] * 0.5)].astype(int)
    for colour, x_mm in ((EDGE, 0.0), (FRAME, 3.5), (FRAME, SIZE_MM[0] - 2.5), (EDGE, SIZE_MM[0])):
        at = (x_mm + flat.margin_mm[0]) * flat.px_per_mm * times
        nearest = np.abs(row - colour).sum(axis=1)[round(at) - 4 : round(at) + 5]
        assert nearest.min() < 40, (colour, x_mm)


# --- ceilings


def test_the_lower_of_two_ceilings_holds_and_is_named():
    assert card_ceiling({"front": 57.0, "back": 60.0}, TODAY) == (
        9,
        "front 57/43 caps this card at 9 under the 2025 rule",
    )
    assert card_ceiling({"front": 51.0, "back": 80.0}, TODAY)[0] == 9
    assert card_ceiling({"front": 57.0, "back": None}, BEFORE_2025)[0] == 10
    assert card_ceiling({"front": None, "back": None}, TODAY)[0] is None


def test_an_axis_says_which_other_grade_its_uncertainty_allows(off_centre):
    """Drawn 58.3/41.7: a 9 by the rule of 2025 (60/40), a 10 by the rule before it (60/40)."""
    today, before = (axes_of("front", off_centre.centering, on)[0] for on in (TODAY, BEFORE_2025))
    assert (today.ceiling, today.allows) == (9, "9")
    assert (before.ceiling, before.allows) == (10, "10")
    wide = measure(view_of(picture_of_card(3.29, 2.71, 3, 3)))  # 54.8: a 10, but a 9 within half a point
    [axis, _] = axes_of("front", wide.centering, TODAY)
    if axis.share + axis.uncertainty > 55 >= axis.share:
        assert axis.allows == "10 (may be 9)"


def test_an_axis_names_both_ends_where_its_uncertainty_reaches_beyond_the_ceiling_on_either_side():
    """58 ± 4 by the rule of 2025, which allows a 10 up to 55/45, a 9 up to 60/40 and an 8 up to 65/35."""
    centering = replace(from_lines(inset(0, 0, 0, 0), inset(5.8, 4.2, 3.0, 3.0)), lr_uncertainty=4.0)
    axis, _ = axes_of("front", centering, TODAY)
    assert (axis.share, axis.lowest, axis.highest) == (pytest.approx(58.0), 8, 10)
    assert axis.allows == "9 (8 to 10)"


def test_the_ceiling_stands_beside_the_grade_and_never_within_it(off_centre):
    said = report(graded(off_centre))
    assert said["centering_ceiling"] == 9
    assert said["ceiling_reason"].startswith("front 58.")
    assert (said["grade"], said["probabilities"], said["abstained"]) == (None, None, True)


def test_a_border_that_is_missing_altogether_is_a_share_of_100_and_no_error():
    centering = from_lines(inset(0, 0, 0, 0), inset(3.17, -0.2, 3.0, 3.0))
    axis, _ = axes_of("front", centering, TODAY)
    assert (axis.share, axis.ceiling) == (100.0, 1)


# --- a person's lines


def test_a_persons_lines_hold_before_the_measured_ones_which_stay_beside_them():
    view = view_of(picture_of_card(3.5, 2.5, 3.0, 3.0))
    said = report(graded(measure(view, corrected(inset(3.0, 3.0, 2.0, 4.0)))))["front"]
    assert said["centering"]["by_hand"] is True
    assert (said["centering"]["lr"], said["centering"]["tb"]) == (50.0, pytest.approx(100 * 4 / 6, abs=0.01))
    assert said["centering"]["corrected_by"] == "ada"
    assert said["centering_measured"]["by_hand"] is False
    assert said["centering_measured"]["left_mm"] == pytest.approx(3.5, abs=0.05)


def test_a_card_without_a_border_that_the_program_sees_can_still_be_told_by_hand():
    said = report(graded(measure(view_of(picture_of_card(0, 0, 0, 0)), corrected(inset(3, 2, 3, 3)))))
    assert said["front"]["centering"]["lr"] == pytest.approx(60.0)
    assert said["front"]["centering_measured"] is None
    assert said["front"]["centering_measured_reason"]
    assert said["centering_ceiling"] == 9


def test_edges_laid_by_hand_put_right_a_card_that_was_found_too_large():
    """The finder's quad reaches 2 mm beyond the card at its right and top; a person lays the edges onto the card."""
    wrong = card_quad() + PX_PER_MM * np.array([(0, -2.0), (2.0, -2.0), (2.0, 0), (0, 0)])
    across, down = SIZE_MM[0] / (SIZE_MM[0] + 2), SIZE_MM[1] / (SIZE_MM[1] + 2)  # a laid millimetre in true ones
    stretch = np.array([across, down])
    laid = Correction(
        wrong,
        TRADING,
        inset(0, 2 * across, 2 * down, 0),
        (inset(3.5, 2.5, 3.0, 3.0) + np.array([0, 2])) * stretch,
    )
    right = settled(laid, picture_of_card(3.5, 2.5, 3.0, 3.0).shape[:2])
    assert np.abs(right.quad - card_quad()).max() < 0.05
    assert (right.size.width_mm, right.size.height_mm) == SIZE_MM
    assert np.abs(right.physical.reshape(-1, 2) - inset(0, 0, 0, 0).reshape(-1, 2)).max() < 0.01
    assert np.abs(right.printed - inset(3.5, 2.5, 3.0, 3.0)).max() < 0.01


def test_what_was_measured_is_counted_where_a_persons_edges_lie():
    """The same card by another quad: places in the picture stay, and so does the measured share of the borders."""
    rgb = picture_of_card(3.5, 2.5, 3.0, 3.0, bare_corner_mm=2.0)
    shifted = card_quad() + PX_PER_MM * np.array([0.3, 0.2])
    plain, moved = measure(view_of(rgb)), measure(view_of(rgb), corrected(inset(3, 3, 3, 3), quad=shifted))
    assert moved.found.lr == pytest.approx(plain.found.lr, abs=0.2)
    first, second = findings_of(plain)[0], findings_of(moved)[0]
    assert first.place == second.place
    assert np.array(first.at_mm) - np.array(second.at_mm) == pytest.approx([0.3, 0.2], abs=0.1)
    assert first.as_json(plain)["at_px"] == pytest.approx(second.as_json(moved)["at_px"], abs=1.5)


@pytest.mark.parametrize(
    ("physical", "complaint"),
    [
        (np.zeros((4, 2, 2)), "is a point"),
        (np.array([[(0, 0), (63, 88)], [(63, 0), (0, 88)], [(63, 88), (0, 0)], [(0, 88), (63, 0)]]), "bound no card"),
    ],
)
def test_edges_that_bound_no_card_are_refused_in_a_sentence(physical, complaint):
    laid = Correction(card_quad(), CardSize(63, 88, "x"), physical.astype(float), inset(3, 3, 3, 3))
    with pytest.raises(BadLines, match=complaint):
        settled(laid, (1152, 852))
