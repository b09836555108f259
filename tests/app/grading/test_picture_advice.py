"""Advice on a picture before it is graded."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from app.grading.picture_advice import picture_advice
from engine.simulate.cards import CardSimulator, SimulationConfig


@pytest.fixture(scope="module")
def card():
    return Image.fromarray(CardSimulator(SimulationConfig(seed=3, kinds=(("scan", 1.0),))).card(1).front.rgb)


def advice_on(picture: Image.Image, path) -> str:
    picture.save(path)
    return picture_advice(path)


def test_a_good_picture_gets_no_advice(card, tmp_path):
    assert advice_on(card, tmp_path / "card.png") == ""


def test_a_blurred_picture_is_named_with_its_remedy(card, tmp_path):
    advice = advice_on(card.filter(ImageFilter.GaussianBlur(8)), tmp_path / "card.png")
    assert "too blurred" in advice and "hold the camera still" in advice
    assert advice[0].isupper() and advice.endswith(".") and advice.count(".") == 1


def test_a_picture_without_a_card_is_named_without_its_file(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (600, 900, 3), np.uint8)
    assert advice_on(Image.fromarray(noise), tmp_path / "noise.png").startswith("No card found; ")
