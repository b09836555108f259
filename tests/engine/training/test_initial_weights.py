"""Initial weights of a run: which are copied, and leakage from the cards that they were trained on."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models import mobilenet_v2

from engine.cards.leakage import Leak
from engine.config import RENAMED_SETTINGS, BadConfig
from engine.evaluation.predictions import BadPredictions
from engine.events import Finished, Notice, Stopped
from engine.experiments.run_folder import save
from engine.inference.load_model import load_model
from engine.inference.out_of_fold import OutOfFold
from engine.storage.checkpoint import BadModel, load, save_quantized
from engine.storage.checkpoint import save as save_model
from engine.storage.file_hash import sha256
from engine.training.initial_weights import initialize_model, validate_run
from tests.engine.conftest import saved_model
from tests.engine.training_helpers import FEW_CARDS, config, events_of, run


@pytest.fixture
def earlier(uninterrupted_run):
    """Model of an earlier run, in its run folder."""
    return uninterrupted_run[0] / "model.pt"


@pytest.fixture
def training_card(cards):
    """One of its training cards, with front and back."""
    return next(pair for pair in cards if pair.split == "train")


def begun(path, **settings):
    return initialize_model(config(pretrained=str(path), **settings))


def differing(network, path):
    """Names of the network's tensors that differ from those of a model file."""
    saved = load(path)["model"]
    tensors = network.state_dict().items()
    return {name for name, tensor in tensors if name not in saved or not torch.equal(tensor, saved[name])}


def test_all_weights_of_a_model_of_the_same_shape_are_copied(earlier):
    first = begun(earlier)
    assert differing(first.network, earlier) == set()
    assert (first.source, first.notices) == ("run", ("starts with the weights of run",))


def test_the_weights_of_an_earlier_version_s_model_are_copied_and_the_model_can_be_loaded(tmp_path):
    path = saved_model(tmp_path / "model.pt", use_measurements=True)
    content = load(path)
    old_names = {new: old for old, new in RENAMED_SETTINGS.items()}
    content["config"] = {old_names.get(key, key): value for key, value in content["config"].items()}
    save_quantized(path, content)
    assert load_model(path, "cpu").config.use_measurements
    assert differing(begun(path, use_measurements=True).network, path) == set()


def test_random_weights_have_no_source():
    first = initialize_model(config())
    assert (first.source, first.notices) == ("", ())


def test_weights_of_another_shape_are_initialized_randomly_and_reported(earlier):
    first = begun(earlier, loss="ordinal", use_measurements=True)
    changed = differing(first.network, earlier)
    assert {name.split(".")[0] for name in changed} == {"fuse", "grade", "measured"}
    assert {name for name in changed if name.startswith("fuse")} == {"fuse.0.weight"}
    assert first.notices[0].startswith(
        "starts with the weights of run; fuse, grade, measured start from random weights, wholly or in part"
    )


def test_weights_unknown_to_the_run_are_ignored_and_reported(earlier):
    assert begun(earlier, attention="none").notices == (
        "starts with the weights of run; back attention of that model are not used",
    )


def test_a_layer_for_measurements_is_not_copied_to_one_for_regions(tmp_path):
    path = saved_model(tmp_path / "model.pt", use_measurements=True)
    first = begun(path, regions=True)
    assert first.network.fuse[0].weight.shape == load(path)["model"]["fuse.0.weight"].shape
    assert "fuse.0.weight" in differing(first.network, path)
    assert "fuse, regions start from random weights" in first.notices[0]
    assert "measured of that model are not used" in first.notices[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"back_encoder": "resnet18"}, "has back_encoder = 'mobilenet_v2' and this run 'resnet18'; set back_encoder ="),
        ({"channels": "rgb"}, "has channels = 'six' and this run 'rgb'; set channels = six"),
    ],
)
def test_other_encoders_than_those_of_the_weights_are_refused_by_name(earlier, settings, sentence):
    with pytest.raises(BadConfig, match=sentence):
        begun(earlier, **settings)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("last.ckpt", r"give the model\.pt of a run"),
        ("modle.pt", "there is no such file; give another, starter or none"),
        (".", r"is a run's folder; give .*model\.pt"),
        ("config.json", "has no readable weights for mobilenet_v2"),
    ],
)
def test_a_file_that_is_no_model_is_refused_with_a_specific_message(earlier, name, sentence):
    with pytest.raises(BadConfig, match=sentence):
        validate_run(config(pretrained=str(earlier.parent / name)))


