"""The card among nested rectangles: a holder's rim, the card with its rounded corners, and its printed frame."""

import cv2
import numpy as np
import pytest

from engine.image.rectify import TRADING
from engine.measure.flat_card import rectify_with_margin
from engine.measure.nested_edges import EdgeLine, corner_evidence, find_nested_card, quad_of_lines
from engine.measure.side.measure_side import rectify_by_edges

PX_PER_MM = 10
GAP_MM = (1.5, 2.5, 3.0, 1.0)  # of the holder's window around the card: top, right, bottom, left
BORDER = (40, 60, 150)


def mm(value: float) -> int:
    return round(value * PX_PER_MM)


def card_in_window(*, radius_mm: float = 3.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A card with a printed frame in the window of a pale holder, and the corners of the window and of the card."""
    top, right, bottom, left = GAP_MM
    picture = np.full((mm(88 + top + bottom + 12), mm(63 + left + right + 12), 3), 170, np.uint8)
    window = np.array([(6, 6), (69 + left + right, 6), (69 + left + right, 94 + top + bottom), (6, 94 + top + bottom)])
    x, y = 6 + left, 6 + top
    card = np.array([(x, y), (x + 63, y), (x + 63, y + 88), (x, y + 88)])
    cv2.rectangle(picture, (mm(6), mm(6)), tuple(int(mm(v)) - 1 for v in window[2]), (25, 25, 28), -1)
    face = np.full((mm(88), mm(63), 3), BORDER, np.uint8)
    face[mm(4) : -mm(4), mm(4) : -mm(4)] = (200, 190, 120)
    mask = np.zeros(face.shape[:2], np.uint8)
    radius = mm(radius_mm)
    cv2.rectangle(mask, (radius, 0), (mm(63) - 1 - radius, mm(88)), 255, -1)
    cv2.rectangle(mask, (0, radius), (mm(63), mm(88) - 1 - radius), 255, -1)
    for corner_x in (radius, mm(63) - 1 - radius):
        for corner_y in (radius, mm(88) - 1 - radius):
            cv2.circle(mask, (corner_x, corner_y), radius, 255, -1)
    region = picture[mm(y) : mm(y) + mm(88), mm(x) : mm(x) + mm(63)]
    region[mask > 0] = face[mask > 0]
    return cv2.GaussianBlur(picture, (0, 0), 0.7), window * PX_PER_MM - 0.5, card * PX_PER_MM - 0.5


def flat(picture: np.ndarray, quad: np.ndarray):
    return rectify_with_margin(picture, quad, TRADING, "scan")


def test_a_quad_on_the_rim_of_a_holder_is_replaced_by_the_card_inside():
    picture, window, card = card_in_window()
    found = flat(picture, window)
    lines = find_nested_card(found)
    assert lines is not None
    assert np.abs(quad_of_lines(found, lines) - card).max() < 0.4 * PX_PER_MM


def test_the_measured_edges_are_those_of_the_card_and_not_of_its_holder():
    picture, window, card = card_in_window()
    measured, edges = rectify_by_edges(picture, window, TRADING, "scan")
    assert np.abs(measured.quad - card).max() < 0.1 * PX_PER_MM
    assert all(edge.visible for edge in edges)


def test_a_quad_that_is_the_card_is_kept_and_its_printed_frame_is_not_taken():
    picture, _, card = card_in_window()
    assert find_nested_card(flat(picture, card)) is None


def test_a_card_with_square_corners_is_left_where_it_was_found():
    picture, _, card = card_in_window(radius_mm=0.0)
    assert find_nested_card(flat(picture, card)) is None


@pytest.mark.parametrize(
    ("depth_mm", "is_card"), [(0.0, True), (-0.8, False), (4.0, False)], ids=["card", "gap of the holder", "frame"]
)
def test_only_the_corners_of_the_card_show_background_beyond_an_arc(depth_mm: float, is_card: bool):
    picture, _, card = card_in_window()
    evidence = corner_evidence(flat(picture, card), [EdgeLine(depth_mm, 0.0)] * 4)
    assert (evidence > 0.5).all() if is_card else (evidence < 0.3).all()
