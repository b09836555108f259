"""The training loop: it learns, it resumes exactly, it stops when asked, and it says what happens."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from engine import cache as cache_module
from engine import plans, steps
from engine import train as loop
from engine.config import BadConfig, Config
from engine.data import Inputs
from engine.device import out_of_memory, precision
from engine.evaluate import NoCards, evaluate, load_model
from engine.events import EpochDone, Finished, Notice, Progress, Saved, Stopped
from engine.ledger import parse_all
from engine.losses import Objective
from engine.model.dual import DualBranch
from engine.pairs import CardPair, write_snapshot
from engine.plans import Plan
from engine.recipes import RECIPES, recipe, recipe_config
from engine.train import TrainingFailed, resume, train
from tests.engine.conftest import drawn_pairs

# The fastest of the four encoders on a CPU; ten training cards in batches of three make four steps an epoch.
SMALL = {
    "front_encoder": "mobilenet_v2",
    "back_encoder": "mobilenet_v2",
    "image_size": 64,
    "batch_size": 3,
    "phase2_epochs": 1,
    "device": "cpu",
    "measured_targets": False,
}
EVERYTHING_ON = {
    "phase1_epochs": 1,
    "phase2_epochs": 2,
    "mixup_alpha": 0.3,
    "label_smoothing": 0.1,
    "side_dropout": 0.2,
    "sampler_eta": 0.5,
    "class_weights": "none",
    "schedule": "cosine",
    "ema_decay": 0.8,
    "seed": 5,
}
# What each recorded run changed, as the history tells it.
PARENTS = {
    "original": None,
    "over_regularised": "original",
    "baseline": "over_regularised",
    "four_at_once": "baseline",
    "label_smoothing": "baseline",
    "ordinal": "baseline",
    "smoothing_capped": "label_smoothing",
    "smoothing_emd_05": "label_smoothing",
    "smoothing_15": "label_smoothing",
    "focal": "baseline",
    "loupe": "ordinal",
}


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """No test here pulls the plug: what is written need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def config(**settings):
    return Config(**{**SMALL, **settings})


def run(settings, cards, folder, prepared, stop=lambda: False):
    return list(train(settings, cards, folder, stop, prepared))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def told(events):
    """What the epochs said, without the clock: by epoch, later words for an epoch replacing earlier ones."""
    clocks = ("seconds", "pairs_per_second", "data_wait_share")
    return {
        done.epoch: {key: value for key, value in asdict(done).items() if key not in clocks}
        for done in of(EpochDone, events)
    }


def where_it_ended(folder):
    """All that decides how a run goes on, and its model: the checkpoint without the clock's readings."""
    last = torch.load(folder / "last.ckpt", weights_only=True)
    clocks = [key for key in last["state"] if key.endswith("seconds")]
    assert clocks
    for key in clocks:
        del last["state"][key]
    model = torch.load(folder / "model.pt", weights_only=True)
    del model["name"]
    return {"checkpoint": last, "model": model}


