"""Centering of synthetic cards with known borders, and from lines laid by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import REAL_PICTURES
from engine.errors import BadInput
from engine.image.read import read_picture
from engine.image.rectify import card_size
from engine.measure.centering.centering import (
    BadLines,
    MeasuredCentering,
    NoCentering,
    centering_from_lines,
    measure_centering,
)
from engine.measure.side.measure_side import rectify_by_edges
from tests.engine.measure.card_factory import DrawnCard, box

HERE = Path(__file__).resolve().parent


def measure_card_centering(card: DrawnCard, kind="scan", quad_offset_mm=0.0):
    offset = np.array([(1, -1), (-1, -1), (-1, 1), (1, 1)]) * quad_offset_mm * card.px_per_mm
    return measure_centering(*rectify_by_edges(card.picture(), card.quad() + offset, card.size, kind))


def rectangle_lines(left, top, right, bottom):
    """(4, 2, 2) sides of a rectangle, clockwise from the top, two points each."""
    corners = box(left, top, right, bottom)
    return np.array([[corners[side], corners[(side + 1) % 4]] for side in range(4)])


@pytest.mark.parametrize("px_per_mm", [6.0, 12.0, 19.0])
def test_borders_are_measured_to_a_few_hundredths_of_a_millimeter(px_per_mm):
    centering = measure_card_centering(DrawnCard(px_per_mm=px_per_mm, borders_mm=(2.4, 3.6, 3.2, 2.8)))
    assert isinstance(centering, MeasuredCentering)
    borders = (centering.left_mm, centering.top_mm, centering.right_mm, centering.bottom_mm)
    np.testing.assert_allclose(borders, (2.4, 3.6, 3.2, 2.8), atol=0.04)
    assert centering.lr == pytest.approx(100 * 3.2 / 5.6, abs=centering.lr_uncertainty)
    assert centering.tb == pytest.approx(100 * 3.6 / 6.4, abs=centering.tb_uncertainty)
    assert 0.1 < centering.lr_uncertainty < 1.0


def test_on_a_tilted_print_the_worse_end_determines_the_centering():
    card = DrawnCard(borders_mm=(3.0, 3.5, 3.0, 3.5), tilt_deg=0.8)
    centering = measure_card_centering(card)
    assert isinstance(centering, MeasuredCentering)
    corners, width, height = card.frame_mm(), card.size.width_mm, card.size.height_mm
    lefts, rights = corners[[0, 3], 0], width - corners[[1, 2], 0]
    tops, bottoms = corners[[0, 1], 1], height - corners[[3, 2], 1]
    worst_lr = (100 * np.maximum(lefts, rights) / (lefts + rights)).max()
    worst_tb = (100 * np.maximum(tops, bottoms) / (tops + bottoms)).max()
    assert (centering.lr, centering.tb) == (pytest.approx(worst_lr, abs=0.6), pytest.approx(worst_tb, abs=0.6))
    assert centering.tilt_deg == pytest.approx(0.8, abs=0.05)
    assert worst_lr > 55 and centering.left_fraction == pytest.approx(0.5, abs=0.01)


def test_a_quad_off_by_a_fifth_of_a_millimeter_changes_nothing_if_the_edge_is_visible():
    card = DrawnCard(borders_mm=(2.4, 3.6, 3.2, 2.8))
    exact, shifted = measure_card_centering(card), measure_card_centering(card, quad_offset_mm=0.2)
    assert (shifted.lr, shifted.tb) == (pytest.approx(exact.lr, abs=0.3), pytest.approx(exact.tb, abs=0.3))


def test_the_first_of_two_frame_lines_counts():
    inner = box(5.0, 5.0, 58.0, 83.0)
    centering = measure_card_centering(DrawnCard(borders_mm=(2.5, 3.0, 3.5, 3.0), patches=[(inner, (235, 230, 215))]))
    assert centering.left_mm == pytest.approx(2.5, abs=0.04)
    assert centering.right_mm == pytest.approx(3.5, abs=0.04)


def test_a_faint_first_line_is_found_if_the_other_sides_show_a_double_frame():
    dark, faint, bright, body = (44, 46, 46), (48, 48, 45), (150, 120, 60), (120, 80, 60)
    card = DrawnCard(borders_mm=(2.7, 3.0, 3.1, 3.4), border=dark, inside=faint, noise=1.0)
    left, top, right, bottom = 2.7, 3.0, 63 - 3.1, 88 - 3.4
    card.patches += [
        (
            np.array(
                [
                    (left, top),
                    (right, top),
                    (right, bottom),
                    (right - 1, bottom),
                    (right - 1, top + 1),
                    (left + 1, top + 1),
                    (left + 1, bottom),
                    (left, bottom),
                ]
            ),
            bright,
        ),
        (box(left + 2.4, top + 2.4, right - 2.4, bottom - 2.4), body),
    ]
    centering = measure_card_centering(card)
    assert centering.bottom_mm == pytest.approx(3.4, abs=0.1)
    assert (centering.left_mm, centering.right_mm) == (pytest.approx(2.7, abs=0.05), pytest.approx(3.1, abs=0.05))


def test_an_outline_thinner_than_the_blur_belongs_to_the_frame():
    outline = DrawnCard(borders_mm=(3.0, 3.0, 3.0, 3.0), border=(20, 19, 20), inside=(50, 40, 30), blur_px=1.1)
    outline.patches.append((box(3.25, 3.25, 59.75, 84.75), (150, 116, 78)))
    centering = measure_card_centering(outline)
    np.testing.assert_allclose(
        [centering.left_mm, centering.top_mm, centering.right_mm, centering.bottom_mm], 3.0, atol=0.08
    )


def test_a_card_without_a_border_is_refused_with_the_reason():
    card = DrawnCard(
        borders_mm=None, patches=[(box(-1, 40, 64, 60), (200, 60, 60)), (box(20, -1, 40, 30), (60, 200, 90))]
    )
    centering = measure_card_centering(card)
    assert isinstance(centering, NoCentering)
    assert centering.reason.startswith("no printed frame found at ")


def test_a_side_without_a_line_is_refused_by_name():
    centering = measure_card_centering(DrawnCard(borders_mm=(3.0, 3.0, -2.0, 3.0)))
    assert isinstance(centering, NoCentering)
    assert centering.reason == "no printed frame found at the right"


def test_a_border_of_another_color_on_one_side_is_refused_as_ambiguous():
    card = DrawnCard(borders_mm=(3.0, 3.0, 3.0, 3.0), patches=[(box(-0.1, -0.1, 2.9, 88.1), (200, 40, 40))])
    card.radius_mm = 0.2
    centering = measure_card_centering(card)
    assert isinstance(centering, NoCentering)
    assert centering.reason.startswith("the left border has another color")


def test_a_thumbnail_is_refused():
    centering = measure_card_centering(DrawnCard(px_per_mm=2.0))
    assert centering == NoCentering(
        "the picture is too small to measure borders; scan at 300 dpi or photograph from closer"
    )


def test_eight_lines_drawn_by_hand_give_the_rectangle_s_centering():
    centering = centering_from_lines(rectangle_lines(0, 0, 63, 88), rectangle_lines(2, 3, 60, 84))
    borders = (centering.left_mm, centering.top_mm, centering.right_mm, centering.bottom_mm)
    np.testing.assert_allclose(borders, (2, 3, 3, 4))
    assert (centering.lr, centering.tb) == (pytest.approx(60.0), pytest.approx(100 * 4 / 7))
    assert centering.by_hand and centering.tilt_deg == pytest.approx(0)
    assert centering.as_json()["lr_written"] == "60/40"


def test_the_lines_of_a_measurement_reproduce_it():
    centering = measure_card_centering(DrawnCard(borders_mm=(2.4, 3.6, 3.2, 2.8), tilt_deg=-0.5))
    repeated = centering_from_lines(centering.physical, centering.printed)
    assert (repeated.lr, repeated.tb) == (pytest.approx(centering.lr), pytest.approx(centering.tb))


def test_a_dragged_line_moves_only_its_own_axis():
    physical, printed = rectangle_lines(0, 0, 63, 88), rectangle_lines(3, 3, 60, 85)
    printed[3, :, 0] += 1
    centering = centering_from_lines(physical, printed)
    assert centering.lr == pytest.approx(100 * 4 / 7)
    assert centering.tb == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        (np.zeros((4, 2, 2)), "the printed top line is a point"),
        (np.tile([[0.0, 0.0], [10.0, 0.0]], (4, 1, 1)), "parallel"),
        (rectangle_lines(0.1, 3, 62.9, 85), "two opposing borders are 0.20 mm together"),
    ],
)
def test_lines_that_bound_no_frame_are_refused_with_one_message(printed, message):
    with pytest.raises(BadLines, match=message):
        centering_from_lines(rectangle_lines(0, 0, 63, 88), printed)
    assert issubclass(BadLines, BadInput)


def test_the_borders_of_one_frame_agree_however_far_it_is_printed_off_center():
    edges = rectangle_lines(0, 0, 63, 88)
    for across, down in ((0, 0), (2.5, 0), (-2.9, 3.2)):
        assert centering_from_lines(
            edges, rectangle_lines(3 + across, 3.5 + down, 60 + across, 84.5 + down)
        ).borders_agree
    one_line_too_deep = centering_from_lines(edges, rectangle_lines(3, 3, 60, 88 - 6.5))
    at_the_card_s_edges = centering_from_lines(edges, rectangle_lines(0.8, 0.9, 62, 87.3))
    assert not one_line_too_deep.borders_agree
    assert not at_the_card_s_edges.borders_agree


def test_the_borders_of_real_cards_measured_by_hand_agree():
    cards = json.loads((HERE / "hand_measured.json").read_text(encoding="utf-8"))["cards"]
    whole = [borders for borders in cards.values() if len(borders) == 4]
    assert len(whole) == 7
    for borders in whole:
        left, top, right, bottom = (borders[side] for side in ("left", "top", "right", "bottom"))
        frame = rectangle_lines(left, top, 63 - right, 88 - bottom)
        assert centering_from_lines(rectangle_lines(0, 0, 63, 88), frame).borders_agree


@pytest.mark.slow
def test_real_cards_are_measured_within_two_points_of_manual_measurements_or_refused():
    cards = json.loads((HERE / "hand_measured.json").read_text(encoding="utf-8"))["cards"]
    marked = json.loads((HERE.parents[1] / "detection" / "marked_corners.json").read_text(encoding="utf-8"))
    available = {name: borders for name, borders in cards.items() if (REAL_PICTURES / name).exists()}
    if not available:
        pytest.skip(f"{REAL_PICTURES} is absent")
    wrong = []
    for name, borders in available.items():
        rgb, quad = read_picture(REAL_PICTURES / name), np.array(marked[name]["quad"], float)
        size = card_size(quad, picture_size=rgb.shape[:2])
        centering = measure_centering(*rectify_by_edges(rgb, quad, size, marked[name]["kind"]))
        if isinstance(centering, NoCentering):
            continue
        fractions = {("left", "right"): centering.left_fraction, ("top", "bottom"): centering.top_fraction}
        for (first, second), fraction in fractions.items():
            if first in borders and abs(fraction - borders[first] / (borders[first] + borders[second])) > 0.02:
                wrong.append((name, first, fraction))
    assert wrong == []
