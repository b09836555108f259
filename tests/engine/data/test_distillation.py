"""A network is trained towards the predictions of other models."""

import numpy as np
import pytest

from engine.data.distillation import TeacherPredictions
from engine.evaluation import predictions
from engine.evaluation.predictions import BadPredictions, Predictions
from engine.events import EpochDone, Notice
from tests.engine.training_helpers import config, events_of, run

pytestmark = pytest.mark.usefixtures("no_fsync")


def write_teacher(path, cards, grade):
    """A predictions file in which every card has probability 1 for `grade`."""
    probabilities = np.tile(np.eye(10)[grade - 1], (len(cards), 1))
    predictions.write(path, Predictions(tuple(cards), tuple(cards), np.full(len(cards), 5), probabilities))
    return path


def test_several_files_are_averaged_over_those_that_contain_the_card(tmp_path):
    first = write_teacher(tmp_path / "1.csv", ["a", "b"], 9)
    second = write_teacher(tmp_path / "2.csv", ["b", "c"], 10)
    teachers = TeacherPredictions.from_setting(f"{first}, {second}")
    np.testing.assert_allclose(teachers["a"], np.eye(10)[8])
    np.testing.assert_allclose(teachers["b"], (np.eye(10)[8] + np.eye(10)[9]) / 2)
    np.testing.assert_allclose(teachers["c"], np.eye(10)[9])
    assert np.isnan(teachers["d"]).all()
    assert ("c" in teachers, "d" in teachers) == (True, False)
    assert TeacherPredictions.from_setting("") is None


@pytest.mark.slow
def test_a_run_learns_its_teachers_predictions_and_is_evaluated_on_the_labels(tmp_path, cards, prepared):
    training = [card.card_id for card in cards if card.split == "train"]
    teacher = write_teacher(
        tmp_path / "teacher.csv", [card.card_id for card in cards if card.card_id != training[0]], 2
    )
    settings = config(
        phase2_epochs=8, lr_phase2=3e-3, teachers=str(teacher), teacher_weight=1.0, augment=False, loss="ordinal"
    )
    events = run(settings, cards, tmp_path / "run", prepared)
    notice = f"the teachers' predictions cover {len(training) - 1} of {len(training)} training cards"
    assert notice in [event.text for event in events_of(Notice, events)]
    last = events_of(EpochDone, events)[-1]
    # Trained only towards grade 2, the network predicts it for all cards with labels 1 to 10: QWK 0.
    assert last.all_metrics["qwk"] == pytest.approx(0, abs=1e-9)
    assert last.val_loss > 3 * last.train_loss


def test_a_missing_file_is_reported_before_a_picture_is_prepared(tmp_path, cards):
    with pytest.raises(BadPredictions, match=r"absent\.csv: no predictions can be read .* evaluate --predictions"):
        run(config(teachers=str(tmp_path / "absent.csv")), cards, tmp_path / "run", None)
    assert not list((tmp_path / "run").glob("cache/*.u8"))
