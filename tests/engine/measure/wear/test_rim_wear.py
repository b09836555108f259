"""Corners and edges of synthetic cards with wear of known size."""

import numpy as np
import pytest

from engine.measure.side.measure_side import TOO_COARSE_FOR_WEAR, measure_side
from tests.engine.measure.card_factory import DrawnCard, box

PAPER = (236, 234, 228)


def measure_card(card: DrawnCard, kind="scan"):
    return measure_side(card.picture(), card.quad(), card.size, kind)


def test_a_clean_card_has_no_wear():
    side = measure_card(DrawnCard())
    assert [corner.whitening_mm2 for corner in side.corners] == [0, 0, 0, 0]
    assert [edge.whitening_mm for edge in side.edges] == [0, 0, 0, 0]
    assert [edge.worst for edge in side.edges] == [None] * 4
    np.testing.assert_allclose([corner.radius_mm for corner in side.corners], 3.0, atol=0.15)
    assert [corner.rounding_mm for corner in side.corners] == pytest.approx([0.0] * 4, abs=0.15)


@pytest.mark.parametrize("ground", [(20, 20, 22), (235, 235, 235)])
def test_bare_stock_along_an_edge_is_measured_in_length_and_area_on_dark_and_white_ground(ground):
    card = DrawnCard(ground=ground, patches=[(box(20.0, -0.0, 30.0, 0.5), PAPER)])
    top = measure_card(card).edges[0]
    assert top.whitening_mm == pytest.approx(10.0, abs=0.3)
    assert top.area_mm2 == pytest.approx(5.0, rel=0.15)
    assert top.worst.depth_mm == pytest.approx(0.5, abs=0.1)
    assert top.worst.at_mm[1] < 0.5 and 20 <= top.worst.at_mm[0] <= 30
    assert top.damaged_fraction == pytest.approx(10.0 / (63 - 2 * 3.6), abs=0.02)


def test_a_short_deep_bite_of_print_is_a_chip_and_a_long_shallow_one_whitening():
    card = DrawnCard(patches=[(box(62.5, 20.0, 63.0, 21.5), PAPER), (box(62.85, 40.0, 63.0, 60.0), PAPER)])
    right = measure_card(card).edges[1]
    assert right.chipping_mm == pytest.approx(1.5, abs=0.25)
    assert right.whitening_mm == pytest.approx(20.0, abs=0.5)


def test_bare_stock_at_a_corner_counts_to_the_corner_and_not_to_the_edges():
    angle = np.linspace(np.pi, 1.5 * np.pi, 60)
    ring = [np.column_stack([3 + radius * np.cos(angle), 3 + radius * np.sin(angle)]) for radius in (3.0, 2.4)]
    strip = np.concatenate([ring[0], ring[1][::-1]])
    side = measure_card(DrawnCard(borders_mm=(4.0, 4.0, 4.0, 4.0), patches=[(strip, PAPER)], ground=(20, 20, 22)))
    assert side.corners[0].whitening_mm2 == pytest.approx(np.pi / 4 * (3.0**2 - 2.4**2), rel=0.15)
    assert [corner.whitening_mm2 for corner in side.corners[1:]] == [0, 0, 0]
    assert [edge.area_mm2 for edge in side.edges] == [0, 0, 0, 0]


@pytest.mark.parametrize("radius", [2.0, 3.0, 4.5])
def test_a_corner_s_radius_is_measured_to_a_tenth_of_a_millimeter(radius):
    side = measure_card(DrawnCard(radius_mm=radius))
    np.testing.assert_allclose([corner.radius_mm for corner in side.corners], radius, atol=0.15)


def test_wear_on_a_border_as_pale_as_paper_is_not_measured():
    side = measure_card(DrawnCard(border=PAPER, inside=(60, 60, 140), patches=[(box(20, 0, 30, 0.5), PAPER)]))
    assert [corner.whitening_mm2 for corner in side.corners] == [None] * 4
    assert "a border as white as the paper" in side.edges[0].reason


def test_a_corner_that_looks_like_the_ground_has_no_radius():
    side = measure_card(DrawnCard(border=(30, 30, 30), ground=(30, 30, 30)))
    assert [corner.radius_mm for corner in side.corners] == [None] * 4
    assert "a background of another color" in side.corners[0].reason


def test_a_dark_spot_on_the_border_is_a_stain_with_its_location():
    angle = np.linspace(0, 2 * np.pi, 40)
    spot = np.column_stack([31.5 + 1.2 * np.cos(angle), 2.4 + 1.2 * np.sin(angle)])
    card = DrawnCard(borders_mm=(4.0, 4.5, 4.0, 4.0), border=(230, 190, 60), patches=[(spot, (160, 120, 40))])
    stains = measure_card(card).stains
    assert len(stains) == 1
    assert stains[0].at_mm == pytest.approx((31.5, 1.8), abs=0.7)


def test_below_five_pixels_a_millimeter_corners_and_edges_are_not_measured():
    side = measure_card(DrawnCard(px_per_mm=4.0))
    assert [corner.whitening_mm2 for corner in side.corners] == [edge.area_mm2 for edge in side.edges] == [None] * 4
    assert {part.reason for part in (*side.corners, *side.edges)} == {TOO_COARSE_FOR_WEAR}
    assert side.stains is None