@pytest.mark.parametrize(
    ("setting", "error"), [({"precision": "16"}, BadConfig), ({"teachers": "/absent/said.csv"}, BadPredictions)]
)
def test_unusable_settings_are_refused_before_anything_is_written(setting, error):
    with pytest.raises(error):
        validate_run(config(device="cpu", **setting))


def test_torchvision_s_weight_files_are_copied_and_named(tmp_path):
    torch.manual_seed(3)
    weights = mobilenet_v2().state_dict()
    torch.save(weights, tmp_path / "theirs.pth")
    first = begun(tmp_path / "theirs.pth", channels="rgb")
    # The first layer, before the features, normalizes the colors as for ImageNet.
    last = first.network.back.encoder.get_parameter("19.0.weight")
    assert torch.equal(last, weights["features.18.0.weight"])
    assert (first.source, first.notices) == ("theirs.pth", ())


def test_the_name_starter_loads_the_8_bit_starter_or_reports_that_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.starter.MODEL", tmp_path / "model.pt")
    with pytest.raises(BadConfig, match="this copy of Loupe has no starter model"):
        validate_run(config(pretrained="starter"))
    save_quantized(tmp_path / "model.pt", load(saved_model(tmp_path / "whole.pt")))
    first = initialize_model(config(pretrained="starter"))
    assert differing(first.network, tmp_path / "model.pt") == set()
    assert first.notices == ("starts with the weights of drawn",)


def test_damaged_8_bit_weights_are_reported(tmp_path):
    content = load(saved_model(tmp_path / "whole.pt"))
    save_quantized(tmp_path / "model.pt", content)
    stored = torch.load(tmp_path / "model.pt", weights_only=True)
    stored["eight_bits"]["steps"].clear()
    torch.save(stored, tmp_path / "model.pt")
    with pytest.raises(BadModel, match="its 8-bit weights are damaged"):
        begun(tmp_path / "model.pt")


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_training_card_of_the_parent_model_cannot_validate_or_test(earlier, cards, training_card, split):
    settings = config(pretrained=str(earlier))
    validate_run(settings, cards)
    renamed = replace(training_card, card_id="another name", split=split)
    with pytest.raises(Leak, match=rf"was trained on the card 'another name', which this run evaluates on \({split}\)"):
        validate_run(settings, [renamed])
    validate_run(config(), [renamed])
    # An unlabelled card cannot leak.
    validate_run(settings, [replace(renamed, grade=None)])


def test_a_training_card_is_recognized_by_its_picture_under_any_path(earlier, training_card, tmp_path):
    for name, where in (("copy", training_card.front), ("front of a back", training_card.back)):
        moved = shutil.copy(where, tmp_path / f"{name}.png")
        with pytest.raises(Leak, match=f"was trained on the card '{name}'"):
            validate_run(
                config(pretrained=str(earlier)),
                [replace(training_card, card_id=name, front=moved, back=None, split="val")],
            )


@pytest.mark.slow
@pytest.mark.parametrize("split", ["val", "test"])
def test_a_card_whose_out_of_fold_prediction_is_in_the_model_file_cannot_validate_or_test(tmp_path, cards, split):
    path = saved_model(tmp_path / "known.pt")
    known = next(card for card in cards if card.split == "val" and card.back)
    key = (None, sha256(known.back))
    save_model(path, {**load(path), "out_of_fold": OutOfFold({key: np.full(10, 0.1)}).to_dict()})
    settings = config(pretrained=str(path))
    validate_run(settings, [card for card in cards if card is not known])
    with pytest.raises(Leak, match=f"which this run evaluates on \\({split}\\)"):
        validate_run(settings, [replace(known, split=split)])


def test_only_cards_used_for_training_are_refused(earlier, cards, training_card, tmp_path):
    pairs = [replace(training_card, grade=None), *(pair for pair in cards if pair != training_card)]
    save(tmp_path, config(), pairs)
    saved_model(tmp_path / "model.pt")
    validate_run(config(pretrained=str(tmp_path / "model.pt")), [replace(training_card, split="val")])

    few = tmp_path / "few"
    save(few, config(max_pairs=2), cards)
    saved_model(few / "model.pt")
    left, refused = {pair.card_id: replace(pair, split="val") for pair in cards}, 0
    while True:
        try:
            validate_run(config(pretrained=str(few / "model.pt")), [*left.values()])
            break
        except Leak as leak:
            del left[re.search("was trained on the card '(.+?)'", str(leak))[1]]
            refused += 1
    assert refused == 2, "of ten cards to learn from it took two"


