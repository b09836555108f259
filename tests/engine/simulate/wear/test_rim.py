"""The card's outline and strips along it, against circles, rectangles and OpenCV's areas."""

import cv2
import numpy as np
import pytest

from engine.image.rectify import TRADING
from engine.simulate.print.games import Grid
from engine.simulate.wear.masks import drawn, filled
from engine.simulate.wear.rim import Recess, Rim, along, area_mm2, length_mm, mirrored_points
from engine.simulate.wear.shapes import blob, laid_out, ragged, shared_out, stroke

GRID = Grid(TRADING, 1050)
CENTRES = np.array([(3.0, 3.0), (60.0, 3.0), (60.0, 85.0), (3.0, 85.0)])


@pytest.mark.parametrize("corner", range(4))
def test_a_corner_is_a_quarter_circle_between_straight_edges(corner):
    points = Rim(TRADING, (3.0,) * 4).corner_points(corner, along(-5, 5))
    away = np.linalg.norm(points - CENTRES[corner], axis=1)
    on_arc = np.abs(along(-5, 5)) < 3 * np.pi / 4
    assert away[on_arc] == pytest.approx(3.0)
    to_edge = np.minimum(points, [TRADING.width_mm, TRADING.height_mm] - points).min(axis=1)
    assert to_edge[~on_arc] == pytest.approx(0.0, abs=1e-9)
    assert length_mm(points) == pytest.approx(10.0, rel=1e-3)
    # Clockwise on a picture whose y runs down: the middle lies to the right of the way.
    ahead, inside = points[-1] - points[0], CENTRES[corner] - points[0]
    assert ahead[0] * inside[1] - ahead[1] * inside[0] > 0


def test_what_a_rounded_corner_lacks_is_the_square_less_the_quarter_circle():
    for radius in (0.4, 3.0, 6.0):
        lost = area_mm2(Rim(TRADING, (radius,) * 4).corner_outside(2))
        assert lost == pytest.approx(radius**2 * (1 - np.pi / 4), rel=0.01)


def test_a_strip_along_an_edge_is_as_large_as_it_is_long_and_deep():
    rim = Rim(TRADING, (3.0,) * 4)
    for edge in range(4):
        strip = rim.edge_strip(edge, along(10, 30), np.full(len(along(10, 30)), 0.5))
        assert area_mm2(strip) == pytest.approx(10.0)
        assert (strip >= -1e-9).all()
        assert (strip <= np.array([TRADING.width_mm, TRADING.height_mm]) + 1e-9).all()


def test_the_other_side_of_the_other_side_is_this_side():
    bite = Recess(np.array([20.0, 21, 23]), np.array([0.0, 1, 0]))
    fray = Recess(np.array([-1.0, 0.5, 1.5]), np.array([0.0, 0.2, 0]))
    rim = Rim(TRADING, (3.0, 3.2, 4.0, 3.1), (fray, None, None, None), ((1, bite),))
    there = rim.mirrored()
    assert there.radii_mm == (3.2, 3.0, 3.1, 4.0)
    assert there.bites[0][0] == 3
    outlines = [
        (rim.corner_points(0, along(-4, 4)), there.corner_points(1, along(-4, 4))),
        (rim.edge_strip(1, along(20, 23), np.full(len(along(20, 23)), 0.3)), None),
    ]
    here, behind = outlines[0]
    assert mirrored_points(behind, TRADING)[::-1] == pytest.approx(here)
    back = there.mirrored()
    assert back.radii_mm == rim.radii_mm
    assert back.corner_points(0, along(-4, 4)) == pytest.approx(here)
    assert back.edge_strip(1, along(19, 24), np.zeros(len(along(19, 24)))) == pytest.approx(
        rim.edge_strip(1, along(19, 24), np.zeros(len(along(19, 24))))
    )


@pytest.mark.parametrize("area", [0.06, 0.25, 1.0, 8.0, 60.0])
def test_the_pixels_of_a_patch_add_up_to_its_area(area):
    random = np.random.default_rng(3)
    ratios = []
    for _ in range(12):
        outline = blob(random, area) + np.array([31.4, 40.7]) + random.random(2)
        assert area_mm2(outline) == pytest.approx(area)
        assert cv2.contourArea(outline.astype(np.float32)) == pytest.approx(area, rel=1e-3)
        patch = filled(outline, GRID)
        ratios.append(patch.mask.sum() / 255 / GRID.px_per_mm**2 / area)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.02)


def test_a_strip_on_the_rim_covers_its_area_too():
    random = np.random.default_rng(5)
    rim, places = Rim(TRADING, (3.0,) * 4), along(15, 27)
    for edge in range(4):
        strip = rim.edge_strip(edge, places, 0.2 * ragged(random, len(places)))
        mask = filled(strip, GRID).mask
        assert mask.sum() / 255 / GRID.px_per_mm**2 == pytest.approx(area_mm2(strip), rel=0.06)


@pytest.mark.parametrize("width_mm", [0.06, 0.12, 0.2, 0.35, 0.6])
def test_a_line_covers_its_width_times_its_length_even_where_it_is_thinner_than_a_pixel(width_mm):
    line = np.array([(10.0, 20.0), (40.0, 30.0)])
    mask = drawn(line, width_mm, GRID).mask
    assert mask.sum() / 255 / GRID.px_per_mm**2 == pytest.approx(width_mm * length_mm(line), rel=0.06)


def test_strokes_have_their_length_and_shares_their_total():
    random = np.random.default_rng(6)
    for length in (0.7, 5.0, 48.0):
        assert length_mm(stroke(random, length, bend=0.4, kinks=0.2)) == pytest.approx(length)
    parts = shared_out(random, 37.0, 16.0)
    assert parts.sum() == pytest.approx(37.0)
    assert parts.max() <= 16.0
    starts = laid_out(random, parts, 5.0, 60.0)
    order = np.argsort(starts)
    ends = (starts + parts)[order]
    assert (starts[order][1:] > ends[:-1]).all()
    assert starts.min() >= 5.0
    assert ends.max() <= 60.0 + 1e-9
