"""Doubt about an outline: lines of a holder and of the print are not taken for the card's edge without a word."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.image.detection import Detection
from engine.image.quality import DETECTION_CONFIDENCE
from engine.image.rectify import TRADING
from engine.inference.card_side import CardSide, with_outline
from engine.measure.centering.centering import NoCentering
from engine.measure.findings.findings import findings_of
from engine.measure.outline_doubt import is_doubtful
from engine.simulate.capture.capture import SimulatedPicture, draw_style, take_picture
from engine.simulate.print.games import Grid
from engine.simulate.wear.paint import uncovered_patches
from engine.simulate.wear.rim import CardRim
from engine.simulate.wear.truth import CaptureKind

GRID = Grid(TRADING, 620)
HOLDERS: tuple[CaptureKind, ...] = ("toploader", "one_touch", "semi_rigid", "binder")
BORDER_MM = 3.0


def picture_of(kind: CaptureKind, seed: int = 4) -> SimulatedPicture:
    """A card with a yellow border of 3 mm around a dark picture, on a plain gray table, in a holder or without."""
    random = np.random.default_rng([seed, 7])
    face = np.full((GRID.height, GRID.width, 3), (225, 190, 40), np.uint8)
    border = round(BORDER_MM * GRID.px_per_mm)
    face[border:-border, border:-border] = random.integers(20, 110, 3)
    face[border * 3 : GRID.height // 2, border * 2 : -border * 2] = random.integers(90, 250, 3)
    style = replace(
        draw_style(random, kind),
        by_scanner=False,
        table=np.full((560, 480, 3), 120, np.uint8),
        tilt_deg=8.0,
        distortion=0.0,
        glare=0.0,
        motion_px=0.0,
    )
    rounded = uncovered_patches(CardRim(TRADING, (3.2,) * 4), GRID)
    return take_picture(random, face, kind, GRID, uncovered=rounded, style=style)


def moved(quad: np.ndarray, *, top_mm: float = 0.0, bottom_mm: float = 0.0) -> np.ndarray:
    """The quad with its top side so far inside the card, and its bottom side so far outside."""
    down = (quad[[3, 2]] - quad[[0, 1]]) / TRADING.height_mm
    return np.vstack([quad[[0, 1]] + down * top_mm, (quad[[3, 2]] + down * bottom_mm)[::-1]])


def found(quad: np.ndarray) -> Detection:
    return Detection("photo", quad, confidence=0.7, upright_known=True)


@pytest.mark.parametrize("kind", HOLDERS)
def test_the_outline_of_a_card_in_a_holder_is_sure_where_it_was_drawn_and_in_doubt_elsewhere(kind):
    picture = picture_of(kind)
    assert not is_doubtful(picture.rgb, found(picture.quad))
    assert is_doubtful(picture.rgb, found(moved(picture.quad, top_mm=BORDER_MM * 1.4)))
    assert is_doubtful(picture.rgb, found(moved(picture.quad, bottom_mm=4.0)))


def test_a_plain_card_of_an_unusual_size_or_with_a_thin_frame_is_not_in_doubt():
    picture = picture_of("photo")
    assert not is_doubtful(picture.rgb, found(picture.quad))
    # Without lines around it, the frame printed 3 mm inside is no reason to doubt, nor are the proportions.
    middle = picture.rgb.shape[1] // 2
    narrow = np.delete(picture.rgb, np.s_[middle - 30 : middle + 30], axis=1)
    assert not is_doubtful(narrow, found(picture.quad - np.array([(0, 0), (60, 0), (60, 0), (0, 0)])))


def test_in_doubt_nothing_is_measured_and_the_range_was_not_checked_until_a_person_lays_the_corners():
    picture = picture_of("toploader")
    side = CardSide("a" * 64, picture.rgb, found(moved(picture.quad, bottom_mm=4.0)))
    assert not side.is_certain
    assert side.centering == NoCentering(DETECTION_CONFIDENCE.reason)
    assert side.quality.verdict == "usable" and side.quality.hides_wear
    assert side.quality.reasons.count(DETECTION_CONFIDENCE.reason) == 1
    laid = with_outline(side, picture.quad)
    assert laid.is_certain and not laid.quality.hides_wear
    assert not isinstance(laid.centering, NoCentering)
    sure = CardSide("a" * 64, picture.rgb, found(picture.quad))
    assert sure.is_certain and DETECTION_CONFIDENCE.reason not in sure.quality.reasons


def test_in_doubt_nothing_is_found_on_corners_and_edges():
    picture = picture_of("toploader")
    quad = moved(picture.quad, bottom_mm=4.0)
    worn = picture.rgb.copy()
    for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        cv2.circle(worn, np.rint((start + end) / 2).astype(int).tolist(), 16, (250, 250, 250), -1)
    side = CardSide("a" * 64, worn, found(quad))
    assert not side.is_certain
    places = {finding.place for finding in findings_of(side.measurements).listed}
    assert any("edge" in place for place in places)
    assert {finding.place for finding in (*side.findings.listed, *side.findings.possible)} <= {"surface"}
