"""What a run makes of its validation cards besides choosing the epoch: the calibration that its model carries."""

import pytest

from engine.evaluation.calibration import VALIDATION, fit
from engine.evaluation.predictions import read
from engine.events import EpochDone, Notice
from engine.inference.evaluate import evaluate
from engine.inference.loaded_model import load_model
from tests.engine.conftest import drawn_pairs
from tests.engine.training_helpers import UNCALIBRATED, config, of, run

pytestmark = pytest.mark.usefixtures("quick_disk")


def test_enough_validation_cards_calibrate_the_model_on_what_was_said_of_them(tmp_path, cards, prepared):
    validation = drawn_pairs(tmp_path, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 9, 8], "val", 200)
    shown = [*(card for card in cards if card.split == "train"), *validation]
    events = run(config(), shown, tmp_path / "run", prepared)
    assert of(Notice, events) == []
    model = load_model(tmp_path / "run/model.pt", "cpu")
    wanted = fit(read(tmp_path / "run/predictions.csv"), on=VALIDATION)
    assert (model.calibration.cards, model.calibration.on) == (12, VALIDATION)
    assert model.calibration.temperature == pytest.approx(wanted.temperature, rel=1e-5)
    assert model.calibration.pools[0].threshold == pytest.approx(wanted.pools[0].threshold, rel=1e-5)
    *_, measured = evaluate(model, validation, prepared)
    # `train` tells the network's own figures, `evaluate` the calibrated ones and these beside them.
    assert measured["uncalibrated"]["ece"] == pytest.approx(of(EpochDone, events)[0].metrics["ece"], abs=1e-4)


def test_too_few_validation_cards_are_said_once_at_the_start_and_the_model_has_no_calibration(
    tmp_path, cards, prepared
):
    events = run(config(), cards, tmp_path / "run", prepared)
    assert [notice.text for notice in of(Notice, events)] == [UNCALIBRATED]
    assert load_model(tmp_path / "run/model.pt", "cpu").calibration is None
    again = run(config(), cards, tmp_path / "run", prepared)
    assert of(Notice, again) == []
