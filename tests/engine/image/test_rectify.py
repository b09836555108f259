"""Rectification against the inverse of the warp and pictures whose pixels are known."""

import numpy as np

from engine.image.find import bounds
from engine.image.rectify import card_canvas, rectify


def test_a_picture_rectified_by_its_own_bounds_is_itself():
    rgb = np.random.default_rng(0).integers(0, 256, (88, 63, 3), dtype=np.uint8)
    np.testing.assert_array_equal(rectify(rgb, bounds(rgb), size=(88, 63)), rgb)


def test_halving_a_picture_averages_each_two_by_two_pixels():
    rgb = np.random.default_rng(0).integers(0, 256, (88, 62, 3), dtype=np.uint8)
    mean = rgb.reshape(44, 2, 31, 2, 3).mean(axis=(1, 3))
    assert np.abs(rectify(rgb, bounds(rgb), size=(44, 31)) - mean).max() <= 0.51


def test_the_canvas_keeps_the_aspect_and_pads_with_black():
    canvas = card_canvas(np.full((88, 63, 3), 200, np.uint8), bounds(np.empty((88, 63, 3))), size=176)
    assert canvas.shape == (176, 176, 3)
    assert (canvas[:, 25:151] == 200).all()
    assert not canvas[:, :25].any()
    assert not canvas[:, 151:].any()
