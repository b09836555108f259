"""Painted wear against its ground truth: area of bare stock, flanks of a fold, and no change elsewhere."""

from datetime import date

import cv2
import numpy as np
import pytest

from engine.image.rectify import TRADING
from engine.simulate.cards import cut_card
from engine.simulate.print.games import Grid
from engine.simulate.print.sheet import Sheet
from engine.simulate.wear.centering import centering_truth, place_print
from engine.simulate.wear.paint import paint_wear, uncovered_patches
from engine.simulate.wear.rim import CardRim
from engine.simulate.wear.severity import attribute_grades
from engine.simulate.wear.surface_wear import line_defect
from engine.simulate.wear.truth import SideWear
from engine.simulate.wear.wear import summarize_defects, wear_for_grades

GRID = Grid(TRADING, 1050)
STOCK = (236, 234, 228)
ONLY = {"centering": 10, "corners": 10, "edges": 10, "surface": 10}


def painted(wear: SideWear, *, side: str = "front", level: int = 40) -> np.ndarray:
    """Wear painted on a uniformly grey card, (H, W) levels; unworn pixels keep `level`."""
    face = np.full((GRID.height, GRID.width, 3), level, np.uint8)
    paint_wear(np.random.default_rng(0), face, wear, GRID, stock=STOCK, side=side)
    return face[..., 0].astype(int)


def near(wear: SideWear, reach_mm: float) -> np.ndarray:
    """Mask, (H, W) bool, of pixels within a distance of any defect, by OpenCV's distance transform."""
    clear = np.ones((GRID.height, GRID.width), np.uint8)
    for defect in wear.defects:
        points = np.rint(GRID.to_px(np.array(defect.points_mm))).astype(np.int32)
        cv2.polylines(clear, [points], defect.area_mm2 > 0, 0, 1)
        if defect.area_mm2 > 0:
            cv2.fillPoly(clear, [points], 0)
    return cv2.distanceTransform(clear, cv2.DIST_L2, 5) <= reach_mm * GRID.px_per_mm


@pytest.mark.parametrize("grade", [2, 5, 8])
def test_the_painted_bare_stock_has_the_area_in_the_truth(grade):
    ratios = []
    for seed in range(6):
        front, _ = wear_for_grades(
            np.random.default_rng([seed, grade]), size=TRADING, corner_mm=3.0, grades={**ONLY, "corners": grade}
        )
        bare = [d for d in front.wear.defects if d.kind == "corner_whitening"]
        if not bare:
            continue
        # Fraction of stock in each pixel, from its level; a strength below 1 leaves some of the print.
        fraction = (painted(summarize_defects(bare, TRADING)) - 40) / (STOCK[0] - 40)
        ratios.append(fraction.sum() / GRID.px_per_mm**2 / sum(d.area_mm2 * d.strength for d in bare))
    assert np.median(ratios) == pytest.approx(0.95, abs=0.08)


def test_nothing_is_painted_where_there_is_no_wear():
    for seed in range(4):
        front, _ = wear_for_grades(
            np.random.default_rng(seed), size=TRADING, corner_mm=3.0, grades={**ONLY, "surface": 3, "edges": 4}
        )
        defects = [d for d in front.wear.defects if d.kind != "gloss_loss"]
        wear = summarize_defects(defects, TRADING)
        changed = painted(wear) != 40
        assert changed.any()
        assert not (changed & ~near(wear, 1.6)).any()


def test_a_crease_has_a_lit_and_a_dark_flank_swapped_on_the_other_side():
    line = np.linspace([20.0, 30.0], [45.0, 30.0], 40)
    crease = line_defect("crease", line, width_mm=0.4, strength=0.5, through=True)
    wear = summarize_defects([crease], TRADING)
    row = round(30 * GRID.px_per_mm)
    columns = slice(round(25 * GRID.px_per_mm), round(40 * GRID.px_per_mm))
    flanks = {}
    for side in ("front", "back"):
        levels = painted(wear, side=side, level=120)[:, columns].mean(axis=1) - 120
        flanks[side] = levels[row - 6 : row - 1].mean(), levels[row + 2 : row + 7].mean()
    assert flanks["front"][0] > 3 > -3 > flanks["front"][1]
    assert flanks["back"][0] < -3 < 3 < flanks["back"][1]


def test_the_card_covers_its_rectangle_less_its_corners():
    for radius in (0.0, 3.0, 5.0):
        mask = np.full((GRID.height, GRID.width), 255, np.uint8)
        for patch in uncovered_patches(CardRim(TRADING, (radius,) * 4), GRID):
            np.minimum(patch.view(mask), 255 - patch.mask, out=patch.view(mask))
        uncovered_mm2 = (255 - mask.astype(float)).sum() / 255 / np.prod(GRID.scale)
        assert uncovered_mm2 == pytest.approx(4 * radius**2 * (1 - np.pi / 4), rel=0.03, abs=1e-6)
        assert (mask[300:700, [0, -1]] == 255).all()


def test_the_borders_of_a_cut_card_match_its_centering():
    for seed, percents in enumerate([(58.0, 53.0), (50.5, 71.0), (84.0, 66.0)]):
        sheet = Sheet.blank(GRID, (250, 250, 250))
        frame, size = sheet.snap_to_pixels((3.1, 3.1, TRADING.width_mm - 3.1, TRADING.height_mm - 3.1))
        sheet.fill(frame, (10, 10, 10))
        placement = place_print(np.random.default_rng(seed), percents, size, TRADING)
        face = cut_card(sheet, frame, placement)[..., 0] / 240 - 10 / 240
        truth = centering_truth(placement, size, TRADING)
        for row_mm in (20.0, TRADING.height_mm / 2, 65.0):
            line = face[round(row_mm * GRID.scale[1])]
            left, right = line[: GRID.width // 2].sum(), line[GRID.width // 2 :].sum()
            corners = np.array(truth.frame_mm)
            position = (row_mm - corners[0, 1]) / (corners[3, 1] - corners[0, 1])
            expected = corners[0, 0] + position * (corners[3, 0] - corners[0, 0])
            assert left / GRID.scale[0] == pytest.approx(expected, abs=0.03)
            opposite = TRADING.width_mm - (corners[1, 0] + position * (corners[2, 0] - corners[1, 0]))
            assert right / GRID.scale[0] == pytest.approx(opposite, abs=0.03)


def test_three_grades_apart_show_much_more_wear():
    amounts = {}
    for grade in (1, 4, 7, 10):
        grades = dict.fromkeys(ONLY, grade)
        totals = []
        for seed in range(7):
            sides = wear_for_grades(np.random.default_rng([seed, grade]), size=TRADING, corner_mm=3.0, grades=grades)
            assert min(attribute_grades(sides[0].wear, sides[1].wear, date(2025, 6, 1)).values()) == grade
            totals.append(sum(np.abs(painted(side.wear) - 40).sum() for side in sides))
        amounts[grade] = np.median(totals)
    assert amounts[1] > 1.5 * amounts[4] > 3 * amounts[7] > 10 * amounts[10]
