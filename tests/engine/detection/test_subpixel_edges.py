"""Sub-pixel sides and corners in draw_quad pictures with exact geometry."""

import cv2
import numpy as np
import pytest

from engine.detection.mask_to_quad import mask_to_quad
from engine.detection.subpixel_edges import refine_quad
from engine.image.quads import clockwise

QUAD = np.array([(80.3, 60.7), (351.2, 75.4), (330.6, 452.8), (61.9, 430.1)])


def draw_quad(quad, size, inside, outside):
    """Draw a filled antialiased quad; size is (height, width)."""
    (height, width), supersampling = size, 8
    fine = np.zeros((height * supersampling, width * supersampling), np.uint8)
    cv2.fillConvexPoly(fine, (((quad + 0.5) * supersampling - 0.5) * 256).round().astype(np.int32), 255, cv2.LINE_8, 8)
    alpha = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    return alpha * np.array(inside, np.float32) + (1 - alpha) * np.array(outside, np.float32)


def photo_of(quad, inside, outside, noise=0.0, seed=0):
    random = np.random.default_rng(seed)
    rgb = cv2.GaussianBlur(draw_quad(quad, (520, 420), inside, outside), (0, 0), 0.8)
    return np.clip(rgb + random.normal(0, noise, rgb.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("inside", "outside", "noise", "within"),
    [
        ((40, 40, 60), (220, 215, 210), 2, 0.15),
        ((230, 230, 225), (246, 244, 240), 1, 0.3),
        ((25, 25, 28), (38, 36, 35), 1, 0.3),
        ((200, 60, 60), (60, 200, 60), 12, 0.3),
    ],
)
def test_corners_are_measured_to_a_fraction_of_a_pixel(inside, outside, noise, within):
    rough = QUAD + np.array([(3, -2), (-3, 3), (2, 3), (-2, -3)])
    refined = refine_quad(photo_of(QUAD, inside, outside, noise), rough, reach=0.035, sigma=0.012)
    refined_again = refine_quad(photo_of(QUAD, inside, outside, noise), refined.quad, reach=0.012, sigma=0.006)
    assert np.abs(refined_again.quad - QUAD).max() < within


def test_rounded_corners_do_not_move_the_corners():
    inside, outside = (40, 40, 60), (220, 215, 210)
    rgb = photo_of(QUAD, inside, outside)
    for corner, inward in zip(QUAD, (QUAD.mean(axis=0) - QUAD) / 250, strict=True):
        cv2.circle(rgb, (corner + inward * 2).round().astype(int).tolist(), 9, outside, -1, cv2.LINE_AA)
    refined = refine_quad(rgb, QUAD + 2.0, reach=0.035, sigma=0.012)
    assert np.abs(refined.quad - QUAD).max() < 0.4


def test_a_thumb_over_a_third_of_a_side_does_not_move_it():
    rgb = photo_of(QUAD, (40, 40, 60), (220, 215, 210))
    cv2.circle(rgb, (350, 330), 60, (200, 150, 120), -1, cv2.LINE_AA)
    refined = refine_quad(rgb, QUAD + 1.5, reach=0.03, sigma=0.012)
    assert np.abs(refined.quad - QUAD).max() < 0.6


def test_a_bent_side_is_reported_as_bowed():
    quad = np.array([(60, 60), (360, 60), (360, 460), (60, 460)], np.float64)
    right = [(360 + 4 * (1 - ((y - 260) / 200) ** 2), y) for y in range(60, 461, 4)]
    outline = np.array([(60, 60), *right, (60, 460)])
    fine = np.zeros((520 * 8, 420 * 8), np.uint8)
    cv2.fillPoly(fine, [((outline + 0.5) * 8 - 0.5).round().astype(np.int32)], 255)
    coverage = cv2.resize(fine, (420, 520), interpolation=cv2.INTER_AREA)
    rgb = np.repeat((220 - coverage * 0.7).astype(np.uint8)[..., None], 3, axis=2)
    bow = refine_quad(rgb, quad, reach=0.03, sigma=0.012).bow_px
    assert 1.5 < bow[1] < 4.5
    assert np.abs(bow[[0, 2, 3]]).max() < 0.4


def test_the_outline_of_a_soft_mask_is_found_to_a_third_of_its_cells():
    quad = QUAD / 5
    mask = cv2.GaussianBlur(draw_quad(quad, (104, 84), (1,), (0,))[..., 0], (0, 0), 0.7)
    rough_quad = mask_to_quad(mask)
    assert np.abs(clockwise(rough_quad) - quad).max() < 0.35


def test_a_mask_that_fills_its_picture_gives_the_picture_s_bounds():
    rough_quad = clockwise(mask_to_quad(np.ones((40, 30), np.float32)))
    np.testing.assert_allclose(rough_quad, [(-0.5, -0.5), (29.5, -0.5), (29.5, 39.5), (-0.5, 39.5)], atol=0.15)


def test_an_empty_mask_has_no_outline():
    assert mask_to_quad(np.zeros((40, 30), np.float32)) is None
