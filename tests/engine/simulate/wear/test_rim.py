"""Rim and strips along it, against circles, rectangles and OpenCV's areas."""

import cv2
import numpy as np
import pytest

from engine.image.rectify import TRADING
from engine.simulate.print.games import Grid
from engine.simulate.wear.masks import line_mask, polygon_mask
from engine.simulate.wear.rim import CardRim, RimRecess, area_mm2, length_mm, mirrored_points, positions_along
from engine.simulate.wear.shapes import blob, ragged_profile, random_starts, split_total, stroke

GRID = Grid(TRADING, 1050)
CENTRES = np.array([(3.0, 3.0), (60.0, 3.0), (60.0, 85.0), (3.0, 85.0)])


@pytest.mark.parametrize("corner", range(4))
def test_a_corner_is_a_quarter_circle_between_straight_edges(corner):
    points = CardRim(TRADING, (3.0,) * 4).corner_points(corner, positions_along(-5, 5))
    distance = np.linalg.norm(points - CENTRES[corner], axis=1)
    on_arc = np.abs(positions_along(-5, 5)) < 3 * np.pi / 4
    assert distance[on_arc] == pytest.approx(3.0)
    to_edge = np.minimum(points, [TRADING.width_mm, TRADING.height_mm] - points).min(axis=1)
    assert to_edge[~on_arc] == pytest.approx(0.0, abs=1e-9)
    assert length_mm(points) == pytest.approx(10.0, rel=1e-3)
    # Clockwise in a picture with y down: the centre is to the right of the direction of travel.
    ahead, inside = points[-1] - points[0], CENTRES[corner] - points[0]
    assert ahead[0] * inside[1] - ahead[1] * inside[0] > 0


def test_a_rounded_corner_lacks_the_square_less_the_quarter_circle():
    for radius in (0.4, 3.0, 6.0):
        area = area_mm2(CardRim(TRADING, (radius,) * 4).lost_corner(2))
        assert area == pytest.approx(radius**2 * (1 - np.pi / 4), rel=0.01)


def test_the_area_of_an_edge_strip_is_length_times_depth():
    rim = CardRim(TRADING, (3.0,) * 4)
    for edge in range(4):
        strip = rim.edge_strip(edge, positions_along(10, 30), np.full(len(positions_along(10, 30)), 0.5))
        assert area_mm2(strip) == pytest.approx(10.0)
        assert (strip >= -1e-9).all()
        assert (strip <= np.array([TRADING.width_mm, TRADING.height_mm]) + 1e-9).all()


def test_mirroring_a_rim_twice_gives_the_same_rim():
    bite = RimRecess(np.array([20.0, 21, 23]), np.array([0.0, 1, 0]))
    fray = RimRecess(np.array([-1.0, 0.5, 1.5]), np.array([0.0, 0.2, 0]))
    rim = CardRim(TRADING, (3.0, 3.2, 4.0, 3.1), (fray, None, None, None), ((1, bite),))
    mirrored = rim.mirrored()
    assert mirrored.radii_mm == (3.2, 3.0, 3.1, 4.0)
    assert mirrored.bites[0][0] == 3
    outlines = [
        (rim.corner_points(0, positions_along(-4, 4)), mirrored.corner_points(1, positions_along(-4, 4))),
        (rim.edge_strip(1, positions_along(20, 23), np.full(len(positions_along(20, 23)), 0.3)), None),
    ]
    front_points, back_points = outlines[0]
    assert mirrored_points(back_points, TRADING)[::-1] == pytest.approx(front_points)
    restored = mirrored.mirrored()
    assert restored.radii_mm == rim.radii_mm
    assert restored.corner_points(0, positions_along(-4, 4)) == pytest.approx(front_points)
    assert restored.edge_strip(1, positions_along(19, 24), np.zeros(len(positions_along(19, 24)))) == pytest.approx(
        rim.edge_strip(1, positions_along(19, 24), np.zeros(len(positions_along(19, 24))))
    )


@pytest.mark.parametrize("area", [0.06, 0.25, 1.0, 8.0, 60.0])
def test_the_pixels_of_a_patch_add_up_to_its_area(area):
    random = np.random.default_rng(3)
    ratios = []
    for _ in range(12):
        outline = blob(random, area) + np.array([31.4, 40.7]) + random.random(2)
        assert area_mm2(outline) == pytest.approx(area)
        assert cv2.contourArea(outline.astype(np.float32)) == pytest.approx(area, rel=1e-3)
        patch = polygon_mask(outline, GRID)
        ratios.append(patch.mask.sum() / 255 / GRID.px_per_mm**2 / area)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.02)


def test_a_strip_on_the_rim_covers_its_area_too():
    random = np.random.default_rng(5)
    rim, positions = CardRim(TRADING, (3.0,) * 4), positions_along(15, 27)
    for edge in range(4):
        strip = rim.edge_strip(edge, positions, 0.2 * ragged_profile(random, len(positions)))
        mask = polygon_mask(strip, GRID).mask
        assert mask.sum() / 255 / GRID.px_per_mm**2 == pytest.approx(area_mm2(strip), rel=0.06)


@pytest.mark.parametrize("width_mm", [0.06, 0.12, 0.2, 0.35, 0.6])
def test_a_line_covers_its_width_times_its_length_even_below_a_pixel(width_mm):
    line = np.array([(10.0, 20.0), (40.0, 30.0)])
    mask = line_mask(line, width_mm, GRID).mask
    assert mask.sum() / 255 / GRID.px_per_mm**2 == pytest.approx(width_mm * length_mm(line), rel=0.06)


def test_strokes_have_their_length_and_parts_sum_to_their_total():
    random = np.random.default_rng(6)
    for length in (0.7, 5.0, 48.0):
        assert length_mm(stroke(random, length, bend=0.4, kinks=0.2)) == pytest.approx(length)
    parts = split_total(random, 37.0, 16.0)
    assert parts.sum() == pytest.approx(37.0)
    assert parts.max() <= 16.0
    starts = random_starts(random, parts, 5.0, 60.0)
    order = np.argsort(starts)
    ends = (starts + parts)[order]
    assert (starts[order][1:] > ends[:-1]).all()
    assert starts.min() >= 5.0
    assert ends.max() <= 60.0 + 1e-9
