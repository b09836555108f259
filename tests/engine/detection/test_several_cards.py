"""Two cards in one picture are refused; one card, upright or lying, is not taken for two."""

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.detection.find_card import find_card
from engine.detection.read_and_find import read_and_find
from engine.detection.several_cards import shows_two_cards
from engine.image.detection import NoCard
from engine.simulate.cards import CardSimulator, SimulationConfig

WIDTH, HEIGHT = 360, 503
SEVERAL = r"^both\.png: more than one card; photograph each card by itself$"


def face(seed, width=WIDTH, height=HEIGHT):
    """Draw a card with a light border."""
    drawn = CardSimulator(SimulationConfig(seed=seed, mix="uniform", height=HEIGHT)).faces(0)[0].rgb
    card = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
    cv2.rectangle(card, (0, 0), (width - 1, height - 1), (240, 238, 230), round(0.04 * width))
    return card


def on_ground(cards, *, stacked, gap, margin, ground):
    """Place cards next to each other, or above each other, on noise around a color."""
    axis = 0 if stacked else 1
    shape = [max(card.shape[k] for card in cards) + 2 * margin for k in (0, 1)]
    shape[axis] = sum(card.shape[axis] for card in cards) + gap * (len(cards) - 1) + 2 * margin
    noise = np.random.default_rng(1).normal(ground, 3, (*shape, 3))
    picture, position = noise.clip(0, 255).astype(np.uint8), margin
    for card in cards:
        rows, columns = [slice(margin, margin + card.shape[0]), slice(margin, margin + card.shape[1])]
        moved = slice(position, position + card.shape[axis])
        picture[(moved, columns) if stacked else (rows, moved)] = card
        position += card.shape[axis] + gap
    return picture


@pytest.mark.parametrize(
    ("stacked", "gap", "margin", "ground"),
    [
        (False, 20, 25, (90, 90, 95)),
        (False, 12, 15, (30, 32, 30)),
        (False, 60, 50, (120, 100, 80)),
        (True, 40, 50, (110, 108, 105)),
        (True, 90, 110, (60, 70, 110)),
    ],
)
def test_a_front_and_a_back_in_one_picture_are_refused(tmp_path, stacked, gap, margin, ground):
    picture = on_ground([face(3), face(8)], stacked=stacked, gap=gap, margin=margin, ground=ground)
    path = tmp_path / "both.png"
    Image.fromarray(picture).save(path)
    with pytest.raises(NoCard, match=SEVERAL):
        read_and_find(path)


@pytest.mark.parametrize(("gap", "ground"), [(10, (90, 90, 95)), (30, (40, 42, 46))])
def test_two_lying_cards_above_each_other_are_refused(tmp_path, gap, ground):
    lying = [np.ascontiguousarray(np.rot90(face(seed))) for seed in (3, 8)]
    path = tmp_path / "both.png"
    Image.fromarray(on_ground(lying, stacked=True, gap=gap, margin=40, ground=ground)).save(path)
    with pytest.raises(NoCard, match=SEVERAL):
        read_and_find(path)


def test_a_collage_with_a_white_bar_between_the_pictures_is_refused(tmp_path):
    pictures = [on_ground([face(seed)], stacked=False, gap=0, margin=30, ground=(40, 42, 46)) for seed in (3, 8)]
    bar = np.full((len(pictures[0]), 16, 3), 255, np.uint8)
    path = tmp_path / "both.png"
    Image.fromarray(np.hstack([pictures[0], bar, pictures[1]])).save(path)
    with pytest.raises(NoCard, match=SEVERAL):
        read_and_find(path)


def test_one_card_is_not_taken_for_two():
    simulator = CardSimulator(SimulationConfig(seed=41, mix="uniform", height=500))
    for index in range(6):
        upright = simulator.card(index).front.rgb
        for picture in (upright, np.ascontiguousarray(np.rot90(upright))):
            try:
                detection = find_card(picture)
            except NoCard:
                continue
            assert not shows_two_cards(picture, detection, find_card)


def test_a_square_is_no_card(tmp_path):
    path = tmp_path / "coaster.png"
    Image.fromarray(on_ground([face(5, 420, 420)], stacked=False, gap=0, margin=140, ground=(110, 105, 100))).save(path)
    with pytest.raises(
        NoCard, match=r"^coaster\.png: what was found is square, and a card is not; photograph one card"
    ):
        read_and_find(path)