def assert_equal(one, two, place=""):
    """Bit for bit, to the last tensor of a nest of lists and dicts."""
    assert type(one) is type(two), place
    if isinstance(one, dict):
        assert one.keys() == two.keys(), place
        for key in one:
            assert_equal(one[key], two[key], f"{place}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), place
        for number, (first, second) in enumerate(zip(one, two, strict=True)):
            assert_equal(first, second, f"{place}/{number}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two), place
    else:
        assert one == two, place


def run_for(steps, settings, cards, folder, prepared):
    """The events of a run that is asked to stop once it has trained so many batches."""
    events = []
    for event in train(settings, cards, folder, lambda: trained(events) >= steps, prepared):
        events.append(event)
    return events


def trained(events):
    return sum(event.step == "training" for event in of(Progress, events))


# --- it learns


@pytest.mark.slow
def test_eight_pairs_can_be_overfitted(tmp_path, tmp_path_factory, prepared):
    drawn = tmp_path_factory.mktemp("eight")
    eight = drawn_pairs(drawn, [1, 2, 4, 5, 6, 8, 9, 10], "train", 500)
    others = drawn_pairs(drawn, [1, 10], "val", 700)
    settings = config(
        phase2_epochs=20, batch_size=8, lr_phase2=1e-3, dropout=0.0, augment=False, schedule="constant", seed=1
    )
    *_, last = epochs = of(EpochDone, run(settings, [*eight, *others], tmp_path / "run", prepared))
    assert last.train_metrics == {"qwk": 1.0, "exact": 1.0}
    assert last.train_loss < 0.1 * epochs[0].train_loss


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_s_own_network_can_be_built_at_its_own_size_and_answers(name):
    own = recipe_config(name)
    assert own.image_size == 224
    network = DualBranch(own).eval()
    with torch.no_grad():
        scores = network(*torch.rand(2, 1, 6, 224, 224), torch.ones(1, 2, dtype=torch.bool))
    assert scores.grade.shape == (1, 9 if own.loss == "ordinal" else 10)
    assert network.grade.log_probabilities(scores.grade).exp().sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_two_steps(tmp_path, cards, prepared, name):
    own = recipe_config(name)
    phases = {"phase1_epochs": min(1, own.phase1_epochs), "phase2_epochs": 1 if own.phase1_epochs else 2}
    encoders = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2"}
    settings = recipe_config(name, {**encoders, **phases, "image_size": 64, "batch_size": 10, "device": "cpu"})
    assert recipe(name).parent == PARENTS[name]
    events = run(settings, cards, tmp_path / "run", prepared)
    first, second = of(EpochDone, events)
    assert [first.phase, second.phase] == ([1, 2] if own.phase1_epochs else [2, 2])
    assert np.isfinite([first.train_loss, first.val_loss, second.train_loss, second.val_loss]).all()
    assert isinstance(events[-1], Finished)


def test_a_run_with_regions_and_measured_targets_is_the_same_whoever_prepared_them(tmp_path, cards):
    settings = config(regions=True, measured_targets=True, mixup_alpha=0.3, side_dropout=0.3)
    first, second = (run(settings, cards, tmp_path / name, tmp_path / "prepared") for name in ("one", "two"))
    assert told(first) == told(second)
    steps = [event.step for event in of(Progress, first)]
    assert [step for step in dict.fromkeys(steps) if step != "pictures"] == [
        "regions",
        "measuring",
        "training",
        "validation",
    ]
    assert {event.step for event in of(Progress, second)} == {"training", "validation"}
    expected = "of 14 cards edge damage was measured on 0, centering on 0; only those teach it"
    assert [notice.text for notice in of(Notice, first)] == [expected]


@pytest.mark.parametrize("step", ["regions", "measuring"])
def test_a_stop_while_regions_are_cut_or_cards_are_measured_is_answered(tmp_path, cards, step):
    events = []
    settings = config(regions=True, measured_targets=True)
    for event in train(settings, cards, tmp_path / "run", lambda: events[-1].step == step):
        events.append(event)
    assert events[-1] == Stopped(None, 0)
    assert events[-2].step == step


# --- it is the same run, whatever interrupts it


@pytest.fixture(scope="module")
def straight(tmp_path_factory, cards, prepared):
    """The uninterrupted run, twelve steps over a change of phase: its folder and events."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    return folder, run(config(**EVERYTHING_ON), cards, folder, prepared)


# Two steps into phase 1; its last step; five steps (phase 2 has begun); the very last step of the run.
@pytest.mark.slow
@pytest.mark.parametrize("steps", [2, 4, 5, 12])
def test_a_run_stopped_after_some_steps_and_resumed_is_the_uninterrupted_run_bit_for_bit(
    tmp_path, cards, prepared, straight, steps
):
    folder = tmp_path / "run"
    first = run_for(steps, config(**EVERYTHING_ON), cards, folder, prepared)
    stopped = first[-1]
    assert stopped == Stopped(folder / "last.ckpt", epoch=(steps - 1) // 4 + 1)
    assert trained(first) == steps
    torch.manual_seed(99)
    torch.rand(7)
    second = list(resume(folder, cache=prepared))
    assert isinstance(second[-1], Finished)
    assert_equal(where_it_ended(folder), where_it_ended(straight[0]))
    assert told([*first, *second]) == told(straight[1])


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["best model saved", "epoch told", "checkpoint saved"])
def test_a_run_killed_at_an_epoch_s_end_and_resumed_is_the_uninterrupted_run_and_no_epoch_goes_untold(
    tmp_path, cards, prepared, straight, moment
):
    folder, seen, killed = tmp_path / "run", [], train(config(**EVERYTHING_ON), cards, tmp_path / "run", cache=prepared)
    for event in killed:
        seen.append(event)
        reached = {
            "best model saved": isinstance(event, Saved) and event.best,
            "epoch told": isinstance(event, EpochDone),
            "checkpoint saved": isinstance(event, Saved) and not event.best,
        }
        if reached[moment]:
            break
    killed.close()
    second = list(resume(folder, cache=prepared))
    assert_equal(where_it_ended(folder), where_it_ended(straight[0]))
    assert told([*seen, *second]) == told(straight[1])


def test_the_same_seed_gives_the_same_first_losses_and_another_does_not(tmp_path, cards, prepared, straight):
    def first_loss(seed):
        settings = config(**{**EVERYTHING_ON, "seed": seed})
        run_ = train(settings, cards, tmp_path / f"{seed}", cache=prepared)
        done = next(event for event in run_ if isinstance(event, EpochDone))
        run_.close()
        return done.train_loss, done.val_loss

    (expected, *_) = of(EpochDone, straight[1])
    assert first_loss(EVERYTHING_ON["seed"]) == (expected.train_loss, expected.val_loss)
    assert first_loss(6) != (expected.train_loss, expected.val_loss)


def test_preparing_the_pictures_first_leaves_a_run_as_it_is(tmp_path, cards, prepared, monkeypatch):
    """Preparing may draw from torch's random numbers: a network for finding cards does when it is built."""
    find_and_prepare = cache_module.find_and_prepare

    def drawing(path, *, size):
        torch.rand(3)
        return find_and_prepare(path, size=size)

    monkeypatch.setattr(cache_module, "find_and_prepare", drawing)
    losses = []
    for name, cache in (("found prepared", prepared), ("prepares by itself", None)):
        events = train(config(), cards, tmp_path / name, cache=cache)
        losses.append(next(event for event in events if isinstance(event, EpochDone)).train_loss)
        events.close()
    assert losses[0] == losses[1]


def test_a_finished_run_says_finished_again_and_trains_nothing(cards, prepared, straight):
    folder, events = straight
    again = run(config(**EVERYTHING_ON), cards, folder, prepared)
    assert again == events[-1:]


# --- stopping and failing


def test_a_stop_during_training_is_answered_at_the_next_batch_with_a_checkpoint(tmp_path, cards, prepared):
    events = run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    assert [type(event) for event in events[-3:]] == [Progress, Saved, Stopped]
    assert events[-3] == Progress("training", 1, 1, 4)
    assert events[-1] == Stopped(tmp_path / "run/last.ckpt", 1)
    assert (tmp_path / "run/last.ckpt").is_file()
    assert of(EpochDone, events) == []


def test_a_stop_during_validation_is_answered_at_its_next_batch_with_a_checkpoint(tmp_path, cards, prepared):
    asked = []

    def stop():
        return bool(asked)

    events = []
    for event in train(config(), cards, tmp_path / "run", stop, prepared):
        events.append(event)
        if isinstance(event, Progress) and event.step == "validation":
            asked.append(True)
    assert [type(event) for event in events[-3:]] == [Progress, Saved, Stopped]
    assert events[-3] == Progress("validation", 1, 3, 4)
    rest = list(resume(tmp_path / "run", cache=prepared))
    assert [event.step for event in of(Progress, rest)] == ["validation", "validation"]
    assert isinstance(rest[-1], Finished)


def test_a_stop_before_the_first_batch_is_answered_without_a_checkpoint(tmp_path, cards):
    events = run(config(), cards, tmp_path / "run", None, stop=lambda: True)
    assert [type(event) for event in events] == [Progress, Stopped]
    assert events[-1] == Stopped(None, 0)


def test_a_resumed_run_that_is_stopped_while_preparing_still_names_its_checkpoint(tmp_path, cards, prepared):
    run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    events = list(resume(tmp_path / "run", lambda: True, tmp_path / "another cache"))
    assert [type(event) for event in events] == [Progress, Stopped]
    assert events[-1].checkpoint == tmp_path / "run/last.ckpt"


@pytest.fixture
def poisoned(monkeypatch):
    """From the sixth batch on, pictures are NaN."""
    plain, seen = steps.mix, []

    def mix(inputs, targets, alpha, random):
        seen.append(1)
        inputs, targets = plain(inputs, targets, alpha, random)
        return (Inputs(inputs.front * torch.nan, *inputs[1:]) if len(seen) >= 6 else inputs), targets

    monkeypatch.setattr(steps, "mix", mix)


def test_a_loss_that_is_no_number_ends_the_run_naming_epoch_and_batch(tmp_path, cards, prepared, poisoned):
    both_sides = [card for card in cards if card.front and card.back]
    with pytest.raises(TrainingFailed, match=r"^the loss became nan in epoch 2, batch 3; lower the learning rate$"):
        run(config(phase2_epochs=2), both_sides, tmp_path / "run", prepared)
    assert torch.load(tmp_path / "run/last.ckpt", weights_only=True)["state"]["epoch"] == 2


def test_a_gradient_that_is_no_number_ends_the_run_before_it_touches_the_weights(
    tmp_path, cards, prepared, monkeypatch
):
    plain = Objective.forward

    def steep(self, scores, *targets):
        # A root's slope at nought is infinite, its value there nought.
        return plain(self, scores, *targets) + (scores.edge - scores.edge.detach()).sqrt()

    monkeypatch.setattr(Objective, "forward", steep)
    with pytest.raises(TrainingFailed, match=r"^the gradient became (nan|inf) in epoch 1, batch 1; lower the learning"):
        run(config(), cards, tmp_path / "run", prepared)


def holding_no_more_than(cards, monkeypatch, asked=None):
    """A machine whose memory holds so many cards at once; `asked` notes how many each step tried."""
    plain = DualBranch.forward

    def forward(self, front, *others):
        if self.training and asked is not None:
            asked.append(len(front))
        if self.training and len(front) > cards:
            torch.empty(1 << 62, dtype=torch.uint8)  # the allocator's own refusal
        return plain(self, front, *others)

    monkeypatch.setattr(DualBranch, "forward", forward)


def test_a_batch_that_memory_does_not_hold_is_computed_in_parts_and_still_is_one_batch(
    tmp_path, cards, prepared, monkeypatch
):
    with monkeypatch.context() as small:
        asked = []
        holding_no_more_than(3, small, asked)
        events = run_for(1, config(batch_size=10, ema_decay=0.9), cards, tmp_path / "run", prepared)
        assert asked == [10, 5, 3, 3, 2, 2]
        halved = [notice.text for notice in of(Notice, events)]
        assert [text.split(":")[0] for text in halved] == [
            "memory did not hold 10 cards at once",
            "memory did not hold 5 cards at once",
        ]
        assert all("added up to those of a batch of 10; batch normalisation sees" in text for text in halved)
        asked.clear()
        assert isinstance(list(resume(tmp_path / "run", cache=prepared))[-1], Finished)
        assert asked == []
    state = torch.load(tmp_path / "run/last.ckpt", weights_only=True)["state"]
    assert (state["cards_at_once"], state["steps"]) == (3, 1)


def test_a_resumed_run_does_not_try_again_what_memory_did_not_hold(tmp_path, cards, prepared, monkeypatch):
    asked = []
    holding_no_more_than(6, monkeypatch, asked)
    run_for(1, config(batch_size=10, phase2_epochs=2), cards, tmp_path / "run", prepared)
    asked.clear()
    list(resume(tmp_path / "run", cache=prepared))
    assert asked == [5, 5]


def test_the_gradient_of_a_batch_in_parts_is_that_of_the_whole_where_no_card_sees_another(
    tmp_path, cards, prepared, monkeypatch
):
    # Without batch statistics the parts add up to the whole; with them each part has its own, as the notice says.
    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", lambda self, x: x)
    settings = config(batch_size=10, dropout=0.0, lr_phase2=1e-6)
    learned = []
    for most in (10, 3):
        with monkeypatch.context() as small:
            holding_no_more_than(most, small)
            run(settings, cards, tmp_path / f"{most}", prepared)
        learned.append(torch.load(tmp_path / f"{most}/last.ckpt", weights_only=True)["optimizer"]["state"])
    for whole, parts in zip(*(state.values() for state in learned), strict=True):
        scale = float(whole["exp_avg"].abs().max())
        torch.testing.assert_close(parts["exp_avg"], whole["exp_avg"], rtol=1e-3, atol=1e-5 * scale + 1e-12)


def test_memory_that_holds_not_one_card_ends_the_run_in_a_sentence(tmp_path, cards, prepared, monkeypatch):
    holding_no_more_than(0, monkeypatch)
    with pytest.raises(TrainingFailed, match=r"^memory does not hold one card of 64 px; lower image_size$"):
        run(config(batch_size=4), cards, tmp_path / "run", prepared)


def test_another_error_than_memory_s_is_not_taken_for_it(tmp_path, cards, prepared, monkeypatch):
    def broken(self, *inputs):
        raise RuntimeError("sizes do not match")

    monkeypatch.setattr(DualBranch, "forward", broken)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        run(config(), cards, tmp_path / "run", prepared)


def test_a_gpu_s_error_is_known_as_memory_s_too():
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


def test_a_rule_ends_the_run_at_its_epoch_with_a_sentence_and_for_good(tmp_path, cards, prepared):
    settings = config(phase2_epochs=3, stop_if="val_loss>99@1, qwk<1.1@2", batch_size=10)
    plans.record(tmp_path / "run", Plan(expect=parse_all("qwk>=-1"), fail=parse_all(settings.stop_if)))
    events = []
    with pytest.raises(TrainingFailed, match=r"^epoch 2 fails the run by its rule qwk<1\.1@2: qwk is ") as failure:
        for event in train(settings, cards, tmp_path / "run", cache=prepared):
            events.append(event)
    assert [done.epoch for done in of(EpochDone, events)] == [1, 2]
    assert (tmp_path / "run/model.pt").is_file()
    verdict = json.loads((tmp_path / "run/ledger.json").read_text())["verdict"]
    assert (verdict["word"], verdict["expect"][0]["value"]) == ("failed", None)
    with pytest.raises(TrainingFailed) as again:
        list(resume(tmp_path / "run", cache=prepared))
    assert str(again.value) == str(failure.value)


def test_a_rule_that_the_run_passes_changes_nothing(tmp_path, cards, prepared):
    events = run(config(stop_if="qwk<-1@1", batch_size=10), cards, tmp_path / "run", prepared)
    assert isinstance(events[-1], Finished)


def test_a_folder_with_another_run_is_refused(tmp_path, cards, prepared):
    run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    for settings, pairs in ((config(dropout=0.5), cards), (config(), cards[1:])):
        with pytest.raises(BadConfig, match="already holds a run with other settings or cards; choose another folder"):
            run(settings, pairs, tmp_path / "run", prepared)


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path):
    with pytest.raises(BadConfig, match="holds no run; give a folder that a training run has written"):
        list(resume(tmp_path))


@pytest.mark.parametrize("written", ["", '{"dropout": ', '{"dropout": 7}', '{"of_a_later_version": 1}'])
def test_a_run_whose_settings_cannot_be_read_is_refused_in_one_sentence(tmp_path, cards, written):
    (tmp_path / "config.json").write_text(written)
    write_snapshot(tmp_path / "pairs.jsonl", cards)
    with pytest.raises(BadConfig) as refusal:
        list(resume(tmp_path))
    assert str(refusal.value).startswith(f"{tmp_path / 'config.json'}: ")
    assert "\n" not in str(refusal.value)


def test_a_kill_while_the_settings_are_written_leaves_a_folder_that_can_be_used(tmp_path, cards, prepared, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(config(), cards, tmp_path / "run", prepared)
    assert isinstance(run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)[-1], Stopped)


def test_cards_with_relative_paths_can_be_trained_on_and_gone_on_with(tmp_path, cards, prepared, monkeypatch):
    monkeypatch.chdir(cards[0].front.parent)
    relative = [
        replace(card, front=card.front and Path(card.front.name), back=card.back and Path(card.back.name))
        for card in cards
    ]
    for _ in range(2):
        events = run(config(), relative, tmp_path / "run", prepared, stop=lambda: True)
        assert isinstance(events[-1], Stopped)
    monkeypatch.chdir(tmp_path)
    assert isinstance(list(resume(tmp_path / "run", lambda: True, prepared))[-1], Stopped)


@pytest.mark.parametrize(("split", "word"), [("train", "training"), ("val", "validation")])
def test_without_cards_in_a_split_the_run_is_refused_in_one_sentence(tmp_path, cards, prepared, split, word):
    others = [card for card in cards if card.split != split]
    with pytest.raises(NoCards, match=f"no card is left for {word}; label more cards, so that the {split} split has"):
        run(config(), others, tmp_path / "run", prepared)


def test_a_checkpoint_made_on_a_gpu_can_be_gone_on_with_on_a_cpu(tmp_path, cards, prepared):
    run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    content = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    torch.save({**content, "random_cuda": [torch.zeros(16, dtype=torch.uint8)]}, tmp_path / "run/last.ckpt")
    assert isinstance(list(resume(tmp_path / "run", cache=prepared))[-1], Finished)


# --- averaged weights and short numbers


def test_the_averaged_weights_are_what_is_validated_and_saved(tmp_path, cards, prepared):
    settings = config(ema_decay=0.9, lr_phase2=1e-2)
    events = run(settings, cards, tmp_path / "run", prepared)
    last = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    saved = torch.load(tmp_path / "run/model.pt", weights_only=True)["model"]
    assert_equal(saved, last["average"])
    assert any(not torch.equal(saved[key], last["model"][key]) for key in saved)
    (end,) = of(Finished, events)
    shown = [card for card in cards if card.split == "val"]
    *_, measured = evaluate(load_model(tmp_path / "run/model.pt", "cpu"), shown, prepared)
    assert {key: end.summary[key] for key in measured} == measured


def kept_between_layers(settings, cards, folder, prepared):
    """The types of the numbers that a run keeps for its backward passes."""
    dtypes = set()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (dtypes.add(x.dtype), x)[1], lambda x: x):
        events = run(settings, cards, folder, prepared)
    assert np.isfinite(of(EpochDone, events)[0].train_loss)
    return dtypes


