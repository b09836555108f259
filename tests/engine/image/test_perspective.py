"""Aspect and tilt of quads projected by known cameras."""

import cv2
import numpy as np
import pytest

from engine.image.perspective import quad_geometry
from engine.image.rectify import JAPANESE_SMALL, TRADING, card_size


def seen_card(width_mm, height_mm, tilt_deg, towards_deg):
    height, width, focal = 2016, 1512, 0.75
    intrinsics = np.array([(focal * height, 0, (width - 1) / 2), (0, focal * height, (height - 1) / 2), (0, 0, 1)])
    axis = np.radians(tilt_deg) * np.array([np.cos(np.radians(towards_deg)), np.sin(np.radians(towards_deg)), 0])
    corners = (
        np.array([(-width_mm, -height_mm), (width_mm, -height_mm), (width_mm, height_mm), (-width_mm, height_mm)]) / 2
    )
    points_mm = np.column_stack([corners, np.zeros(4)]) @ cv2.Rodrigues(axis)[0].T + np.array([8, -5, 160])
    points_px = points_mm @ intrinsics.T
    return points_px[:, :2] / points_px[:, 2:]


@pytest.mark.parametrize("tilt", [0, 10, 20, 30, 45])
@pytest.mark.parametrize("towards", [0, 30, 45, 90, 200])
def test_aspect_and_tilt_are_the_camera_s(tilt, towards):
    geometry = quad_geometry(seen_card(63, 88, tilt, towards), (2016, 1512))
    # A tilt around a picture axis leaves the focal length undetermined, and a phone's is assumed.
    assert abs(geometry.aspect / (63 / 88) - 1) < (0.02 if tilt <= 30 else 0.05)
    assert abs(geometry.tilt_deg - tilt) < 4


@pytest.mark.parametrize("tilt", [0, 25])
def test_the_size_follows_from_the_aspect(tilt):
    trading = seen_card(63, 88, tilt, 40)
    assert card_size(trading, picture_size=(2016, 1512)) == TRADING
    assert card_size(seen_card(59, 86, tilt, 40), picture_size=(2016, 1512)) == JAPANESE_SMALL


def test_an_unusual_size_keeps_its_aspect_and_names_the_assumption():
    size = card_size(np.array([(0, 0), (366, 0), (366, 667), (0, 667)], np.float64))
    assert abs(size.width_mm / size.height_mm - 366 / 667) < 1e-9
    assert "assumed" in size.name
