"""The same side twice, and a back in the place of the front."""

import cv2
import numpy as np
import pytest

from benchmarks.harness import REAL_PICTURES
from engine.cards.pairs import read_manifest
from engine.detection import card_sides
from engine.detection.card_sides import card_thumbnail, is_known_back, show_same_side
from engine.detection.read_and_find import read_and_find
from engine.image.detection import NoCard
from engine.image.quality import rectify_for_quality
from engine.image.rectify import rectify
from tests.card_factory import card_picture, card_quad

PAIRS = REAL_PICTURES / "pokemon_pairs" / "labels.csv"


def rectified(rgb, quad):
    return rectify(rgb, quad, size=(704, 504))


def thumbnail(seed, side):
    return card_thumbnail(rectified(card_picture(8, seed, side), card_quad()))


def test_two_photos_of_one_side_are_the_same_side_and_front_and_back_are_not():
    picture = card_picture(8, 1, "front")
    enlarged = cv2.GaussianBlur(cv2.resize(picture, None, fx=1.7, fy=1.7), (0, 0), 1.5)
    brighter = cv2.convertScaleAbs(enlarged, alpha=1.1, beta=12)
    again = card_thumbnail(rectified(brighter, (card_quad() + 0.5) * 1.7 - 0.5))
    assert show_same_side(thumbnail(1, "front"), again)
    assert show_same_side(thumbnail(1, "front"), again[::-1, ::-1]), "upside down"
    assert show_same_side(thumbnail(1, "front"), again[:, ::-1]), "mirrored"
    assert show_same_side(thumbnail(1, "front"), again[::-1]), "mirrored and upside down"
    assert not show_same_side(thumbnail(1, "front"), thumbnail(1, "back"))
    assert not show_same_side(thumbnail(1, "front"), thumbnail(2, "front"))


def test_a_picture_of_one_color_is_compared_without_an_error():
    plain = np.full((32, 24, 3), 90, np.uint8)
    assert not show_same_side(plain, plain)
    assert not is_known_back(plain)


def test_a_design_is_recognized_in_other_light_and_upside_down(monkeypatch):
    backs = [thumbnail(seed, "back") for seed in range(3)]
    monkeypatch.setattr(card_sides, "_designs", lambda: np.stack([card_sides.design_cells(back) for back in backs[:2]]))
    dim = (backs[1] * 0.6).astype(np.uint8)
    assert is_known_back(dim)
    assert is_known_back(np.ascontiguousarray(dim[::-1, ::-1]))
    assert not is_known_back(backs[2])


def test_the_shipped_designs_can_be_read():
    assert not is_known_back(thumbnail(0, "front"))
    assert np.load(card_sides.DESIGNS).shape[1:] == (264,)


@pytest.mark.skipif(not PAIRS.is_file(), reason=f"{PAIRS} is absent: backs are NOT recognized in real pictures")
def test_real_backs_are_recognized_and_no_real_front_is_taken_for_one():
    known = {"front": [], "back": []}
    for pair in read_manifest(PAIRS).pairs[::25]:
        for side, path in (("front", pair.front), ("back", pair.back)):
            try:
                rgb, detection = read_and_find(path)
            except NoCard:
                continue
            known[side].append(is_known_back(card_thumbnail(rectify_for_quality(rgb, detection))))
    assert not any(known["front"])
    assert np.mean(known["back"]) > 0.7
