"""Corners that the user lays on the picture: what the page may send, and what is graded with them."""

from __future__ import annotations

import numpy as np
import pytest

from app.screens.outline_editor import outline_from_page, outline_value
from engine.inference.card_side import with_outline
from tests.app.card_factory import PX_PER_MM, card_quad, picture_of_card, side_of

SHA256 = "0" * 64
SQUARE = [[0, 0], [200, 0], [200, 200], [0, 200]]


def test_only_corners_that_the_user_laid_are_taken():
    value = {"sha256": SHA256, "quad": SQUARE, "by_hand": True}
    assert outline_from_page(value).quad == ((0, 0), (200, 0), (200, 200), (0, 200))
    assert outline_from_page({**value, "by_hand": False}) is None, "found corners are no measurement by hand"


@pytest.mark.parametrize(
    "changed",
    [
        {"quad": [[0, 0], [200, 200], [200, 0], [0, 200]]},
        {"quad": [[0, 0], [1e9, 0], [200, 200], [0, 200]]},
        {"quad": [[0, 0], [50, 0], [50, 50], [0, 50]]},
        {"quad": [[0, 0]] * 4},
        {"quad": SQUARE[:3]},
        {"sha256": "../../etc"},
        {"quad": None},
    ],
)
def test_corners_that_enclose_no_card_are_not_taken(changed):
    assert outline_from_page({"sha256": SHA256, "quad": SQUARE, "by_hand": True, **changed}) is None
    assert outline_from_page(None) is None and outline_from_page("") is None


def test_laid_corners_are_measured_in_place_of_those_found(data_home):
    """Found 3 mm too far right and down; laid where the card was drawn, its borders are those drawn."""
    wrong = side_of(picture_of_card(3.5, 2.5, 3.0, 3.0), card_quad() + 3.0 * PX_PER_MM)
    laid = with_outline(wrong, card_quad())
    np.testing.assert_array_equal(laid.detection.quad, card_quad())
    assert (laid.detected, laid.detection.confidence, wrong.detected) == (wrong.detection, 1.0, None)
    assert [laid.centering.left_mm, laid.centering.right_mm] == pytest.approx([3.5, 2.5], abs=0.1)
    value = outline_value("front", laid, data_home.data)
    assert (
        value["by_hand"] and value["found"] == wrong.detection.quad.tolist() and value["quad"] == card_quad().tolist()
    )


def test_a_quarter_turn_shows_what_was_at_the_left_at_the_top():
    side = side_of(picture_of_card(3.5, 2.5, 3.0, 3.0))
    turned = with_outline(side, np.roll(card_quad(), 1, axis=0))
    np.testing.assert_allclose(turned.detection.quad[1], card_quad()[0])
    assert turned.is_landscape
