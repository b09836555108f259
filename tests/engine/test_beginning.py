"""What a run begins from: whose weights it has, what of them fits, and which cards may then not judge it."""

from dataclasses import replace

import pytest
import torch

from engine import beginning
from engine.beginning import begin, refuse_unfit
from engine.checkpoint import BadModel, load
from engine.config import BadConfig
from engine.events import Finished, Notice, Stopped
from engine.leaks import Leak
from engine.run_folder import record
from tests.engine.conftest import saved_model
from tests.engine.runs import UNCALIBRATED, config, of, run


@pytest.fixture
def earlier(straight):
    """The model of an earlier run, in that run's folder."""
    return straight[0] / "model.pt"


def differing(network, path):
    """The names of a network's tensors that are not those of a model's file."""
    theirs = load(path)["model"]
    own = network.state_dict().items()
    return {name for name, tensor in own if name not in theirs or not torch.equal(tensor, theirs[name])}


def test_all_weights_of_a_model_of_the_same_shape_are_taken(earlier):
    first = begin(config(pretrained=str(earlier)))
    assert differing(first.network, earlier) == set()
    assert (first.of, first.notices) == ("run", ("begins with the weights of run",))


def test_what_has_another_shape_begins_anew_and_is_named(earlier):
    first = begin(config(pretrained=str(earlier), loss="ordinal", measured_inputs=True))
    changed = differing(first.network, earlier)
    assert {name.split(".")[0] for name in changed} == {"fuse", "grade", "measured"}
    assert {name for name in changed if name.startswith("fuse")} == {"fuse.0.weight"}
    assert first.notices == ("begins with the weights of run; fuse, grade, measured begin anew, whole or in part",)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"back_encoder": "resnet18"}, "has back_encoder = 'mobilenet_v2' and this run 'resnet18'; set back_encoder ="),
        ({"channels": "rgb"}, "has channels = 'six' and this run 'rgb'; set channels = six"),
    ],
)
def test_encoders_that_its_weights_do_not_fit_are_refused_by_name(earlier, settings, sentence):
    with pytest.raises(BadConfig, match=sentence):
        begin(config(pretrained=str(earlier), **settings))


def test_a_checkpoint_is_no_model_to_begin_from(earlier):
    with pytest.raises(BadConfig, match=r"give the model\.pt of a run"):
        begin(config(pretrained=str(earlier.with_name("last.ckpt"))))


def test_the_starter_is_meant_by_its_name_and_missed_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.starter.MODEL", tmp_path / "model.pt")
    with pytest.raises(BadModel, match="there is no such file"):
        begin(config(pretrained="starter"))
    saved_model(tmp_path / "model.pt")
    first = begin(config(pretrained="starter"))
    assert differing(first.network, tmp_path / "model.pt") == set()
    assert first.notices == ("begins with the weights of drawn",)


def test_of_a_model_without_its_run_it_is_said_that_its_cards_are_not_known(tmp_path, cards):
    path = saved_model(tmp_path / "model.pt")
    refuse_unfit(config(pretrained=str(path)), cards)
    assert begin(config(pretrained=str(path))).notices[1].startswith(f"no run lies beside {path}: if it has learned")


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_card_that_the_model_has_learned_from_may_not_judge(earlier, cards, split):
    settings = config(pretrained=str(earlier))
    refuse_unfit(settings, cards)
    known = next(pair for pair in cards if pair.split == "train")
    renamed = replace(known, card_id="another name", split=split)
    with pytest.raises(Leak, match=rf"has learned from 'another name', which is to judge this run \({split}\)"):
        refuse_unfit(settings, [renamed])
    refuse_unfit(config(), [renamed])
    # What cannot be judged by judges nothing.
    refuse_unfit(settings, [replace(renamed, grade=None)])


def test_a_card_that_the_model_s_own_beginning_has_learned_from_may_not_judge_either(earlier, cards, tmp_path):
    others = [pair for pair in cards if pair.split == "val"]
    record(tmp_path / "between", config(pretrained=str(earlier)), others)
    between = saved_model(tmp_path / "between" / "model.pt")
    known = next(pair for pair in cards if pair.split == "train")
    with pytest.raises(Leak, match="has learned from"):
        refuse_unfit(config(pretrained=str(between)), [replace(known, split="val")])


def test_a_run_goes_on_from_another_model_and_its_file_says_so_after_a_stop_too(earlier, cards, prepared, tmp_path):
    settings = config(pretrained=str(earlier), phase2_epochs=2)
    steps = iter([False] * 5 + [True] * 100)
    first = run(settings, cards, tmp_path / "run", prepared, stop=lambda: next(steps))
    assert [notice.text for notice in of(Notice, first)] == ["begins with the weights of run", UNCALIBRATED]
    assert isinstance(first[-1], Stopped)
    second = run(settings, cards, tmp_path / "run", prepared)
    assert isinstance(second[-1], Finished)
    assert of(Notice, second) == []
    assert load(tmp_path / "run" / "model.pt")["trained_on"].endswith("; begun from run")


def test_what_does_not_fit_is_refused_before_any_picture_is_prepared(earlier, cards, tmp_path):
    with pytest.raises(BadConfig, match="set back_encoder = mobilenet_v2"):
        run(config(pretrained=str(earlier), back_encoder="resnet18"), cards, tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


def test_a_run_that_would_be_judged_by_known_cards_does_not_begin(earlier, cards, tmp_path):
    known = next(pair for pair in cards if pair.split == "train")
    turned = [replace(pair, split="val") if pair is known else pair for pair in cards]
    with pytest.raises(Leak, match="has learned from"):
        run(config(pretrained=str(earlier)), turned, tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()


def test_nothing_of_another_model_is_asked_where_none_is_named(monkeypatch, cards):
    monkeypatch.setattr(beginning, "told", None)
    refuse_unfit(config(), cards)
    assert begin(config()).notices == ()