def test_the_training_cards_of_all_ancestor_models_are_refused_from_any_working_folder(
    earlier, cards, training_card, tmp_path, monkeypatch
):
    validation = [pair for pair in cards if pair.split == "val"]
    monkeypatch.chdir(earlier.parent)
    save(tmp_path / "between", config(pretrained="model.pt"), validation)
    monkeypatch.chdir(tmp_path / "between")
    saved_model(tmp_path / "between" / "model.pt")
    with pytest.raises(Leak, match="was trained on the card"):
        validate_run(config(pretrained="model.pt"), [replace(training_card, split="val")])


def unknown(notices):
    return [
        re.sub(r"^the training cards of (\S+) are unknown.*", r"\1", text)
        for text in notices
        if text.startswith("the training cards of")
    ]


def test_an_ancestor_model_with_unknown_training_cards_is_reported(tmp_path, cards):
    alone, missing = tmp_path / "alone.pt", tmp_path / "gone" / "model.pt"
    assert unknown(begun(saved_model(alone)).notices) == [str(alone)]
    for parent in (alone, missing):
        folder = tmp_path / f"from {parent.stem}"
        save(folder, config(pretrained=str(parent)), cards)
        assert unknown(begun(saved_model(folder / "model.pt")).notices) == [str(parent)]


def test_training_cards_with_missing_pictures_are_reported(tmp_path, cards, training_card):
    save(tmp_path, config(), [replace(training_card, front=tmp_path / "gone.png", back=None), *cards])
    notices = begun(saved_model(tmp_path / "model.pt")).notices
    assert notices[1].startswith("the pictures of 1 training cards of that model are missing")


def test_a_model_that_is_its_own_parent_is_visited_once(tmp_path, cards, training_card):
    save(tmp_path, config(pretrained=str(tmp_path / "model.pt")), cards)
    with pytest.raises(Leak, match="was trained on the card"):
        validate_run(config(pretrained=str(saved_model(tmp_path / "model.pt"))), [replace(training_card, split="val")])


@pytest.mark.slow
def test_a_run_resumes_without_its_parent_model_and_its_file_names_the_parent(earlier, cards, prepared, tmp_path):
    shutil.copytree(earlier.parent, tmp_path / "before")
    settings = config(pretrained=str(tmp_path / "before" / "model.pt"), phase2_epochs=2)
    steps = iter([False] * 5 + [True] * 100)
    first = run(settings, cards, tmp_path / "run", prepared, stop=lambda: next(steps))
    assert [notice.text for notice in events_of(Notice, first)] == ["starts with the weights of run", *FEW_CARDS]
    assert isinstance(first[-1], Stopped)
    shutil.rmtree(tmp_path / "before")
    second = run(settings, cards, tmp_path / "run", prepared)
    assert isinstance(second[-1], Finished)
    assert events_of(Notice, second) == []
    assert load(tmp_path / "run" / "model.pt")["trained_on"].endswith("; begun from run")


@pytest.mark.parametrize("misfit", [{"back_encoder": "resnet18"}, {"pretrained": "modle.pt"}])
def test_incompatible_weights_are_refused_before_any_picture_is_prepared(earlier, cards, tmp_path, misfit):
    with pytest.raises(BadConfig):
        run(config(**{"pretrained": str(earlier), **misfit}), cards, tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


def test_a_run_that_leaks_cards_or_would_overwrite_its_parent_model_is_refused(earlier, cards, training_card, tmp_path):
    turned = [replace(pair, split="val") if pair is training_card else pair for pair in cards]
    with pytest.raises(Leak, match="was trained on the card"):
        run(config(pretrained=str(earlier)), turned, tmp_path / "run", tmp_path / "cache")
    model = saved_model(tmp_path / "model.pt")
    with pytest.raises(BadConfig, match="would be overwritten by this run"):
        run(config(pretrained=str(model)), cards, tmp_path, tmp_path / "cache")
    assert {path.name for path in tmp_path.iterdir()} == {"model.pt"}
