"""A model's card: written, read back, and silent beside another model."""

import json

import pytest

from engine.inference import model_card as cards
from engine.inference.model_card import BadCard, Card, Measured, card_of, figure

FIGURES = {"qwk": 0.8123, "qwk_low": 0.78, "qwk_high": 0.84, "exact": 0.5, "mae": None, "n": 300}


def a_card(**changes):
    about = {
        "sha256": "a" * 64,
        "learned_from": "simulated cards",
        "data": ["6000 simulated pairs."],
        "recipe": "loupe",
        "changes": {"image_size": 384},
        "commands": ["python -m tools.build_starter --work DIR"],
        "measured": [Measured(on="300 fresh simulated cards", figures=FIGURES)],
        "agreement": {
            **{"cards": 255, "equal_grades": 0.995, "largest_difference": 0.008, "mean_difference": 0.0005},
            **{"qwk_full": 0.81, "qwk": 0.81},
        },
        "licence": "MIT",
        "limits": ["No real card was shown to it."],
    }
    return Card(**{**about, **changes})


def test_what_is_written_beside_a_model_is_read_back_for_that_model_alone(tmp_path):
    card = a_card()
    assert card_of(tmp_path / "model.pt", card.sha256) is None
    assert cards.write(tmp_path, card) == tmp_path / "card.json"
    assert card_of(tmp_path / "model.pt", card.sha256) == card
    assert card_of(tmp_path / "model.pt", "b" * 64) is None
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


FOREIGN = [
    "",
    "{",
    "[]",
    '"card"',
    "7",
    '{"suit": "hearts"}',
    '{"sha256": 7}',
    '{"sha256": "b"}',
    "\udcff",
    "[" * 100_000,
]


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
def test_a_file_of_that_name_that_belongs_to_something_else_says_nothing(tmp_path, text):
    (tmp_path / "card.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert card_of(tmp_path / "model.pt", "a" * 64) is None


@pytest.mark.parametrize("more", [{}, {"learned_from": 7}, {"stars": 5}])
def test_a_card_of_this_very_model_that_cannot_be_read_is_named(tmp_path, more):
    (tmp_path / "card.json").write_text(json.dumps({"sha256": "a" * 64, **more}), encoding="utf-8")
    with pytest.raises(BadCard, match=r"card\.json: is no card that this version of Loupe knows"):
        card_of(tmp_path / "model.pt", "a" * 64)


def test_a_card_goes_along_to_what_is_made_of_its_model_and_says_whose_figures_it_holds(tmp_path):
    made, card = tmp_path / "model.pt", a_card()
    for sha256, replaced in (("b" * 64, None), ("c" * 64, "b" * 64)):
        assert cards.carry(card, made, sha256, replaced=replaced)
        read = card_of(made, sha256)
        assert read.reason == card.reason
        assert read.limits == [*card.limits, f"Its figures are those of the model it was made from, {'a' * 64}."]
    assert cards.carry(card, made, "a" * 64, replaced="c" * 64), "a copy of the model"
    assert card_of(made, "a" * 64) == card


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
def test_a_card_never_takes_the_place_of_a_file_that_belongs_to_something_else(tmp_path, text):
    path = tmp_path / "card.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    before = path.read_bytes()
    for replaced in (None, "c" * 64):
        assert not cards.carry(a_card(), tmp_path / "model.pt", "d" * 64, replaced=replaced)
    assert path.read_bytes() == before


def test_figures_are_told_with_their_intervals_and_what_is_undefined_is_said_to_be():
    assert figure(FIGURES, "qwk") == "QWK 0.81 (0.78 to 0.84)"
    assert figure(FIGURES, "exact") == "exact 0.50"
    assert figure(FIGURES, "mae") == "MAE undefined"
    assert a_card().in_short().endswith("On 300 fresh simulated cards: QWK 0.81 (0.78 to 0.84).")