def test_bf16_trains_when_asked_for_and_full_precision_is_what_a_cpu_does_unasked(tmp_path, cards, prepared):
    assert precision(config()) == "32-true"
    assert torch.bfloat16 not in kept_between_layers(config(), cards, tmp_path / "32", prepared)
    assert torch.bfloat16 in kept_between_layers(config(precision="bf16"), cards, tmp_path / "bf16", prepared)
    model = torch.load(tmp_path / "bf16/model.pt", weights_only=True)["model"]
    assert {value.dtype for value in model.values()} == {torch.float32, torch.int64}


def test_float16_is_refused_where_there_is_no_gpu(tmp_path, cards):
    with pytest.raises(BadConfig, match="only a GPU trains in float16; use auto, 32 or bf16"):
        run(config(precision="16"), cards, tmp_path / "run", None)


@pytest.fixture
def float16_on_a_cpu(monkeypatch):
    """What a GPU does with precision 16, done by torch's CPU: only the device differs."""

    def launch(settings):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
        fabric = Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
        fabric.launch()
        return fabric

    monkeypatch.setattr(loop, "launch", launch)


def test_float16_lowers_its_scale_instead_of_failing_and_goes_on_from_it_exactly(
    tmp_path, cards, prepared, float16_on_a_cpu
):
    settings = config(phase2_epochs=2, batch_size=10, ema_decay=0.5)
    straight = run(settings, cards, tmp_path / "straight", prepared)
    assert np.isfinite([done.train_loss for done in of(EpochDone, straight)]).all()
    run_for(1, settings, cards, tmp_path / "run", prepared)
    list(resume(tmp_path / "run", cache=prepared))
    assert_equal(where_it_ended(tmp_path / "run"), where_it_ended(tmp_path / "straight"))
    # A scale of 2 ** 40 overflows float16 in both steps, and is halved by each.
    assert torch.load(tmp_path / "run/last.ckpt", weights_only=True)["precision"]["scale"] == 2.0**38


