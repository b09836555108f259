"""The quality gate on pictures whose flaw is known."""

import cv2
import numpy as np

from engine.image.find import Found, bounds
from engine.image.quality import assess, picture_quality


def textured():
    noise = np.random.default_rng(0).integers(40, 216, (440, 315, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.0)


def test_a_blurred_picture_is_less_sharp_than_the_same_unblurred():
    rgb = textured()
    assert picture_quality(cv2.GaussianBlur(rgb, (0, 0), 3)).sharpness < picture_quality(rgb).sharpness


def test_a_dark_picture_is_not_called_good():
    assert picture_quality((textured() * 0.1).astype(np.uint8)).verdict != "good"


def test_the_resolution_of_a_card_that_fills_the_picture_is_its_pixels_over_its_millimetres():
    rgb = textured()
    quality = assess(rgb, Found("scan", bounds(rgb), 1.0))
    assert quality.px_per_mm is not None
    assert abs(quality.px_per_mm - 5.0) < 0.01
