"""An interrupted and resumed run equals the uninterrupted run."""

import json
from pathlib import Path

import pytest
import torch

from engine.data import picture_cache as cache_module
from engine.events import EpochDone, Finished, Progress, Saved, Stopped
from engine.experiments import plans
from engine.experiments.plans import ExperimentPlan
from engine.training.loop import resume, train
from engine.training.state import TrainingState
from tests.engine.training_helpers import (
    EVERYTHING_ON,
    assert_equal,
    config,
    epoch_results,
    events_of,
    final_state,
    run,
    run_for,
    steps_trained,
)

pytestmark = pytest.mark.usefixtures("no_fsync")


# Two steps into phase 1; its last step; five steps (phase 2 has begun); the very last step of the run.
@pytest.mark.slow
@pytest.mark.parametrize("steps", [2, 4, 5, 12])
def test_a_run_stopped_after_some_steps_and_resumed_equals_the_uninterrupted_run_bit_for_bit(
    tmp_path, cards, prepared, uninterrupted_run, steps
):
    folder = tmp_path / "run"
    first = run_for(steps, config(**EVERYTHING_ON), cards, folder, prepared)
    stopped = first[-1]
    assert stopped == Stopped(folder / "last.ckpt", epoch=(steps - 1) // 4 + 1)
    assert steps_trained(first) == steps
    torch.manual_seed(99)
    torch.rand(7)
    second = list(resume(folder, cache=prepared))
    assert isinstance(second[-1], Finished)
    assert_equal(final_state(folder), final_state(uninterrupted_run[0]))
    assert epoch_results([*first, *second]) == epoch_results(uninterrupted_run[1])


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["best model saved", "epoch told", "checkpoint saved"])
def test_a_run_killed_at_an_epoch_s_end_and_resumed_equals_the_uninterrupted_run_and_reports_every_epoch(
    tmp_path, cards, prepared, uninterrupted_run, moment
):
    folder, events, killed = (
        tmp_path / "run",
        [],
        train(config(**EVERYTHING_ON), cards, tmp_path / "run", cache=prepared),
    )
    for event in killed:
        events.append(event)
        reached = {
            "best model saved": isinstance(event, Saved) and event.best,
            "epoch told": isinstance(event, EpochDone),
            "checkpoint saved": isinstance(event, Saved) and not event.best,
        }
        if reached[moment]:
            break
    killed.close()
    second = list(resume(folder, cache=prepared))
    assert_equal(final_state(folder), final_state(uninterrupted_run[0]))
    assert epoch_results([*events, *second]) == epoch_results(uninterrupted_run[1])


@pytest.fixture
def qwk_always_improves(monkeypatch):
    """Make every epoch the best so far: after so few steps, all have the same QWK and the first stays best."""
    plain = TrainingState.is_best

    def is_best(state, done):
        state.best = {}
        return plain(state, done)

    monkeypatch.setattr(TrainingState, "is_best", is_best)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["predictions.csv", "model.pt", "ledger.json"])
def test_a_run_killed_between_the_writes_of_an_epoch_s_end_and_resumed_equals_the_uninterrupted_run(
    tmp_path, cards, prepared, qwk_always_improves, monkeypatch, name
):
    """The files are renamed in this order, the checkpoint last; the run is killed in its second epoch."""
    settings, saved = config(**EVERYTHING_ON), []
    *_, twin_end = run(settings, cards, tmp_path / "twin", prepared)
    renaming = Path.replace

    def replace(temporary, target):
        renaming(temporary, target)
        if target.name == name and len(saved) == 1:
            raise KeyboardInterrupt

    plans.write_plan(tmp_path / "run", ExperimentPlan())
    with monkeypatch.context() as dying:
        dying.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            for event in train(settings, cards, tmp_path / "run", cache=prepared):
                saved += [event] if isinstance(event, Saved) and not event.best else []
    *_, end = resume(tmp_path / "run", cache=prepared)
    assert_equal(final_state(tmp_path / "run"), final_state(tmp_path / "twin"))
    actual, expected = ((tmp_path / folder / "predictions.csv").read_bytes() for folder in ("run", "twin"))
    assert actual == expected
    assert plans.read_epochs(tmp_path / "run") == plans.read_epochs(tmp_path / "twin")
    assert end.summary["saved_epoch"] == twin_end.summary["saved_epoch"] == 3
    assert end.summary["verdict"] == json.loads((tmp_path / "run/ledger.json").read_text())["verdict"]


def test_the_same_seed_gives_the_same_first_losses_and_another_does_not(tmp_path, cards, prepared, uninterrupted_run):
    def first_loss(seed):
        settings = config(**{**EVERYTHING_ON, "seed": seed})
        run_ = train(settings, cards, tmp_path / f"{seed}", cache=prepared)
        done = next(event for event in run_ if isinstance(event, EpochDone))
        run_.close()
        return done.train_loss, done.val_loss

    (expected, *_) = events_of(EpochDone, uninterrupted_run[1])
    assert first_loss(EVERYTHING_ON["seed"]) == (expected.train_loss, expected.val_loss)
    assert first_loss(6) != (expected.train_loss, expected.val_loss)


@pytest.mark.slow
def test_preparing_the_pictures_first_does_not_change_a_run(tmp_path, cards, prepared, monkeypatch):
    """Preparation may draw random numbers from torch: building the card detection network does."""
    canvas_from_picture = cache_module.canvas_from_picture

    def drawing(path, *, size):
        torch.rand(3)
        return canvas_from_picture(path, size=size)

    monkeypatch.setattr(cache_module, "canvas_from_picture", drawing)
    losses = []
    for name, cache in (("found prepared", prepared), ("prepares by itself", None)):
        events = train(config(), cards, tmp_path / name, cache=cache)
        losses.append(next(event for event in events if isinstance(event, EpochDone)).train_loss)
        events.close()
    assert losses[0] == losses[1]


def test_resuming_a_finished_run_yields_finished_and_trains_nothing(cards, prepared, uninterrupted_run):
    folder, events = uninterrupted_run
    repeated = run(config(**EVERYTHING_ON), cards, folder, prepared)
    assert repeated == events[-1:]


def test_a_resumed_run_that_is_stopped_while_preparing_still_names_its_checkpoint(tmp_path, cards, prepared):
    run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    events = list(resume(tmp_path / "run", lambda: True, tmp_path / "another cache"))
    assert [type(event) for event in events] == [Progress, Stopped]
    assert events[-1].checkpoint == tmp_path / "run/last.ckpt"


def test_a_checkpoint_from_a_gpu_can_be_resumed_on_a_cpu(tmp_path, cards, prepared):
    run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    content = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    torch.save({**content, "random_cuda": [torch.zeros(16, dtype=torch.uint8)]}, tmp_path / "run/last.ckpt")
    assert isinstance(list(resume(tmp_path / "run", cache=prepared))[-1], Finished)