# --- what it says


def test_cards_that_are_left_out_are_told_with_their_reason(tmp_path, cards, prepared):
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
        assert {notice.text for notice in of(Notice, events)} >= {
            "a and 1 more: left out: not labelled",
            "c: left out: qualified MK (marked): the grade ignores that flaw",
        }
        if limit == 0:
            told = [notice.text for notice in of(Notice, events)]
            assert any(text.startswith("d: left out: broken.png: is not a picture") for text in told)


def test_the_sealed_test_cards_are_not_even_opened(tmp_path, cards):
    sealed = CardPair("sealed", tmp_path / "gone.png", None, 9, split="test")
    events = run_for(1, config(), [*cards, sealed], tmp_path / "run", None)
    assert of(Notice, events) == []


def test_stacked_weights_and_sampler_are_said_aloud(tmp_path, cards, prepared):
    events = run(config(sampler_eta=0.5), cards, tmp_path / "run", prepared, stop=lambda: True)
    assert Notice("class weights and sampler are stacked: rare grades are favoured twice") in events


def test_without_a_network_pretrained_weights_are_missed_loudly_and_training_goes_on(
    tmp_path, cards, prepared, monkeypatch
):
    def offline(*arguments, **others):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    events = run(config(pretrained="imagenet"), cards, tmp_path / "run", prepared)
    (notice,) = of(Notice, events)
    assert notice.text.startswith("PRETRAINED WEIGHTS MISSING: the ImageNet weights of mobilenet_v2")
    assert notice.text.endswith("this run starts from random weights")
    assert isinstance(events[-1], Finished)


