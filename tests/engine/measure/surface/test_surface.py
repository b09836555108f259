"""Scratches and creases against drawings, and where the surface abstains."""

import cv2
import numpy as np
import pytest

from engine.measure.side.measure_side import lay_by_edges, measure_side
from engine.measure.surface.surface import NoSurface, Surface, measure_surface
from tests.engine.measure.card_factory import DrawnCard, box

SCRATCH = np.array([(20.0, 30.0), (27.0, 40.5), (35.0, 50.0)])


def looked(card: DrawnCard, kind="scan", blurred=0.0):
    rgb = card.picture()
    if blurred:
        rgb = cv2.GaussianBlur(rgb, (0, 0), blurred)
    flat, _ = lay_by_edges(rgb, card.quad(), card.size, kind)
    return measure_surface(flat)


def art(**more):
    """A card with a few flat shapes on it."""
    shapes = [(box(8, 10, 55, 45), (70, 110, 150)), (box(15, 30, 40, 70), (120, 60, 60))]
    return DrawnCard(patches=shapes, **more)


def test_a_scratch_across_print_is_found_with_its_place_and_length():
    surface = looked(art(lines=[(SCRATCH, 0.12, (225, 225, 222))]))
    assert isinstance(surface, Surface)
    longest = max(surface.finds, key=lambda find: find.length_mm)
    assert longest.kind == "scratch"
    length = np.linalg.norm(np.diff(SCRATCH, axis=0), axis=1).sum()
    assert longest.length_mm == pytest.approx(length, rel=0.15)
    ends = sorted([longest.points_mm[0].tolist(), longest.points_mm[-1].tolist()], key=lambda end: end[1])
    np.testing.assert_allclose(ends, SCRATCH[[0, -1]], atol=1.5)


def test_a_fold_with_a_lit_and_a_shaded_flank_is_a_crease():
    fold = np.array([(12.0, 75.0), (30.0, 60.0), (50.0, 48.0)])
    shade = fold + np.array([0.2, 0.25])
    card = art(lines=[(shade, 0.35, (60, 48, 34)), (fold - (0.1, 0.12), 0.35, (205, 175, 140))])
    finds = looked(card).finds
    assert any(find.kind == "crease" and find.length_mm > 20 for find in finds)


def test_a_clean_card_has_no_finds_though_its_print_has_edges_and_lines():
    card = art(lines=[(np.array([(8.0, 48.0), (55.0, 48.0)]), 0.15, (235, 235, 235))])
    surface = looked(card)
    assert surface.finds == ()
    assert not surface.patterned


def test_a_pattern_of_many_slanting_lines_is_foil_and_no_damage():
    stripes = [(np.array([(8.0 + x, 12.0), (20.0 + x, 44.0)]), 0.15, (190, 210, 225)) for x in np.arange(0, 35, 0.9)]
    surface = looked(art(lines=stripes))
    assert surface.finds == ()
    assert surface.patterned


def test_it_abstains_where_resolution_focus_or_glare_hide_scratches():
    coarse, soft = looked(DrawnCard(px_per_mm=6.0)), looked(art(), blurred=2.5)
    burnt = looked(DrawnCard(inside=(255, 255, 255), noise=0.0), kind="photo")
    assert all(isinstance(surface, NoSurface) for surface in (coarse, soft, burnt))
    assert coarse.reason == "6.0 px/mm; scratches show from 8 px/mm on (about 200 dpi)"
    assert "too soft" in soft.reason
    assert "glare hides" in burnt.reason


def test_a_scratched_side_is_measured_whole():
    card = art(lines=[(SCRATCH, 0.12, (225, 225, 222))])
    told = measure_side(card.picture(), card.quad(), card.size, "scan")
    assert (len(told.corners), len(told.edges)) == (4, 4)
    assert told.centering.lr == pytest.approx(50, abs=1)
    assert told.surface.finds[0].kind in ("scratch", "crease")
