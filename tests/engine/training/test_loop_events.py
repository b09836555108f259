"""Events of a run during training and at its end."""

import json
from urllib.error import URLError

import numpy as np
import pytest
import torch

from engine.cards.pairs import CardPair
from engine.events import EpochDone, Finished, Notice, Progress
from tests.engine.training_helpers import EVERYTHING_ON, FEW_CARDS, config, events_of, run, run_for

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_left_out_cards_are_reported_with_their_reason(tmp_path, cards, prepared):
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    more = [
        CardPair("a", cards[0].front, None, None, split="train"),
        CardPair("b", cards[0].front, None, None, split="val"),
        CardPair("c", cards[0].front, None, 8, qualifier="MK", split="train"),
        CardPair("d", broken, None, 8, split="train"),
    ]
    for limit in (0, 12):
        folder = tmp_path / f"{limit}"
        events = run_for(1, config(max_pairs=limit), [*cards, *more], folder, None)
        assert {notice.text for notice in events_of(Notice, events)} >= {
            "a and 1 more: left out: not labelled",
            "c: left out: qualified MK (marked): the grade ignores that flaw",
        }
        if limit == 0:
            notices = [notice.text for notice in events_of(Notice, events)]
            assert any(text.startswith("d: left out: broken.png: is not a picture") for text in notices)


def test_test_cards_are_never_read(tmp_path, cards):
    sealed = CardPair("sealed", tmp_path / "gone.png", None, 9, split="test")
    events = run_for(1, config(), [*cards, sealed], tmp_path / "run", None)
    assert [notice.text for notice in events_of(Notice, events)] == FEW_CARDS


def test_class_weights_and_sampler_together_give_a_notice(tmp_path, cards, prepared):
    events = run_for(1, config(sampler_eta=0.5), cards, tmp_path / "run", prepared)
    assert Notice("both class_weights and sampler_eta favor rare grades; the effects multiply") in events


def test_without_an_internet_connection_missing_weights_are_reported_and_training_continues(
    tmp_path, cards, prepared, monkeypatch
):
    def offline(*arguments, **keywords):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    events = run(config(pretrained="imagenet"), cards, tmp_path / "run", prepared)
    notice, *others = events_of(Notice, events)
    assert [other.text for other in others] == FEW_CARDS
    assert notice.text.startswith("PRETRAINED WEIGHTS MISSING: the ImageNet weights of mobilenet_v2")
    assert notice.text.endswith("this run starts from random weights")
    assert isinstance(events[-1], Finished)


def test_the_events_report_the_run_in_order(uninterrupted_run, cards):
    _, events = uninterrupted_run
    names = [(event.step if isinstance(event, Progress) else type(event).__name__) for event in events]
    names = [name for index, name in enumerate(names) if index == 0 or name != names[index - 1]]
    assert [name for name in names if name not in ("pictures", "Saved")] == [
        "Notice",
        *["training", "validation", "EpochDone"] * 3,
        "Finished",
    ]
    for step, total in (("training", 4), ("validation", 4)):
        (first, *_) = [event for event in events_of(Progress, events) if event.step == step]
        assert first.total == total
    assert [done.phase for done in events_of(EpochDone, events)] == [1, 2, 2]


def test_the_saved_model_is_that_of_the_best_epoch_and_the_summary_has_the_documented_keys(uninterrupted_run):
    folder, events = uninterrupted_run
    finished, epochs = events[-1], events_of(EpochDone, events)
    best = epochs[int(np.argmin([done.metrics["rps"] for done in epochs]))]  # by RPS: there are four validation cards
    assert finished.model == folder / "model.pt"
    assert finished.summary["saved_epoch"] == best.epoch
    assert {key: finished.summary[key] for key in best.metrics} == best.metrics
    assert finished.summary["val_loss"] == best.val_loss
    assert finished.summary["learning_rate"] == best.learning_rate
    assert finished.summary["split"] == "validation"
    assert finished.summary["epochs"] == 3
    assert finished.summary["seconds"] == pytest.approx(sum(done.seconds for done in epochs))
    assert finished.summary["pairs_per_second"] == pytest.approx(30 / finished.summary["seconds"])
    assert 0 < finished.summary["data_wait_share"] < 1
    json.dumps(finished.summary)
    model = torch.load(folder / "model.pt", weights_only=True)
    assert model["phase"] == best.phase
    assert model["sides"] == [best.phase == 2, True]
    assert model["config"] == config(**EVERYTHING_ON).model_dump()
