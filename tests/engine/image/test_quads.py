"""Quads against coordinates worked out by hand."""

import numpy as np
import pytest

from engine.image.quads import clockwise, longer_side, quad_from_lines, side_directions, side_lengths

RECTANGLE = np.array([(10.0, 20), (40, 20), (40, 60), (10, 60)])


def test_corners_are_ordered_clockwise_on_the_screen_from_the_upper_left():
    for mixed in ([2, 0, 3, 1], [3, 2, 1, 0], [1, 2, 3, 0]):
        np.testing.assert_array_equal(clockwise(RECTANGLE[mixed]), RECTANGLE)


def test_normals_of_a_clockwise_quad_point_outward():
    along, normals = side_directions(RECTANGLE)
    np.testing.assert_allclose(along, [(1, 0), (0, 1), (-1, 0), (0, -1)], atol=1e-12)
    np.testing.assert_allclose(normals, [(0, -1), (1, 0), (0, 1), (-1, 0)], atol=1e-12)


def test_side_lengths_are_those_of_the_rectangle():
    np.testing.assert_allclose(side_lengths(RECTANGLE), [30, 40, 30, 40])
    assert longer_side(RECTANGLE) == pytest.approx(40)


def test_corners_are_the_intersections_of_neighboring_lines():
    along, _ = side_directions(RECTANGLE)
    middles = (RECTANGLE + np.roll(RECTANGLE, -1, axis=0)) / 2
    np.testing.assert_allclose(quad_from_lines(list(zip(middles, along, strict=True))), RECTANGLE, atol=1e-9)


def test_parallel_neighbors_have_no_corner():
    lines = [(np.array([0.0, y]), np.array([1.0, 0.0])) for y in range(4)]
    assert quad_from_lines(lines) is None
