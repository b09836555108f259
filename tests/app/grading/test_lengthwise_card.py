"""Cards that lie in their picture: printed lengthwise, or portrait cards on a side."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from app.grading.json_report import report
from app.grading.pictures import pictures_of
from app.screens.card_layers import map_picture
from app.screens.verdict import verdict_html
from engine.detection.find_card import TAKEN_AS_LENGTHWISE, UP_UNKNOWN, _order_from_printed_top, find_card
from engine.image.rectify import TRADING, UNUSUAL_SIZE, CardSize, card_size
from engine.inference.card_side import CardSide
from engine.inference.grade_card import UNUSUAL_SIZE_NOTE, GradedCard, limit_by_centering
from tests.app.card_factory import card_quad, picture_of_card, side_of

LYING = np.array([(100, 200), (980, 200), (980, 830), (100, 830)], np.float64)
STANDING = np.array([(100, 200), (730, 200), (730, 1080), (100, 1080)], np.float64)
PICTURE = (1200, 1200)


def lengthwise_card(left: float, right: float, top: float, bottom: float) -> np.ndarray:
    """Draw a card of 88 x 63 mm with these borders in mm on a gray table, (H, W, 3) uint8."""
    # Turned counterclockwise, the top of the upright drawing is at the left and its right side on top.
    upright = picture_of_card(bottom, top, left, right)
    drawn = np.ascontiguousarray(np.rot90(upright))
    return cv2.copyMakeBorder(drawn, 250, 250, 250, 250, cv2.BORDER_CONSTANT, value=(60, 62, 66))


@pytest.mark.parametrize(
    ("quad", "upward", "first", "is_known"),
    [
        pytest.param(LYING, (0.02, 0.02), 0, False, id="lying, no direction: as pictured"),
        pytest.param(LYING, (-0.9, 0.0), 3, True, id="a portrait card on its left side"),
        pytest.param(LYING, (0.0, -0.9), 0, True, id="surely printed lengthwise"),
        pytest.param(STANDING, (0.02, 0.02), 0, False, id="standing, no direction"),
    ],
)
def test_the_printed_top_follows_from_the_direction_of_the_print_and_else_from_the_picture(
    quad, upward, first, is_known
):
    ordered, known = _order_from_printed_top(quad, np.array(upward), PICTURE)
    np.testing.assert_array_equal(ordered, np.roll(quad, -first, axis=0))
    assert known == is_known


def test_a_lying_card_with_a_weak_hint_of_a_portrait_print_is_taken_as_portrait():
    ordered, known = _order_from_printed_top(LYING, np.array((0.4, 0.0)), PICTURE)
    assert not known and np.linalg.norm(ordered[1] - ordered[0]) == 630, "a short side is the top"


def test_the_size_of_a_card_printed_lengthwise_is_the_known_size_turned():
    assert card_size(LYING) == CardSize(TRADING.height_mm, TRADING.width_mm, TRADING.name)
    assert card_size(STANDING) == TRADING


@pytest.fixture(scope="module")
def lengthwise():
    """A side with a left border of 2 mm, a right one of 4 mm, and 3 mm above and below."""
    rgb = lengthwise_card(2.0, 4.0, 3.0, 3.0)
    return CardSide("e" * 64, rgb, find_card(rgb))


def test_the_borders_of_a_card_printed_lengthwise_are_those_of_the_picture(lengthwise):
    centering = lengthwise.centering
    measured = [getattr(centering, f"{name}_mm") for name in ("left", "right", "top", "bottom")]
    assert measured == pytest.approx([2.0, 4.0, 3.0, 3.0], abs=0.1)
    assert lengthwise.measurements.flat.size.width_mm == 88.0
    assert lengthwise.detection.note == TAKEN_AS_LENGTHWISE != UP_UNKNOWN


def test_the_network_gets_a_card_printed_lengthwise_turned_upright_and_the_page_gets_it_back(lengthwise):
    height, width = lengthwise.card.shape[:2]
    assert height > width, "the network was trained on cards higher than wide"
    canvas = lengthwise.canvas((88, 63)).astype(float)
    # The narrow border of 2 mm, at the left in the picture, is on top.
    is_border = (np.abs(canvas - (210, 180, 40)).max(axis=2) < 40)[:, 20:40].mean(axis=1) > 0.8
    assert (is_border[1], is_border[3], is_border[-4]) == (True, False, True)
    shown = pictures_of(GradedCard({"front": lengthwise, "back": None}), "front")["card"]
    assert shown.shape[1] > shown.shape[0]
    borders = np.abs(shown.astype(float) - (210, 180, 40)).max(axis=2) < 40
    row = borders[shown.shape[0] // 2]
    assert row[: 3 * 8].mean() < row[-3 * 8 :].mean(), "left 2 mm, right 4 mm, as in the picture"


def test_a_heat_map_lies_on_a_card_printed_lengthwise_where_the_network_looked(lengthwise):
    """Hot at the top of the upright canvas, which is the left of the card as printed."""
    saliency = np.zeros((88, 63), np.float32)
    saliency[:20] = 1.0
    alpha = map_picture(lengthwise, saliency)[..., 3]
    rows, columns = np.nonzero(alpha > 128)
    assert alpha.shape[1] > alpha.shape[0]
    assert columns.mean() < 0.3 * alpha.shape[1] and np.ptp(rows) > 0.6 * alpha.shape[0]


def test_an_unusual_size_is_named_with_the_grade_and_in_the_report():
    """A card of 46 x 88 mm at any distance: its millimeters are relative, and it is said."""
    picture = picture_of_card(3.0, 3.0, 3.0, 3.0)
    narrow = cv2.resize(picture, (round(picture.shape[1] * 0.75), picture.shape[0]), interpolation=cv2.INTER_AREA)
    standard, unusual = side_of(picture), side_of(narrow, (card_quad() + 0.5) * (0.75, 1.0) - 0.5)
    for side, is_named in ((standard, False), (unusual, True)):
        graded = limit_by_centering(GradedCard({"front": side, "back": None}))
        assert (UNUSUAL_SIZE_NOTE.format("front") in graded.reasons) == is_named
        size = report(graded)["front"]["size"]
        assert size["name"] == (UNUSUAL_SIZE if is_named else TRADING.name)
        assert size["width_mm"] == pytest.approx(63 * 0.75 if is_named else 63, abs=0.3)
    assert "63 x 88 mm (trading card)" in verdict_html(GradedCard({"front": standard, "back": None}))
