"""Out-of-fold predictions in a model file: used for its training cards, and for no other."""

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.predictions import Predictions
from engine.events import Notice
from engine.inference.evaluate import predict_cards
from engine.inference.load_model import load_model
from engine.inference.out_of_fold import OutOfFold
from engine.storage.checkpoint import load, save
from engine.storage.file_hash import sha256
from tests.engine.conftest import saved_model

ROW = np.array([0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0])


def test_a_training_card_is_predicted_by_the_models_without_it(tmp_path, cards, prepared):
    path = saved_model(tmp_path / "model.pt")
    known = cards[0]
    predictions = OutOfFold({(sha256(known.front), sha256(known.back)): ROW})
    save(path, {**load(path), "out_of_fold": predictions.to_dict()})
    model = load_model(path, "cpu")
    *_, plain = predict_cards(replace(model, out_of_fold=None), cards, prepared)
    *events, replaced = predict_cards(model, cards, prepared)
    assert isinstance(replaced, Predictions)
    index = replaced.cards.index(known.card_id)
    np.testing.assert_allclose(replaced.probabilities[index], ROW)
    others = np.arange(len(cards)) != index
    np.testing.assert_array_equal(replaced.probabilities[others], plain.probabilities[others])
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "1 cards are among the model's training cards: predicted by models that were not"
    ]


def test_one_side_of_a_training_card_is_another_key():
    predictions = OutOfFold({("a", "b"): ROW, ("a", None): ROW[::-1]})
    np.testing.assert_array_equal(predictions.probabilities("a", "b"), ROW)
    np.testing.assert_array_equal(predictions.probabilities("a", None), ROW[::-1])
    assert predictions.probabilities(None, "b") is None
    assert len(OutOfFold.from_dict(predictions.to_dict())) == 2


@pytest.mark.parametrize("value", [float("nan"), -1.0])
def test_values_that_are_no_probabilities_are_refused(value):
    saved = OutOfFold({("a", None): ROW}).to_dict()
    saved["probabilities"][0, 0] = value
    with pytest.raises(ValueError, match="not probabilities"):
        OutOfFold.from_dict(saved)


def test_rows_of_another_number_of_grades_are_refused():
    saved = OutOfFold({("a", None): ROW}).to_dict()
    for probabilities in (saved["probabilities"][:, :7], saved["probabilities"][0], saved["probabilities"][None]):
        with pytest.raises(ValueError, match="not probabilities"):
            OutOfFold.from_dict({**saved, "probabilities": probabilities})
