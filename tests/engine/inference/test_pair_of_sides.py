"""Pairs that are no front and back are refused before anything is graded."""

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.detection import card_sides
from engine.image.read import BadPicture
from engine.image.rectify import rectify
from engine.inference.grade_card import BACK_AS_FRONT, grade_card
from tests.card_factory import card_picture, card_quad

SAME = (
    r"^front\.png and back\.\w+: are the same picture of one side; give one picture of the front and one of the back$"
)


@pytest.fixture
def files(tmp_path):
    paths = {side: tmp_path / f"{side}.png" for side in ("front", "back")}
    for side, path in paths.items():
        Image.fromarray(card_picture(8, 3, side)).save(path)
    return paths


def test_a_front_and_a_back_are_accepted(files):
    assert BACK_AS_FRONT not in grade_card(files["front"], files["back"], None).reasons


def test_the_same_file_on_both_sides_is_refused(files):
    files["back"].write_bytes(files["front"].read_bytes())
    with pytest.raises(BadPicture, match=SAME):
        grade_card(files["front"], files["back"], None)


def test_the_same_picture_saved_again_is_refused(files, tmp_path):
    again = tmp_path / "back.jpg"
    Image.fromarray(cv2.resize(card_picture(8, 3, "front"), None, fx=1.5, fy=1.5)).save(again, quality=80)
    with pytest.raises(BadPicture, match=SAME):
        grade_card(files["front"], again, None)


@pytest.fixture
def known_back(monkeypatch):
    """Make the back of the factory's card the only known design."""
    thumbnail = card_sides.card_thumbnail(rectify(card_picture(8, 3, "back"), card_quad(), size=(704, 504)))
    monkeypatch.setattr(card_sides, "_designs", lambda: card_sides.design_cells(thumbnail)[None])
    assert not np.isnan(card_sides._designs()).any()


@pytest.mark.usefixtures("known_back")
def test_exchanged_sides_are_refused_where_the_back_s_design_is_known(files):
    with pytest.raises(
        BadPicture, match=r"^back\.png and front\.png: front and back are exchanged; give the front first$"
    ):
        grade_card(files["back"], files["front"], None)
    assert BACK_AS_FRONT not in grade_card(files["front"], files["back"], None).reasons


@pytest.mark.usefixtures("known_back")
def test_a_back_alone_in_the_place_of_the_front_is_noted(files):
    assert grade_card(files["back"], None, None).reasons.count(BACK_AS_FRONT) == 1
