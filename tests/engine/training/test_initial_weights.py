"""What a run begins from: whose weights it has, what of them fits, and which cards may then not judge it."""

import re
import shutil
from dataclasses import replace

import pytest
import torch
from torchvision.models import mobilenet_v2

from engine.cards.leakage import Leak
from engine.config import BadConfig
from engine.evaluation.predictions import BadPredictions
from engine.events import Finished, Notice, Stopped
from engine.experiments.run_folder import record
from engine.storage.checkpoint import BadModel, load, save_rounded
from engine.training.initial_weights import begin, refuse_unfit
from tests.engine.conftest import saved_model
from tests.engine.training_helpers import UNCALIBRATED, config, of, run


@pytest.fixture
def earlier(straight):
    """The model of an earlier run, in that run's folder."""
    return straight[0] / "model.pt"


@pytest.fixture
def known(cards):
    """A card that it has learned from, front and back."""
    return next(pair for pair in cards if pair.split == "train")


def begun(path, **settings):
    return begin(config(pretrained=str(path), **settings))


def differing(network, path):
    """The names of a network's tensors that are not those of a model's file."""
    theirs = load(path)["model"]
    own = network.state_dict().items()
    return {name for name, tensor in own if name not in theirs or not torch.equal(tensor, theirs[name])}


def test_all_weights_of_a_model_of_the_same_shape_are_taken(earlier):
    first = begun(earlier)
    assert differing(first.network, earlier) == set()
    assert (first.of, first.notices) == ("run", ("begins with the weights of run",))


def test_random_weights_are_nobody_s():
    first = begin(config())
    assert (first.of, first.notices) == ("", ())


def test_what_has_another_shape_begins_anew_and_is_named(earlier):
    first = begun(earlier, loss="ordinal", measured_inputs=True)
    changed = differing(first.network, earlier)
    assert {name.split(".")[0] for name in changed} == {"fuse", "grade", "measured"}
    assert {name for name in changed if name.startswith("fuse")} == {"fuse.0.weight"}
    assert first.notices[0].startswith(
        "begins with the weights of run; fuse, grade, measured begin anew, whole or in part"
    )


def test_what_the_run_has_no_place_for_is_left_behind_and_named(earlier):
    assert begun(earlier, attention="none").notices == (
        "begins with the weights of run; back attention of that model are left behind",
    )


def test_a_layer_that_read_millimetres_is_not_taken_to_read_regions(tmp_path):
    path = saved_model(tmp_path / "model.pt", measured_inputs=True)
    first = begun(path, regions=True)
    assert first.network.fuse[0].weight.shape == load(path)["model"]["fuse.0.weight"].shape
    assert "fuse.0.weight" in differing(first.network, path)
    assert "fuse, regions begin anew" in first.notices[0]
    assert "measured of that model are left behind" in first.notices[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"back_encoder": "resnet18"}, "has back_encoder = 'mobilenet_v2' and this run 'resnet18'; set back_encoder ="),
        ({"channels": "rgb"}, "has channels = 'six' and this run 'rgb'; set channels = six"),
    ],
)
def test_encoders_that_its_weights_do_not_fit_are_refused_by_name(earlier, settings, sentence):
    with pytest.raises(BadConfig, match=sentence):
        begun(earlier, **settings)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("last.ckpt", r"give the model\.pt of a run"),
        ("modle.pt", "there is no such file; give another, starter or none"),
        (".", r"is a run's folder; give .*model\.pt"),
        ("config.json", "holds no weights for mobilenet_v2 that can be read"),
    ],
)
def test_what_is_no_model_is_refused_in_words_of_its_own(earlier, name, sentence):
    with pytest.raises(BadConfig, match=sentence):
        refuse_unfit(config(pretrained=str(earlier.parent / name)))


@pytest.mark.parametrize(
    ("setting", "error"), [({"precision": "16"}, BadConfig), ({"teachers": "/absent/said.csv"}, BadPredictions)]
)
def test_what_a_run_could_not_begin_with_is_refused_before_anything_is_written(setting, error):
    with pytest.raises(error):
        refuse_unfit(config(device="cpu", **setting))


def test_a_file_of_torchvision_s_weights_is_taken_as_before_and_named(tmp_path):
    torch.manual_seed(3)
    weights = mobilenet_v2().state_dict()
    torch.save(weights, tmp_path / "theirs.pth")
    first = begun(tmp_path / "theirs.pth", channels="rgb")
    # Before the features stands what brings the colours to ImageNet's scale.
    last = first.network.back.encoder.get_parameter("19.0.weight")
    assert torch.equal(last, weights["features.18.0.weight"])
    assert (first.of, first.notices) == ("theirs.pth", ())


def test_the_starter_is_meant_by_its_name_its_eight_bits_read_and_missed_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.starter.MODEL", tmp_path / "model.pt")
    with pytest.raises(BadConfig, match="this copy of Loupe ships no starter model"):
        refuse_unfit(config(pretrained="starter"))
    save_rounded(tmp_path / "model.pt", load(saved_model(tmp_path / "whole.pt")))
    first = begin(config(pretrained="starter"))
    assert differing(first.network, tmp_path / "model.pt") == set()
    assert first.notices == ("begins with the weights of drawn",)


