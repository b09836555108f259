"""A run that is asked to stop saves and ends at its next batch."""

import pytest

from engine.events import EpochDone, Finished, Progress, Saved, Stopped
from engine.training.loop import resume, train
from tests.engine.training_helpers import config, events_of, run

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.mark.parametrize("step", ["regions", "measuring"])
def test_a_stop_while_regions_are_cut_or_cards_are_measured_takes_effect(tmp_path, cards, step):
    events = []
    settings = config(regions=True, auxiliary_targets=True)
    for event in train(settings, cards, tmp_path / "run", lambda: events[-1].step == step):
        events.append(event)
    assert events[-1] == Stopped(None, 0)
    assert events[-2].step == step


def test_a_stop_during_training_saves_a_checkpoint_at_the_next_batch(tmp_path, cards, prepared):
    events = run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    assert [type(event) for event in events[-3:]] == [Progress, Saved, Stopped]
    assert events[-3] == Progress("training", 1, 1, 4)
    assert events[-1] == Stopped(tmp_path / "run/last.ckpt", 1)
    assert (tmp_path / "run/last.ckpt").is_file()
    assert events_of(EpochDone, events) == []


def test_a_stop_during_validation_saves_a_checkpoint_at_the_next_batch(tmp_path, cards, prepared):
    requests = []

    def stop():
        return bool(requests)

    events = []
    for event in train(config(), cards, tmp_path / "run", stop, prepared):
        events.append(event)
        if isinstance(event, Progress) and event.step == "validation":
            requests.append(True)
    assert [type(event) for event in events[-3:]] == [Progress, Saved, Stopped]
    assert events[-3] == Progress("validation", 1, 3, 4)
    rest = list(resume(tmp_path / "run", cache=prepared))
    assert [event.step for event in events_of(Progress, rest)] == ["validation", "validation"]
    assert isinstance(rest[-1], Finished)


def test_a_stop_before_the_first_batch_saves_no_checkpoint(tmp_path, cards):
    events = run(config(), cards, tmp_path / "run", None, stop=lambda: True)
    assert [type(event) for event in events] == [Progress, Stopped]
    assert events[-1] == Stopped(None, 0)
