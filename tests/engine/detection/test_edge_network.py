"""Strips along the sides of a quad, in pictures with known pixels, and the quad search on them."""

import cv2
import numpy as np

from benchmarks.accuracy.card_detection import corner_error
from engine.detection.edge_network import (
    DEPTHS,
    INPUT_POSITIONS,
    POSITIONS,
    depth_offsets_px,
    position_fractions,
    predict_edges,
    sample_strips,
)
from engine.detection.quad_search import search_quad

QUAD = np.array([(60.0, 50), (160, 50), (160, 190), (60, 190)])


def coordinate_picture(height=240, width=220):
    """Draw a picture whose red is the pixel's column and whose green is its row."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0], rgb[..., 1] = np.arange(width), np.arange(height)[:, None]
    return rgb


def test_a_strip_runs_along_its_side_and_outward():
    strips = sample_strips(coordinate_picture(), QUAD, reach_px=16.0).astype(float)
    x, y = 60 + 100 * position_fractions(INPUT_POSITIONS), 50 + 140 * position_fractions(INPUT_POSITIONS)
    offsets_px = depth_offsets_px(16.0)
    for side, (column, row) in enumerate(
        [
            (x[:, None], 50 - offsets_px),
            (160 + offsets_px, y[:, None]),
            (x[::-1, None], 190 + offsets_px),
            (60 - offsets_px, y[::-1, None]),
        ]
    ):
        np.testing.assert_allclose(strips[side, ..., 0], np.broadcast_to(column, strips.shape[1:3]), atol=1.0)
        np.testing.assert_allclose(strips[side, ..., 1], np.broadcast_to(row, strips.shape[1:3]), atol=1.0)


def test_samples_outside_the_picture_are_masked():
    strips = sample_strips(coordinate_picture(), QUAD + np.array([55.0, 0]), reach_px=16.0)
    right = 215 + depth_offsets_px(16.0)
    np.testing.assert_array_equal(strips[1, 0, :, 3] == 255, right < 219.5)
    assert (strips[3, ..., 3] == 255).all()


def test_depths_are_evenly_spaced_and_centered_on_the_side():
    offsets_px = depth_offsets_px(8.0)
    assert len(offsets_px) == DEPTHS
    np.testing.assert_allclose(np.diff(offsets_px), 0.25)
    np.testing.assert_allclose(offsets_px + offsets_px[::-1], 0, atol=1e-12)


def test_edge_probabilities_of_each_position_sum_to_one():
    probabilities, card_probability = predict_edges(coordinate_picture(), QUAD, reach_px=16.0)
    assert probabilities.shape == (4, POSITIONS, DEPTHS)
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-4)
    assert 0 <= card_probability <= 1


def framed_card(seed):
    """Draw a light card with a dark frame printed inside it, on a mid-gray background with a little noise."""
    random = np.random.default_rng(seed)
    rgb = np.full((480, 400, 3), 120, np.float32)
    cv2.rectangle(rgb, (80, 60), (319, 394), (235, 232, 225), -1)
    cv2.rectangle(rgb, (96, 76), (303, 378), (30, 30, 40), 3)
    cv2.rectangle(rgb, (104, 84), (295, 370), random.uniform(60, 200, 3).tolist(), -1)
    return np.clip(cv2.GaussianBlur(rgb, (0, 0), 0.7) + random.normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)


def test_the_card_s_edge_is_chosen_even_if_the_rough_quad_is_the_frame_printed_inside():
    truth = np.array([(79.5, 59.5), (319.5, 59.5), (319.5, 394.5), (79.5, 394.5)])
    frame = np.array([(94.5, 74.5), (304.5, 74.5), (304.5, 379.5), (94.5, 379.5)])
    for seed in range(3):
        scored = search_quad(framed_card(seed), frame, reach=0.16)
        assert corner_error(scored.quad, truth) < 0.012
        assert scored.side_confidences.min() > 0.1
