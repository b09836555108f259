"""Model cards: write, read, copy, and ignore the card of another model."""

import json

import pytest

from engine.inference import model_card
from engine.inference.model_card import BadCard, EvaluationResult, ModelCard, format_metric, read_model_card

FIGURES = {"qwk": 0.8123, "qwk_low": 0.78, "qwk_high": 0.84, "exact": 0.5, "mae": None, "n": 300}


def a_card(**changes):
    fields = {
        "sha256": "a" * 64,
        "learned_from": "simulated cards",
        "data": ["6000 simulated pairs."],
        "recipe": "loupe",
        "changes": {"image_size": 384},
        "commands": ["python -m tools.build_starter --work DIR"],
        "measured": [EvaluationResult(on="300 fresh simulated cards", figures=FIGURES)],
        "agreement": {
            **{"cards": 255, "equal_grades": 0.995, "largest_difference": 0.008, "mean_difference": 0.0005},
            **{"qwk_full": 0.81, "qwk": 0.81},
        },
        "licence": "MIT",
        "limits": ["No real card was shown to it."],
    }
    return ModelCard(**{**fields, **changes})


def test_a_card_is_read_back_for_its_model_only(tmp_path):
    card = a_card()
    assert read_model_card(tmp_path / "model.pt", card.sha256) is None
    assert model_card.write(tmp_path, card) == tmp_path / "card.json"
    assert read_model_card(tmp_path / "model.pt", card.sha256) == card
    assert read_model_card(tmp_path / "model.pt", "b" * 64) is None
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
def test_a_card_json_of_another_program_is_ignored(tmp_path, text):
    (tmp_path / "card.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert read_model_card(tmp_path / "model.pt", "a" * 64) is None


@pytest.mark.parametrize("more", [{}, {"learned_from": 7}, {"stars": 5}])
def test_an_unreadable_card_of_this_model_is_named(tmp_path, more):
    (tmp_path / "card.json").write_text(json.dumps({"sha256": "a" * 64, **more}), encoding="utf-8")
    with pytest.raises(BadCard, match=r"card\.json: not a model card that this version of Loupe can read"):
        read_model_card(tmp_path / "model.pt", "a" * 64)


def test_a_card_is_copied_to_a_derived_model_and_names_the_model_of_its_metrics(tmp_path):
    made, card = tmp_path / "model.pt", a_card()
    for sha256, replaced in (("b" * 64, None), ("c" * 64, "b" * 64)):
        assert model_card.copy_model_card(card, made, sha256, replaced=replaced)
        read = read_model_card(made, sha256)
        assert read.caveat == card.caveat
        assert read.limits == [*card.limits, f"Its metrics are those of the model it was made from, {'a' * 64}."]
    assert model_card.copy_model_card(card, made, "a" * 64, replaced="c" * 64), "a copy of the model"
    assert read_model_card(made, "a" * 64) == card


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
def test_a_card_never_overwrites_a_file_of_another_program(tmp_path, text):
    path = tmp_path / "card.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    before = path.read_bytes()
    for replaced in (None, "c" * 64):
        assert not model_card.copy_model_card(a_card(), tmp_path / "model.pt", "d" * 64, replaced=replaced)
    assert path.read_bytes() == before


def test_metrics_are_formatted_with_their_intervals_or_as_undefined():
    assert format_metric(FIGURES, "qwk") == "QWK 0.81 (0.78 to 0.84)"
    assert format_metric(FIGURES, "exact") == "exact 0.50"
    assert format_metric(FIGURES, "mae") == "MAE undefined"
    assert a_card().summary().endswith("On 300 fresh simulated cards: QWK 0.81 (0.78 to 0.84).")
