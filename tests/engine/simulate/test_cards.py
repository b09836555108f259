"""Simulated cards: reproducible from their seed, grouped by design, with a readable ground truth."""

from collections import Counter

import numpy as np
import pytest

from engine.image.read import read_picture
from engine.image.rectify import card_size
from engine.simulate.cards import CARDS_PER_DESIGN, CardSimulator, SimulationConfig
from engine.simulate.wear.severity import attribute_grades
from engine.simulate.wear.truth import BadTruth, CardTruth, read_truth

SMALL = SimulationConfig(seed=5, mix="uniform", height=240)


@pytest.fixture(scope="module")
def cards():
    studio = CardSimulator(SMALL)
    return [studio.card(index) for index in range(36)]


def test_a_card_does_not_depend_on_the_cards_drawn_before_it(cards):
    for index in (35, 7, 8):
        alone = CardSimulator(SMALL).card(index)
        assert alone.truth == cards[index].truth
        assert alone.front.jpeg() == cards[index].front.jpeg()
        assert alone.back.jpeg() == cards[index].back.jpeg()


def test_another_seed_gives_other_cards(cards):
    card = CardSimulator(SimulationConfig(seed=6, mix="uniform", height=240)).card(0)
    assert card.front.jpeg() != cards[0].front.jpeg()


def test_cards_of_one_design_are_one_group_of_different_pictures(cards):
    groups = Counter(card.truth.group for card in cards)
    assert set(groups.values()) == {CARDS_PER_DESIGN}
    for card, copy in zip(cards[::CARDS_PER_DESIGN], cards[1::CARDS_PER_DESIGN], strict=True):
        assert card.truth.game == copy.truth.game
        assert card.front.jpeg() != copy.front.jpeg()


def test_both_sides_have_the_same_kind_and_every_kind_occurs(cards):
    for card in cards:
        assert card.front.kind == card.back.kind == card.truth.kind
    assert {card.truth.kind for card in cards} == set(dict(SMALL.kinds))


def test_the_grade_follows_from_the_truth_as_it_is_read_back(cards, tmp_path):
    path = tmp_path / "truth.jsonl"
    path.write_text("".join(card.truth.to_json_line() + "\n" for card in cards), encoding="utf-8")
    read = read_truth(path)
    assert read == [card.truth for card in cards]
    for truth in read:
        grades = attribute_grades(truth.front, truth.back, truth.graded_on)
        assert truth.grade == min(grades.values()) == min(truth.attributes.values())
        assert truth.label == truth.grade
        for side in (truth.front, truth.back):
            assert len(side.corners) == len(side.edges) == len(side.quad) == 4


def test_only_a_borderless_side_has_no_centering_and_gives_the_reason(cards):
    for card in cards:
        assert card.truth.back.centering is not None
        borderless = card.truth.layout == "full_art"
        assert (card.truth.front.centering is None) == borderless
        assert card.truth.front.centering_reason == ("borderless" if borderless else "")


def test_the_quad_is_inside_its_picture_and_has_the_card_s_size(cards, tmp_path):
    for card in cards[:12]:
        for simulated, truth in ((card.front, card.truth.front), (card.back, card.truth.back)):
            (tmp_path / "a.jpg").write_bytes(simulated.jpeg())
            picture = read_picture(tmp_path / "a.jpg")
            assert picture.shape[:2] == (truth.height_px, truth.width_px)
            quad = np.array(truth.quad)
            assert quad.min() >= -0.5
            assert (quad <= np.array(picture.shape[1::-1]) - 0.5).all()
            size = card_size(quad, picture_size=picture.shape[:2])
            if truth.kind == "scan":
                # A sports card has the proportions of a trading card and is half a millimeter wider.
                assert size.width_mm == pytest.approx(card.truth.width_mm, abs=0.51)
                assert size.height_mm == pytest.approx(card.truth.height_mm, abs=0.91)
                assert truth.px_per_mm == pytest.approx(240 / card.truth.height_mm, rel=0.01)


def test_a_user_s_pictures_replace_drawn_ones():
    source = np.zeros((300, 300, 3), np.uint8)
    source[..., 1] = 250
    config = SimulationConfig(seed=1, height=240, kinds=(("scan", 1.0),), sources=(source,))
    for index in (0, 3, 6):
        rgb = CardSimulator(config).card(index).front.rgb.astype(int)
        green = (rgb[..., 1] > 150) & (rgb[..., 0] < 120) & (rgb[..., 2] < 120)
        assert green.mean() > 0.12
        without_source = (
            CardSimulator(SimulationConfig(seed=1, height=240, kinds=(("scan", 1.0),))).card(index).front.rgb
        )
        assert (without_source != rgb).any()


def test_an_invalid_truth_is_refused_with_its_line_number(cards, tmp_path):
    path = tmp_path / "truth.jsonl"
    path.write_text(cards[0].truth.to_json_line() + '\n{"card_id": "x"}\n', encoding="utf-8")
    with pytest.raises(BadTruth, match=r"truth\.jsonl:2: group"):
        read_truth(path)
    with pytest.raises(BadTruth, match="cannot be read"):
        read_truth(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match="extra"):
        CardTruth.model_validate({**cards[0].truth.model_dump(), "more": 1})
