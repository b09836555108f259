"""Six channels against OpenCV's floating-point functions."""

import cv2
import numpy as np
import pytest

from engine.preprocessing.channels import six_channels


def textured(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.0)


def plain_opencv(rgb):
    """Derive the channels by definition, with OpenCV in double precision."""
    lightness, a, b = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB))
    lightness = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lightness)
    derivatives = [
        cv2.Sobel(lightness, cv2.CV_64F, 1, 0, ksize=3),
        cv2.Sobel(lightness, cv2.CV_64F, 0, 1, ksize=3),
        cv2.Laplacian(lightness, cv2.CV_64F, ksize=1),
    ]
    return np.stack([lightness, a, b, *(np.minimum(np.abs(d), 255) for d in derivatives)]) / 255


@pytest.mark.parametrize(("height", "width"), [(448, 448), (224, 224), (200, 150), (97, 61)])
def test_the_channels_are_opencv_s(height, width):
    rgb = textured(height, width)
    channels = six_channels(rgb)
    assert channels.dtype == np.float32
    np.testing.assert_allclose(channels, plain_opencv(rgb), atol=1e-6)


def test_a_picture_s_channels_do_not_change_when_the_next_is_made():
    first = six_channels(textured(64, 64, seed=1))
    copy = first.copy()
    six_channels(textured(64, 64, seed=2))
    np.testing.assert_array_equal(first, copy)