def test_damaged_eight_bits_are_said_to_be_damaged(tmp_path):
    content = load(saved_model(tmp_path / "whole.pt"))
    save_rounded(tmp_path / "model.pt", content)
    stored = torch.load(tmp_path / "model.pt", weights_only=True)
    stored["eight_bits"]["steps"].clear()
    torch.save(stored, tmp_path / "model.pt")
    with pytest.raises(BadModel, match="do not fit together"):
        begun(tmp_path / "model.pt")


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_card_that_the_model_has_learned_from_may_not_judge(earlier, cards, known, split):
    settings = config(pretrained=str(earlier))
    refuse_unfit(settings, cards)
    renamed = replace(known, card_id="another name", split=split)
    with pytest.raises(Leak, match=rf"has learned from 'another name', which is to judge this run \({split}\)"):
        refuse_unfit(settings, [renamed])
    refuse_unfit(config(), [renamed])
    # What cannot be judged by judges nothing.
    refuse_unfit(settings, [replace(renamed, grade=None)])


def test_a_card_is_known_again_by_its_picture_wherever_that_lies(earlier, known, tmp_path):
    for name, where in (("copy", known.front), ("front of a back", known.back)):
        moved = shutil.copy(where, tmp_path / f"{name}.png")
        with pytest.raises(Leak, match=f"has learned from '{name}'"):
            refuse_unfit(
                config(pretrained=str(earlier)), [replace(known, card_id=name, front=moved, back=None, split="val")]
            )


def test_only_what_was_learned_is_known(earlier, cards, known, tmp_path):
    told = [replace(known, grade=None), *(pair for pair in cards if pair != known)]
    record(tmp_path, config(), told)
    saved_model(tmp_path / "model.pt")
    refuse_unfit(config(pretrained=str(tmp_path / "model.pt")), [replace(known, split="val")])

    few = tmp_path / "few"
    record(few, config(max_pairs=2), cards)
    saved_model(few / "model.pt")
    refused = 0
    for pair in cards:
        try:
            refuse_unfit(config(pretrained=str(few / "model.pt")), [replace(pair, split="val")])
        except Leak:
            refused += 1
    assert refused == 2, "of ten cards to learn from it took two"


def test_the_cards_of_all_models_before_it_are_known_from_wherever_one_stands(
    earlier, cards, known, tmp_path, monkeypatch
):
    others = [pair for pair in cards if pair.split == "val"]
    monkeypatch.chdir(earlier.parent)
    record(tmp_path / "between", config(pretrained="model.pt"), others)
    monkeypatch.chdir(tmp_path / "between")
    saved_model(tmp_path / "between" / "model.pt")
    with pytest.raises(Leak, match="has learned from"):
        refuse_unfit(config(pretrained="model.pt"), [replace(known, split="val")])


def unknown(notices):
    return [re.sub(r"^whether (\S+) has.*", r"\1", text) for text in notices if text.startswith("whether")]


def test_a_model_before_it_that_nothing_tells_of_is_said_not_to_be_known(tmp_path, cards):
    alone, gone = tmp_path / "alone.pt", tmp_path / "gone" / "model.pt"
    assert unknown(begun(saved_model(alone)).notices) == [str(alone)]
    for before in (alone, gone):
        own = tmp_path / f"from {before.stem}"
        record(own, config(pretrained=str(before)), cards)
        assert unknown(begun(saved_model(own / "model.pt")).notices) == [str(before)]


def test_of_learned_cards_whose_pictures_are_gone_it_is_said_that_they_may_judge(tmp_path, cards, known):
    record(tmp_path, config(), [replace(known, front=tmp_path / "gone.png", back=None), *cards])
    notices = begun(saved_model(tmp_path / "model.pt")).notices
    assert notices[1].startswith("the pictures of 1 cards that the model has learned from are gone")


def test_a_model_that_was_begun_from_itself_is_gone_back_to_once(tmp_path, cards, known):
    record(tmp_path, config(pretrained=str(tmp_path / "model.pt")), cards)
    with pytest.raises(Leak, match="has learned from"):
        refuse_unfit(config(pretrained=str(saved_model(tmp_path / "model.pt"))), [replace(known, split="val")])


def test_a_run_goes_on_from_another_model_and_its_file_says_so_though_that_model_is_gone_by_then(
    earlier, cards, prepared, tmp_path
):
    shutil.copytree(earlier.parent, tmp_path / "before")
    settings = config(pretrained=str(tmp_path / "before" / "model.pt"), phase2_epochs=2)
    steps = iter([False] * 5 + [True] * 100)
    first = run(settings, cards, tmp_path / "run", prepared, stop=lambda: next(steps))
    assert [notice.text for notice in of(Notice, first)] == ["begins with the weights of run", UNCALIBRATED]
    assert isinstance(first[-1], Stopped)
    shutil.rmtree(tmp_path / "before")
    second = run(settings, cards, tmp_path / "run", prepared)
    assert isinstance(second[-1], Finished)
    assert of(Notice, second) == []
    assert load(tmp_path / "run" / "model.pt")["trained_on"].endswith("; begun from run")


@pytest.mark.parametrize("misfit", [{"back_encoder": "resnet18"}, {"pretrained": "modle.pt"}])
def test_what_does_not_fit_is_refused_before_any_picture_is_prepared(earlier, cards, tmp_path, misfit):
    with pytest.raises(BadConfig):
        run(config(**{"pretrained": str(earlier), **misfit}), cards, tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


def test_a_run_that_would_be_judged_by_known_cards_or_write_over_that_model_does_not_begin(
    earlier, cards, known, tmp_path
):
    turned = [replace(pair, split="val") if pair is known else pair for pair in cards]
    with pytest.raises(Leak, match="has learned from"):
        run(config(pretrained=str(earlier)), turned, tmp_path / "run", tmp_path / "cache")
    own = saved_model(tmp_path / "model.pt")
    with pytest.raises(BadConfig, match="is the file that this run would write"):
        run(config(pretrained=str(own)), cards, tmp_path, tmp_path / "cache")
    assert {path.name for path in tmp_path.iterdir()} == {"model.pt"}
