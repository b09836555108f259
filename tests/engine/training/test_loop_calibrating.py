"""Calibration of a run's model on its validation cards."""

import pytest

from engine.evaluation.calibration import VALIDATION_CARDS, fit
from engine.evaluation.predictions import read
from engine.events import EpochDone, Notice
from engine.inference.evaluate import evaluate
from engine.inference.load_model import load_model
from tests.engine.conftest import drawn_pairs
from tests.engine.training_helpers import FEW_CARDS, config, events_of, run

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_enough_validation_cards_calibrate_the_model_on_their_predictions(tmp_path, cards, prepared):
    validation = drawn_pairs(tmp_path, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 9, 8], "val", 200)
    pairs = [*(card for card in cards if card.split == "train"), *validation]
    events = run(config(), pairs, tmp_path / "run", prepared)
    assert events_of(Notice, events) == []
    model = load_model(tmp_path / "run/model.pt", "cpu")
    expected = fit(read(tmp_path / "run/predictions.csv"), on=VALIDATION_CARDS)
    assert (model.calibration.cards, model.calibration.on) == (12, VALIDATION_CARDS)
    assert model.calibration.temperature == pytest.approx(expected.temperature, rel=1e-5)
    assert model.calibration.pools[0].threshold == pytest.approx(expected.pools[0].threshold, rel=1e-5)
    *_, evaluated = evaluate(model, validation, prepared)
    # `train` reports uncalibrated metrics, `evaluate` both.
    assert evaluated["uncalibrated"]["ece"] == pytest.approx(events_of(EpochDone, events)[0].metrics["ece"], abs=1e-4)


def test_too_few_validation_cards_give_one_notice_at_the_start_and_no_calibration(tmp_path, cards, prepared):
    events = run(config(), cards, tmp_path / "run", prepared)
    assert [notice.text for notice in events_of(Notice, events)] == FEW_CARDS
    assert load_model(tmp_path / "run/model.pt", "cpu").calibration is None
    repeated = run(config(), cards, tmp_path / "run", prepared)
    assert events_of(Notice, repeated) == []