def test_the_rate_falls_on_a_plateau_of_a_real_run_and_every_epoch_tells_it(tmp_path, cards, prepared, monkeypatch):
    plain = loop.figures

    def never_better(*arguments):
        metrics, loss, probabilities = plain(*arguments)
        return {**metrics, "qwk": 0.5}, loss, probabilities

    monkeypatch.setattr(loop, "figures", never_better)
    settings = config(phase2_epochs=10, batch_size=16, lr_phase2=4e-4)
    rates = [done.learning_rate for done in of(EpochDone, run(settings, cards, tmp_path / "run", prepared))]
    np.testing.assert_allclose(rates, [4e-4] * 5 + [2e-4] * 4 + [1e-4])


def test_the_told_losses_are_means_over_cards_not_over_batches(tmp_path, cards, prepared, monkeypatch):
    # Each card costs its own grade; ten cards in batches of three leave one alone in the last.
    def costs_its_grade(self, scores, targets, edge, centering):
        return targets @ torch.arange(1.0, 11.0) + 0 * scores.grade.sum(1)

    monkeypatch.setattr(Objective, "forward", costs_its_grade)
    (done,) = of(EpochDone, run(config(), cards, tmp_path / "run", prepared))
    for split, loss in (("train", done.train_loss), ("val", done.val_loss)):
        assert loss == pytest.approx(np.mean([card.grade for card in cards if card.split == split]))


