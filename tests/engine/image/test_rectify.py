"""Rectification against high supersampling, the inverse warp, and pictures with known pixels."""

import cv2
import numpy as np
import pytest

from engine.detection.find_card import picture_bounds
from engine.image.rectify import TRADING, card_canvas, px_per_mm, rectify, rectify_card


def detailed(height=900, width=700):
    """Draw sharp text-like strokes over smooth color: as hard to resample as print."""
    random = np.random.default_rng(3)
    rgb = cv2.resize(random.integers(0, 256, (9, 7, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(150):
        x, y = random.integers(0, width), random.integers(0, height)
        cv2.putText(rgb, "Loupe", (int(x), int(y)), 0, 0.7, random.integers(0, 256, 3).tolist(), 1, cv2.LINE_AA)
    return cv2.GaussianBlur(rgb, (0, 0), 0.8)


def supersampled(rgb, quad, size, supersampling, interpolation):
    """Rectify by definition: sample far more finely than both pictures, then average over each output pixel."""
    height, width = size[0] * supersampling, size[1] * supersampling
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5
    homography = cv2.getPerspectiveTransform(quad.astype(np.float32), corners.astype(np.float32))
    fine = cv2.warpPerspective(rgb, homography, (width, height), flags=interpolation, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(fine, size[::-1], interpolation=cv2.INTER_AREA)


TILTED = np.array([(140, 60), (610, 110), (560, 840), (90, 790)], np.float64)


@pytest.mark.parametrize("height", [50, 80, 110, 150, 200, 230, 260, 280, 330, 400, 500, 600])
def test_shrinking_is_within_45_decibels_of_high_supersampling(height):
    rgb, size = detailed(), (height, round(height * 63 / 88))
    reference = supersampled(rgb, TILTED, size, 1 + 2400 // height, cv2.INTER_LINEAR)
    assert cv2.PSNR(rectify(rgb, TILTED, size=size), reference) >= 45


@pytest.mark.parametrize("height", [750, 1100, 1500])
def test_enlarging_is_within_45_decibels_of_high_cubic_supersampling(height):
    rgb, size = detailed(), (height, round(height * 63 / 88))
    reference = supersampled(rgb, TILTED, size, 5, cv2.INTER_CUBIC)
    assert cv2.PSNR(rectify(rgb, TILTED, size=size), reference) >= 45


def test_halving_a_picture_averages_each_two_by_two_pixels():
    rgb = np.random.default_rng(0).integers(0, 256, (88, 62, 3), dtype=np.uint8)
    mean = rgb.reshape(44, 2, 31, 2, 3).mean(axis=(1, 3))
    assert np.abs(rectify(rgb, picture_bounds(rgb.shape[:2]), size=(44, 31)) - mean).max() <= 0.51


def test_the_corners_of_the_quad_become_the_corners_of_the_picture():
    rgb = np.zeros((400, 300, 3), np.uint8)
    quad = np.array([(50, 40), (250, 60), (240, 350), (40, 330)], np.float64)
    cv2.fillConvexPoly(rgb, quad.astype(np.int32), (200, 200, 200))
    inside = rectify(rgb, quad, size=(290, 200))
    assert (inside[3:-3, 3:-3] > 195).all()
    wider = quad + (quad - quad.mean(axis=0)) * 0.05
    assert rectify(rgb, wider, size=(290, 200))[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0


def test_a_sideways_card_is_turned_upright():
    rgb = np.zeros((63, 88, 3), np.uint8)
    rgb[:, 80:] = 255
    top_at_the_right = np.roll(picture_bounds(rgb.shape[:2]), -1, axis=0)
    upright = rectify(rgb, top_at_the_right, size=(88, 63))
    assert upright[:6].min() > 200
    assert upright[10:].max() < 50


def test_the_canvas_keeps_the_aspect_and_pads_with_black():
    canvas = card_canvas(np.full((88, 63, 3), 200, np.uint8), picture_bounds((88, 63)), size=176)
    assert canvas.shape == (176, 176, 3)
    assert (canvas[:, 25:151] == 200).all()
    assert not canvas[:, :25].any()
    assert not canvas[:, 151:].any()


def test_the_whole_card_keeps_the_picture_s_resolution_up_to_twenty_pixels_a_millimeter():
    rgb = np.zeros((2700, 1950, 3), np.uint8)
    quad = np.array([(0, 0), (630, 0), (630, 880), (0, 880)], np.float64)
    assert px_per_mm(quad, TRADING) == pytest.approx(10)
    assert rectify_card(rgb, quad, TRADING).shape == (880, 630, 3)
    assert rectify_card(rgb, quad * 3, TRADING).shape == (1760, 1260, 3)
