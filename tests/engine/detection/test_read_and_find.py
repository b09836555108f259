"""From a file to the canvas: quads in the full picture's pixels at any decoding size."""

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.detection.read_and_find import canvas_from_picture, canvas_from_quad
from engine.image.detection import Detection, NoCard
from engine.image.read import read_picture
from engine.image.rectify import card_canvas

QUAD = np.array([(150, 100), (1350, 160), (1290, 1840), (110, 1790)], np.float64)


@pytest.fixture
def photo(tmp_path):
    random = np.random.default_rng(0)
    rgb = cv2.resize(
        random.integers(0, 256, (200, 150, 3), dtype=np.uint8), (1500, 2000), interpolation=cv2.INTER_CUBIC
    )
    path = tmp_path / "photo.jpg"
    Image.fromarray(rgb).save(path, quality=95)
    return path


@pytest.mark.parametrize("size", [448, 224, 100])
def test_a_reduced_decoding_gives_the_whole_picture_s_canvas_to_45_decibels(photo, size):
    whole = card_canvas(read_picture(photo), QUAD, size=size)
    assert cv2.PSNR(canvas_from_quad(photo, QUAD, size=size), whole) >= 45


def test_a_picture_of_a_card_s_proportions_without_an_outline_is_the_card_and_has_a_note(tmp_path):
    path = tmp_path / "close.png"
    Image.new("RGB", (252, 352), (128, 128, 128)).save(path)
    canvas, detection = canvas_from_picture(path, size=224)
    assert detection.whole_picture
    assert "all of it is treated as the card" in detection.note
    assert (canvas[:, 32:-32] == 128).all()


def test_another_picture_without_an_outline_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "wall.png"
    Image.new("RGB", (300, 400), (128, 128, 128)).save(path)
    with pytest.raises(NoCard, match=r"^wall\.png: no card found; lay the card flat"):
        canvas_from_picture(path, size=224)


@pytest.mark.parametrize("refusal", [NoCard("more than one card; photograph each card by itself")])
def test_other_refusals_bear_the_file_s_name(tmp_path, monkeypatch, refusal):
    path = tmp_path / "hand.png"
    Image.new("RGB", (300, 400), (128, 128, 128)).save(path)

    def refuse(rgb):
        raise refusal

    monkeypatch.setattr("engine.detection.read_and_find.find_card", refuse)
    with pytest.raises(NoCard, match=r"^hand\.png: more than one card"):
        canvas_from_picture(path, size=224)


def test_a_card_of_a_few_pixels_is_refused_with_the_remedy(tmp_path, monkeypatch):
    path = tmp_path / "far.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (200, 150, 3), dtype=np.uint8))
    monkeypatch.setattr("engine.detection.read_and_find.shows_two_cards", lambda *_: False)
    corner = np.array([(60.0, 80.0), (72.0, 80.0), (72.0, 96.6), (60.0, 96.6)])
    monkeypatch.setattr("engine.detection.read_and_find.find_card", lambda rgb: Detection("photo", corner, 0.9))
    with pytest.raises(NoCard, match=r"^far\.png: the card is only 17 pixels high; photograph it closer"):
        canvas_from_picture(path, size=64)
    monkeypatch.setattr("engine.detection.read_and_find.find_card", lambda rgb: Detection("photo", corner * 2, 0.9))
    with pytest.raises(NoCard, match="only 33 pixels"):
        canvas_from_picture(path, size=64)
    monkeypatch.setattr(
        "engine.detection.read_and_find.find_card", lambda rgb: Detection("photo", (corner - 60) * 3, 0.9)
    )
    assert canvas_from_picture(path, size=64)[0].shape == (64, 64, 3)
