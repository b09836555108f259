"""Photographic augmentation: reproducible, of the same card, and as strong as it says."""

import cv2
import numpy as np
import pytest

from engine.preprocessing.photographic_augmentation import vary_photograph


@pytest.fixture(scope="module")
def canvas():
    """A card with a grid of fine lines and colored areas."""
    picture = np.full((352, 256, 3), 200, np.uint8)
    picture[20:330:6, 20:236] = (30, 60, 160)
    cv2.circle(picture, (128, 176), 60, (220, 40, 40), -1)
    return picture


def varied(canvas, count):
    return [vary_photograph(canvas, np.random.default_rng(seed)) for seed in range(count)]


def test_the_generator_alone_decides_the_change_and_the_canvas_is_left_as_it_is(canvas):
    before = canvas.copy()
    first, again, other = (vary_photograph(canvas, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5
    assert first.shape == canvas.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(canvas, before)


def test_brightness_sharpness_and_color_vary_widely(canvas):
    pictures = varied(canvas, 80)
    brightness = np.array([picture.mean() for picture in pictures])
    sharpness = np.array([cv2.Laplacian(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), cv2.CV_64F).std() for p in pictures])
    saturation = np.array([np.ptp(picture.astype(float), axis=2).mean() for picture in pictures])
    assert brightness.std() > 15
    assert np.percentile(sharpness, 90) > 2 * np.percentile(sharpness, 10)
    assert (saturation < 5).any()
    assert saturation.max() > 1.2 * np.median(saturation)


def test_the_card_stays_where_it_was_within_the_error_of_a_detection(canvas):
    """The centroid of the red disc moves by at most 2 % of a side, and its neighborhood is still round."""
    mask = np.zeros(canvas.shape[:2], np.uint8)
    cv2.circle(mask, (128, 176), 60, 1, -1)
    for picture in varied(canvas, 40):
        if np.ptp(picture.astype(float), axis=2).max() < 60:
            continue  # gray: the disc cannot be told by its color
        red = picture[..., 0].astype(float) - picture[..., 2]
        disc = red > red.min() + 0.6 * np.ptp(red)
        y, x = np.nonzero(disc & (cv2.dilate(mask, np.ones((25, 25))) > 0))
        assert abs(x.mean() - 128) < 0.02 * 256 + 3
        assert abs(y.mean() - 176) < 0.02 * 352 + 3
