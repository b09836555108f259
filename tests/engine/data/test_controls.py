"""Inputs of controls contain everything but the card, or the label only."""

import cv2
import numpy as np
import pytest

from engine.data import controls
from engine.data.controls import slab_label, whole_picture, without_card
from engine.image.detection import Detection
from engine.image.read import BadPicture, read_picture
from tests.engine.conftest import drawn_card

QUAD = np.array([(35, 35), (185, 35), (185, 245), (35, 245)], np.float64) - 0.5


@pytest.fixture
def slab(tmp_path, monkeypatch):
    """A picture of a card below a red label, detected exactly as a slab."""
    path = tmp_path / "slab.png"
    picture = np.full((340, 260, 3), 90, np.uint8)
    picture[20:70, 40:220] = (200, 30, 30)
    picture[100:310, 55:205] = (10, 200, 10)
    assert cv2.imwrite(str(path), picture[:, :, ::-1])
    quad = np.array([(55, 100), (205, 100), (205, 310), (55, 310)], np.float64) - 0.5
    monkeypatch.setattr(controls, "read_and_find", lambda path: (read_picture(path), Detection("slab", quad, 1.0)))
    return path


def test_the_background_contains_no_pixel_of_the_card(slab):
    canvas = without_card(slab, size=128)
    green = (canvas[..., 1].astype(int) - canvas[..., 0]) > 20
    assert not green.any()
    assert (canvas == 90).all(axis=2).any(), "the ground is still there"
    assert ((canvas[..., 0].astype(int) - canvas[..., 1]) > 100).any(), "so is the label"


def test_the_label_is_the_area_above_the_card(slab):
    canvas = slab_label(slab, size=128)
    pixels = canvas[(canvas > 0).any(axis=2)].astype(int)
    assert not (pixels[:, 1] - pixels[:, 0] > 20).any(), "no card"
    # The picture above the card is 260 x 92, the label in it 180 x 50.
    assert ((pixels[:, 0] - pixels[:, 1]) > 100).mean() == pytest.approx(180 * 50 / (260 * 92), abs=0.06)


def test_the_card_s_own_pixels_change_nothing_in_the_background(tmp_path, monkeypatch):
    detection = Detection("scan", QUAD, 1.0)
    monkeypatch.setattr(controls, "read_and_find", lambda path: (read_picture(path), detection))
    first, second = (without_card(drawn_card(tmp_path / f"{seed}.png", seed), size=96) for seed in (1, 2))
    np.testing.assert_array_equal(first, second)


def test_a_picture_without_a_slab_has_no_label(tmp_path):
    with pytest.raises(BadPicture, match=r"card.png: shows no slab"):
        slab_label(drawn_card(tmp_path / "card.png", 1), size=64)


def test_the_whole_picture_contains_card_label_and_ground(slab):
    canvas = whole_picture(slab, size=128).astype(int)
    reds, greens = (canvas[..., 0] - canvas[..., 1] > 100), (canvas[..., 1] - canvas[..., 0] > 100)
    # 260 x 340 pixels on a square of 128: 98 x 128 of them.
    picture_pixels = 128 * 128 * 260 / 340
    assert reds.sum() / picture_pixels == pytest.approx(180 * 50 / (260 * 340), rel=0.05)
    assert greens.sum() / picture_pixels == pytest.approx(150 * 210 / (260 * 340), rel=0.05)
