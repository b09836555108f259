"""Homography between card mm and picture pixels, against the linear equations solve_homography homography NumPy."""

import numpy as np

from engine.image.card_coordinates import apply_homography, corners_mm, millimeters_to_picture
from engine.image.rectify import TRADING

QUAD = np.array([(10, 20), (400, 35), (390, 610), (5, 580)], np.float64)


def solve_homography(source, target):
    """Solve the (3, 3) homography of four point pairs, with its last entry 1."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(rows), target.reshape(-1)), 1).reshape(3, 3)


def test_a_card_s_corners_map_to_the_corners_of_its_quad():
    to_picture = millimeters_to_picture(QUAD, TRADING)
    np.testing.assert_allclose(apply_homography(to_picture, corners_mm(TRADING)), QUAD, atol=1e-3)
    np.testing.assert_allclose(to_picture, solve_homography(corners_mm(TRADING), QUAD), rtol=1e-4, atol=1e-6)


def test_points_of_any_shape_are_mapped_one_by_one():
    homography = millimeters_to_picture(QUAD, TRADING)
    points = np.random.default_rng(0).uniform(0, 60, (4, 2, 2))
    homogeneous = np.concatenate([points, np.ones((4, 2, 1))], axis=-1) @ homography.T
    np.testing.assert_allclose(apply_homography(homography, points), homogeneous[..., :2] / homogeneous[..., 2:])
    np.testing.assert_allclose(
        apply_homography(np.linalg.inv(homography), apply_homography(homography, points)), points, atol=1e-9
    )
