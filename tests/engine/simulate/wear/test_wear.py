"""Wear drawn for a grade, whose ground truth has exactly that grade by the rubric and the wear limits."""

from collections import Counter
from datetime import date

import numpy as np
import pytest

from engine.cards.rubric import centering_ceiling
from engine.cards.wear_limits import MAX_AMOUNTS, measure_grade
from engine.image.rectify import SPORTS, TRADING
from engine.simulate.wear.centering import centering_truth, miscut_defects, place_print
from engine.simulate.wear.severity import attribute_grades
from engine.simulate.wear.wear import draw_wear

NOW, BEFORE = date(2025, 6, 1), date(2020, 1, 1)
FRAME = (TRADING.width_mm - 6.2, TRADING.height_mm - 6.2)


def worn(seed, grade, *, day=NOW, front=FRAME, size=TRADING, corner_mm=3.0):
    random = np.random.default_rng([seed, grade])
    return draw_wear(random, size=size, corner_mm=corner_mm, frames=(front, FRAME), grade=grade, graded_on=day)


@pytest.mark.parametrize("grade", range(1, 11))
def test_the_truth_has_the_requested_grade(grade):
    for seed in range(20):
        day = (NOW, BEFORE)[seed % 2]
        front = None if seed % 4 == 3 else FRAME
        card = worn(seed, grade, day=day, front=front, corner_mm=0.0 if seed % 3 == 0 else 3.0)
        assert min(attribute_grades(card.front.wear, card.back.wear, day).values()) == grade


@pytest.mark.slow
def test_every_attribute_sometimes_limits_the_grade():
    counts = Counter()
    for seed in range(26):
        for grade in (3, 6, 9):
            card = worn(seed, grade)
            grades = attribute_grades(card.front.wear, card.back.wear, NOW)
            counts.update(attribute for attribute, attribute_grade in grades.items() if attribute_grade == grade)
    assert set(counts) == {"centering", "corners", "edges", "surface"}
    assert min(counts.values()) >= 5


def test_defects_through_the_paper_are_mirrored_on_the_other_side():
    counts = Counter()
    for seed in range(12):
        card = worn(seed, 1 + seed % 4)
        through = [[d for d in side.wear.defects if d.through] for side in (card.front, card.back)]
        assert len(through[0]) == len(through[1])
        for kind in {d.kind for d in through[0]}:
            front_points = sorted((TRADING.width_mm - d.at_mm[0], d.at_mm[1]) for d in through[0] if d.kind == kind)
            back_points = sorted(d.at_mm for d in through[1] if d.kind == kind)
            assert np.array(back_points) == pytest.approx(np.array(front_points), abs=0.25)
            counts[kind] += 1
        for corner, mirrored_corner in enumerate((1, 0, 3, 2)):
            assert card.front.wear.corners[corner].rounding_mm == card.back.wear.corners[mirrored_corner].rounding_mm
    assert {"corner_rounding", "corner_fray", "crease", "corner_bend", "missing_piece"} <= set(counts)


def test_the_sums_are_those_of_the_defects_and_every_defect_is_on_the_card():
    for seed in range(10):
        card = worn(seed, 1 + seed % 5, size=SPORTS, corner_mm=0.0, front=(56.0, 82.0))
        for side in (card.front, card.back):
            wear = side.wear
            for edge in range(4):
                lengths = [d.length_mm for d in wear.defects if d.kind == "edge_whitening" and d.edge == edge]
                assert wear.edges[edge].whitening_mm == pytest.approx(sum(lengths), abs=1e-3)
            creases = [d.length_mm for d in wear.defects if d.kind == "crease"]
            assert wear.surface.crease_mm == pytest.approx(sum(creases), abs=1e-3)
            for defect in wear.defects:
                points = np.array(defect.points_mm)
                if defect.kind != "miscut":
                    assert points.min() > -0.2
                    assert (points < np.array([SPORTS.width_mm, SPORTS.height_mm]) + 0.2).all()


@pytest.mark.parametrize("attribute", list(MAX_AMOUNTS))
def test_the_table_allows_more_wear_for_every_lower_grade(attribute):
    for measure, row in MAX_AMOUNTS[attribute].items():
        assert len(row) == 10
        assert list(row) == sorted(row)
        assert measure_grade(attribute, measure, 0.0) == 10
        assert measure_grade(attribute, measure, row[8] + 0.01) == 1
        for grade in range(2, 11):
            assert measure_grade(attribute, measure, row[10 - grade]) >= grade


def test_a_square_millimeter_of_whitening_on_one_corner_is_a_seven():
    assert measure_grade("corners", "whitening_mm2", 1.0) == 7


@pytest.mark.parametrize("percents", [(50.0, 50.0), (55.0, 52.0), (61.5, 58.0), (50.5, 88.0)])
def test_the_worse_end_of_a_placed_frame_has_the_requested_percents(percents):
    for seed in range(8):
        placement = place_print(np.random.default_rng(seed), percents, FRAME, TRADING)
        truth = centering_truth(placement, FRAME, TRADING)
        assert (truth.worst_lr, truth.worst_tb) == pytest.approx(percents, abs=0.01)
        # Corners of the rotated frame, computed independently.
        angle = np.radians(truth.tilt_deg)
        turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
        middle = np.array([TRADING.width_mm, TRADING.height_mm]) / 2 + placement.shift_mm
        top_left = turn @ (-np.array(FRAME) / 2) + middle
        assert truth.frame_mm[0] == pytest.approx(top_left, abs=1e-3)
        assert truth.left_mm + truth.right_mm == pytest.approx(TRADING.width_mm - FRAME[0] * np.cos(angle), abs=1e-3)


def test_a_cut_inside_the_frame_is_a_miscut_and_leaves_no_border():
    placement = place_print(np.random.default_rng(2), (110.0, 55.0), FRAME, TRADING)
    truth = centering_truth(placement, FRAME, TRADING)
    assert min(truth.left_mm, truth.right_mm) < 0
    assert truth.worst_lr == 100.0
    assert centering_ceiling("front", truth.worst, NOW) == 1
    (defect,) = miscut_defects(placement, FRAME, TRADING)
    assert defect.depth_mm == pytest.approx(-min(truth.left_mm, truth.right_mm), abs=0.3)
    assert defect.edge == (3 if truth.left_mm < 0 else 1)
