"""The finder on pictures whose card is known."""

import cv2
import numpy as np

from engine.image.find import bounds, find_card


def test_a_dark_card_on_a_light_table_is_found_within_a_pixel_or_two():
    quad = np.array([(60, 50), (240, 80), (220, 350), (50, 330)], np.float64)
    rgb = np.full((400, 300, 3), 230, np.uint8)
    cv2.fillConvexPoly(rgb, quad.astype(np.int32), (60, 40, 90))
    found = find_card(rgb)
    assert np.abs(found.quad - quad).max() < 3


def test_a_picture_without_an_outline_is_taken_whole_and_says_so():
    rgb = np.full((100, 80, 3), 128, np.uint8)
    found = find_card(rgb)
    assert found.whole_picture
    assert found.note
    np.testing.assert_array_equal(found.quad, bounds(rgb))