def test_training_and_validation_are_given_the_same_phase(tmp_path, cards, prepared, monkeypatch):
    seen = []

    def noting(name):
        module = {"training": loop, "validation": __import__("engine.evaluate", fromlist=["evaluate"])}[name]
        plain = module.model_input

        def model_input(batch, config, phase, device):
            inputs = plain(batch, config, phase, device)
            seen.append((name, phase, bool(inputs.present[:, 0].any())))
            return inputs

        monkeypatch.setattr(module, "model_input", model_input)

    noting("training")
    noting("validation")
    run(config(phase1_epochs=1, batch_size=16), cards, tmp_path / "run", prepared)
    assert seen == [("training", 1, False), ("validation", 1, False), ("training", 2, True), ("validation", 2, True)]


def test_phase_one_leaves_the_front_as_it_was_born(tmp_path, cards, prepared):
    settings = config(phase1_epochs=1, phase2_epochs=0, seed=3)
    run(settings, cards, tmp_path / "run", prepared)
    learned = torch.load(tmp_path / "run/last.ckpt", weights_only=True)["model"]
    torch.manual_seed(3)
    born = DualBranch(settings).state_dict()
    same = {key for key in born if torch.equal(born[key], learned[key])}
    assert {key for key in born if key.startswith("front.")} <= same
    assert not {key for key in same if key.startswith(("back.encoder", "fuse"))}


