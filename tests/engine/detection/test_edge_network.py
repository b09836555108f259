"""What is seen along the sides of an outline, in pictures whose every pixel is known; and the lines chosen from it."""

import cv2
import numpy as np

from benchmarks.accuracy.find import corner_error
from engine.detection.edge_network import (
    DEPTHS,
    POSITIONS,
    SEEN_POSITIONS,
    depths,
    likely_ends,
    positions,
    strips_along,
)
from engine.detection.quad_search import choose_sides

QUAD = np.array([(60.0, 50), (160, 50), (160, 190), (60, 190)])


def slopes_across(height=240, width=220):
    """Red is a pixel's column, green its row."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0], rgb[..., 1] = np.arange(width), np.arange(height)[:, None]
    return rgb


def test_a_strip_runs_along_its_side_and_outward():
    strips = strips_along(slopes_across(), QUAD, reach_px=16.0).astype(float)
    x, y = 60 + 100 * positions(SEEN_POSITIONS), 50 + 140 * positions(SEEN_POSITIONS)
    out = depths(16.0)
    for side, (column, row) in enumerate(
        [(x[:, None], 50 - out), (160 + out, y[:, None]), (x[::-1, None], 190 + out), (60 - out, y[::-1, None])]
    ):
        np.testing.assert_allclose(strips[side, ..., 0], np.broadcast_to(column, strips.shape[1:3]), atol=1.0)
        np.testing.assert_allclose(strips[side, ..., 1], np.broadcast_to(row, strips.shape[1:3]), atol=1.0)


def test_what_lies_outside_the_picture_is_marked_as_such():
    strips = strips_along(slopes_across(), QUAD + np.array([55.0, 0]), reach_px=16.0)
    right = 215 + depths(16.0)
    np.testing.assert_array_equal(strips[1, 0, :, 3] == 255, right < 219.5)
    assert (strips[3, ..., 3] == 255).all()


def test_depths_are_even_and_centred_on_the_side():
    out = depths(8.0)
    assert len(out) == DEPTHS
    np.testing.assert_allclose(np.diff(out), 0.25)
    np.testing.assert_allclose(out + out[::-1], 0, atol=1e-12)


def test_each_position_says_where_the_card_ends_in_chances_that_sum_to_one():
    chances, is_card = likely_ends(slopes_across(), QUAD, reach_px=16.0)
    assert chances.shape == (4, POSITIONS, DEPTHS)
    np.testing.assert_allclose(chances.sum(axis=2), 1, atol=1e-4)
    assert 0 <= is_card <= 1


def framed_card(seed):
    """A light card with a dark frame printed inside it, on a middling ground with a little noise."""
    random = np.random.default_rng(seed)
    rgb = np.full((480, 400, 3), 120, np.float32)
    cv2.rectangle(rgb, (80, 60), (319, 394), (235, 232, 225), -1)
    cv2.rectangle(rgb, (96, 76), (303, 378), (30, 30, 40), 3)
    cv2.rectangle(rgb, (104, 84), (295, 370), random.uniform(60, 200, 3).tolist(), -1)
    return np.clip(cv2.GaussianBlur(rgb, (0, 0), 0.7) + random.normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)


def test_the_card_s_own_edge_is_chosen_though_the_outline_lay_on_the_frame_printed_inside():
    truth = np.array([(79.5, 59.5), (319.5, 59.5), (319.5, 394.5), (79.5, 394.5)])
    frame = np.array([(94.5, 74.5), (304.5, 74.5), (304.5, 379.5), (94.5, 379.5)])
    for seed in range(3):
        chosen = choose_sides(framed_card(seed), frame, reach=0.16)
        assert corner_error(chosen.quad, truth) < 0.012
        assert chosen.clarity.min() > 0.1
