"""Scratches and creases on synthetic cards, and refusals."""

import cv2
import numpy as np
import pytest

from engine.measure.side.measure_side import measure_side, rectify_by_edges
from engine.measure.surface.surface import NoSurface, Surface, measure_surface
from tests.engine.measure.card_factory import DrawnCard, box

SCRATCH = np.array([(20.0, 30.0), (27.0, 40.5), (35.0, 50.0)])


def measure_card_surface(card: DrawnCard, kind="scan", blur=0.0):
    rgb = card.picture()
    if blur:
        rgb = cv2.GaussianBlur(rgb, (0, 0), blur)
    rectified, _ = rectify_by_edges(rgb, card.quad(), card.size, kind)
    return measure_surface(rectified)


def art(**options):
    """A card with a few uniform shapes on it."""
    shapes = [(box(8, 10, 55, 45), (70, 110, 150)), (box(15, 30, 40, 70), (120, 60, 60))]
    return DrawnCard(patches=shapes, **options)


def test_a_scratch_across_print_is_found_with_its_location_and_length():
    surface = measure_card_surface(art(lines=[(SCRATCH, 0.12, (225, 225, 222))]))
    assert isinstance(surface, Surface)
    longest = max(surface.defects, key=lambda defect: defect.length_mm)
    assert longest.kind == "scratch"
    length = np.linalg.norm(np.diff(SCRATCH, axis=0), axis=1).sum()
    assert longest.length_mm == pytest.approx(length, rel=0.15)
    ends = sorted([longest.points_mm[0].tolist(), longest.points_mm[-1].tolist()], key=lambda end: end[1])
    np.testing.assert_allclose(ends, SCRATCH[[0, -1]], atol=1.5)


def test_a_fold_with_a_lit_and_a_shaded_flank_is_a_crease():
    fold = np.array([(12.0, 75.0), (30.0, 60.0), (50.0, 48.0)])
    shade = fold + np.array([0.2, 0.25])
    card = art(lines=[(shade, 0.35, (60, 48, 34)), (fold - (0.1, 0.12), 0.35, (205, 175, 140))])
    defects = measure_card_surface(card).defects
    assert any(defect.kind == "crease" and defect.length_mm > 20 for defect in defects)


def test_a_clean_card_has_no_defects_though_its_print_has_edges_and_lines():
    card = art(lines=[(np.array([(8.0, 48.0), (55.0, 48.0)]), 0.15, (235, 235, 235))])
    surface = measure_card_surface(card)
    assert surface.defects == ()
    assert not surface.patterned


def test_a_pattern_of_many_slanting_lines_is_foil_and_no_damage():
    stripes = [(np.array([(8.0 + x, 12.0), (20.0 + x, 44.0)]), 0.15, (190, 210, 225)) for x in np.arange(0, 35, 0.9)]
    surface = measure_card_surface(art(lines=stripes))
    assert surface.defects == ()
    assert surface.patterned


def test_it_abstains_if_resolution_focus_or_glare_hide_scratches():
    coarse, soft = measure_card_surface(DrawnCard(px_per_mm=6.0)), measure_card_surface(art(), blur=2.5)
    glaring = measure_card_surface(DrawnCard(inside=(255, 255, 255), noise=0.0), kind="photo")
    assert all(isinstance(surface, NoSurface) for surface in (coarse, soft, glaring))
    assert coarse.reason == "the picture is too small to show scratches; scan at 300 dpi or photograph from closer"
    assert "too blurred" in soft.reason
    assert "glare hides" in glaring.reason


def test_a_scratched_side_is_measured_whole():
    card = art(lines=[(SCRATCH, 0.12, (225, 225, 222))])
    side = measure_side(card.picture(), card.quad(), card.size, "scan")
    assert (len(side.corners), len(side.edges)) == (4, 4)
    assert side.centering.lr == pytest.approx(50, abs=1)
    assert side.surface.defects[0].kind in ("scratch", "crease")
