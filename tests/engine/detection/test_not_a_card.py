"""Things with the outline of a card that are none are refused, each in its own sentence; a card is not."""

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.detection.not_a_card import (
    DISC,
    EMPTY_HOLDER,
    PAGE_OF_CARDS,
    PLAYING_CARD,
    SQUARE,
    reason_against,
    shows_page_of_cards,
)
from engine.detection.read_and_find import read_and_find
from engine.image.detection import Detection, NoCard
from engine.image.rectify import TRADING
from engine.simulate.capture.capture import take_picture
from engine.simulate.print.games import Grid
from engine.simulate.print.pictures import draw_picture
from engine.simulate.wear.masks import Patch

GRID = Grid(TRADING, 440)
GROUND = (96, 92, 88)


def on_table(face: np.ndarray, *, round_mask: bool = False) -> tuple[np.ndarray, Detection]:
    """A face, or the disc in it, on a plain table, and its detection."""
    height, width = face.shape[:2]
    picture = np.full((height + 160, width + 160, 3), GROUND, np.uint8)
    mask = np.full((height, width), 255, np.uint8)
    if round_mask:
        mask[:] = 0
        cv2.circle(mask, (width // 2, height // 2), width // 2 - 1, 255, -1, cv2.LINE_AA)
    picture[80:-80, 80:-80][mask > 0] = face[mask > 0]
    quad = np.array([(80, 80), (80 + width, 80), (80 + width, 80 + height), (80, 80 + height)]) - 0.5
    return picture, Detection("photo", quad, confidence=0.7)


def art(height: int, width: int, seed: int = 3) -> np.ndarray:
    """A printed picture with a light border."""
    face = np.full((height, width, 3), (238, 232, 215), np.uint8)
    edge = width // 16
    face[edge:-edge, edge:-edge] = draw_picture(np.random.default_rng(seed), height - 2 * edge, width - 2 * edge)
    return face


def number_card(figures: int) -> np.ndarray:
    """White paper with a few red figures above, and the same below, upside down."""
    face = np.full((GRID.height, GRID.width, 3), 250, np.uint8)
    for index in range(figures):
        center = (round(GRID.width * (0.3 + 0.4 * (index % 2))), round(GRID.height * (0.15 + 0.15 * (index // 2))))
        points = np.array([(0, -26), (20, 0), (0, 34), (-20, 0)]) + center
        cv2.fillPoly(face, [points.astype(np.int32)], (200, 20, 30), cv2.LINE_AA)
    cv2.putText(face, str(figures * 2), (12, 42), cv2.FONT_HERSHEY_DUPLEX, 1.4, (200, 20, 30), 3, cv2.LINE_AA)
    face[GRID.height // 2 :] = face[::-1, ::-1][GRID.height // 2 :]
    return face


def page(rows: int, columns: int) -> np.ndarray:
    """A white page with cards in rows and a line of text under each."""
    height, width = 176, 126
    sheet = np.full((rows * (height + 50) + 60, columns * (width + 30) + 30, 3), 252, np.uint8)
    for index in range(rows * columns):
        y, x = 40 + index // columns * (height + 50), 30 + index % columns * (width + 30)
        sheet[y : y + height, x : x + width] = art(height, width, index)
        cv2.putText(sheet, f"{index}.99", (x, y + height + 28), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (30, 30, 30), 2)
    return sheet


def test_a_card_is_not_refused():
    for seed in range(3):
        assert reason_against(*on_table(art(GRID.height, GRID.width, seed))) == ""


@pytest.mark.parametrize("kind", ["toploader", "one_touch", "semi_rigid", "slab"])
def test_an_empty_holder_is_named_and_the_same_holder_with_a_card_is_not(kind):
    whole = Patch(slice(0, GRID.height), slice(0, GRID.width), np.full((GRID.height, GRID.width), 255, np.uint8))
    face = art(GRID.height, GRID.width)
    for uncovered, reason in (((whole,), EMPTY_HOLDER), ((), "")):
        # The table of this seed is a plain cloth; a scanned one would have a lid of one color.
        picture = take_picture(np.random.default_rng([0, 1]), face, kind, GRID, uncovered=uncovered)
        assert reason_against(picture.rgb, Detection("photo", picture.quad, confidence=0.7)) == reason


def test_a_disc_and_a_square_are_told_apart():
    assert reason_against(*on_table(art(400, 400), round_mask=True)) == DISC
    assert reason_against(*on_table(art(400, 400))) == SQUARE


@pytest.mark.parametrize("figures", [2, 4, 5])
def test_a_playing_card_is_named_by_its_symmetry_and_other_print_on_white_paper_is_not(figures):
    assert reason_against(*on_table(number_card(figures))) == PLAYING_CARD
    upright = number_card(figures)
    upright[GRID.height // 2 :] = 250
    assert reason_against(*on_table(upright)) == ""


def test_a_page_of_cards_is_refused_as_one(tmp_path):
    path = tmp_path / "page.png"
    Image.fromarray(page(3, 4)).save(path)
    with pytest.raises(NoCard, match=rf"^page\.png: {PAGE_OF_CARDS}$"):
        read_and_find(path)
    assert not shows_page_of_cards(page(1, 2))
    assert not shows_page_of_cards(on_table(art(GRID.height, GRID.width))[0])