def test_the_class_weights_are_those_of_the_training_cards(tmp_path, cards, prepared, monkeypatch):
    counts = []
    plain = Objective.__init__
    monkeypatch.setattr(Objective, "__init__", lambda self, c, n: (counts.append(n.tolist()), plain(self, c, n))[1])
    run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    assert counts == [[1, 0, 1, 1, 1, 1, 1, 1, 2, 1]]


def test_the_events_tell_the_run_in_order(straight, cards):
    _, events = straight
    words = [(event.step if isinstance(event, Progress) else type(event).__name__) for event in events]
    words = [word for place, word in enumerate(words) if place == 0 or word != words[place - 1]]
    assert [word for word in words if word not in ("pictures", "Saved")] == [
        *["training", "validation", "EpochDone"] * 3,
        "Finished",
    ]
    for step, total in (("training", 4), ("validation", 4)):
        (first, *_) = [event for event in of(Progress, events) if event.step == step]
        assert first.total == total
    assert [done.phase for done in of(EpochDone, events)] == [1, 2, 2]


def test_the_saved_model_is_that_of_the_best_epoch_and_the_summary_is_the_contract_s(straight):
    folder, events = straight
    finished, epochs = events[-1], of(EpochDone, events)
    scores = [-np.inf if done.metrics["qwk"] is None else done.metrics["qwk"] for done in epochs]
    best = epochs[int(np.argmax(scores))]
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
