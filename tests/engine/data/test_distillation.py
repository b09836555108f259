"""A network learns towards what others say of its cards."""

import numpy as np
import pytest

from engine.data.distillation import Teachers
from engine.evaluation import predictions
from engine.evaluation.predictions import BadPredictions, Predictions
from engine.events import EpochDone, Notice
from tests.engine.training_helpers import config, of, run

pytestmark = pytest.mark.usefixtures("quick_disk")


def written(path, cards, grade):
    """A file in which every card is of one grade, for certain."""
    probabilities = np.tile(np.eye(10)[grade - 1], (len(cards), 1))
    predictions.write(path, Predictions(tuple(cards), tuple(cards), np.full(len(cards), 5), probabilities))
    return path


def test_several_files_count_by_their_mean_over_those_that_know_the_card(tmp_path):
    one, other = written(tmp_path / "1.csv", ["a", "b"], 9), written(tmp_path / "2.csv", ["b", "c"], 10)
    teachers = Teachers.named(f"{one}, {other}")
    np.testing.assert_allclose(teachers["a"], np.eye(10)[8])
    np.testing.assert_allclose(teachers["b"], (np.eye(10)[8] + np.eye(10)[9]) / 2)
    np.testing.assert_allclose(teachers["c"], np.eye(10)[9])
    assert np.isnan(teachers["d"]).all()
    assert ("c" in teachers, "d" in teachers) == (True, False)
    assert Teachers.named("") is None


def test_a_run_learns_what_its_teachers_say_and_is_judged_by_the_labels(tmp_path, cards, prepared):
    training = [card.card_id for card in cards if card.split == "train"]
    word = written(tmp_path / "word.csv", [card.card_id for card in cards if card.card_id != training[0]], 2)
    told = config(
        phase2_epochs=8, lr_phase2=3e-3, teachers=str(word), teachers_share=1.0, augment=False, loss="ordinal"
    )
    events = run(told, cards, tmp_path / "run", prepared)
    known = f"the teachers say something of {len(training) - 1} of {len(training)} training cards"
    assert known in [notice.text for notice in of(Notice, events)]
    last = of(EpochDone, events)[-1]
    # Nothing but the second grade was taught: of labels from 1 to 10 it is the answer to all, whose QWK is nought.
    assert last.figures["qwk"] == pytest.approx(0, abs=1e-9)
    assert last.val_loss > 3 * last.train_loss


def test_a_file_that_is_not_there_is_said_before_a_picture_is_prepared(tmp_path, cards):
    with pytest.raises(BadPredictions, match=r"absent\.csv: holds no predictions .* evaluate --predictions"):
        run(config(teachers=str(tmp_path / "absent.csv")), cards, tmp_path / "run", None)
    assert not list((tmp_path / "run").glob("cache/*.u8"))
