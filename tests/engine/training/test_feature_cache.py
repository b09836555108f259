"""Runs with frozen encoders: each view of a picture is encoded once, and training is as if it were encoded anew."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.config import Config
from engine.data.inputs import channels_of
from engine.data.picture_cache import PixelCache
from engine.evaluation.predictions import read
from engine.events import EpochDone, Progress, Stopped
from engine.inference.evaluate import predict_cards
from engine.inference.load_model import load_model
from engine.model.dual_branch import DualBranch, SideEncoder
from engine.model.standardization import MIN_DEVIATION
from engine.storage.checkpoint import load
from engine.training.loop import train
from tests.engine.training_helpers import config, events_of, run

pytestmark = pytest.mark.slow

# Random weights of a ResNet keep their signal without batch statistics; those of MobileNet do not.
FROZEN = {"frozen_layers": "encoders", "attention": "none", "front_encoder": "resnet18", "back_encoder": "resnet18"}


def test_predictions_from_cached_features_equal_those_from_the_pictures(tmp_path, cards, prepared):
    settings = config(**FROZEN, phase2_epochs=6, lr_phase2=5e-3, cached_views=3, kept_epoch="last", side_dropout=0.3)
    run(settings, cards, tmp_path / "run", prepared)
    cached = read(tmp_path / "run" / "predictions.csv")
    model = replace(load_model(tmp_path / "run" / "model.pt", "cpu"), calibration=None)
    *_, encoded = predict_cards(model, [card for card in cards if card.split == "val"], prepared)
    # Features are stored in 16 bits, with a relative error of 2 ** -11.
    np.testing.assert_allclose(cached.probabilities, encoded.probabilities, atol=0.01)
    assert np.ptp(cached.probabilities, axis=0).max() > 0.1


def test_measurements_are_standardized_beside_cached_features_and_count_as_in_evaluation(tmp_path, cards, prepared):
    settings = config(**FROZEN, phase2_epochs=6, lr_phase2=5e-3, kept_epoch="last", use_measurements=True)
    run(settings, cards, tmp_path / "run", prepared)
    cached = read(tmp_path / "run" / "predictions.csv")
    model = replace(load_model(tmp_path / "run" / "model.pt", "cpu"), calibration=None)
    *_, encoded = predict_cards(model, [card for card in cards if card.split == "val"], prepared)
    np.testing.assert_allclose(cached.probabilities, encoded.probabilities, atol=0.01)
    assert model.network.measured is not None
    assert model.network.measured.center.any()


def test_every_view_of_a_picture_is_encoded_once_in_all_epochs_and_runs(tmp_path, cards, prepared, monkeypatch):
    encoded = []
    pool = SideEncoder.pool
    monkeypatch.setattr(SideEncoder, "pool", lambda side, x: encoded.append(len(x)) or pool(side, x))
    settings = config(**FROZEN, phase2_epochs=3, cached_views=4, vary_photograph=True, seed=11)
    events = run(settings, cards, tmp_path / "first", prepared)
    pictures = sum(side is not None for card in cards for side in (card.front, card.back))
    assert encoded == [4] * pictures
    steps = {event.step for event in events if isinstance(event, Progress)}
    assert "features" in steps
    run(settings.model_copy(update={"lr_phase2": 1e-4}), cards, tmp_path / "second", prepared)
    assert len(encoded) == pictures


def test_pictures_prepared_in_another_way_are_encoded_anew(tmp_path, cards, prepared, monkeypatch):
    settings = config(**FROZEN, phase2_epochs=1, cached_views=2, vary_photograph=True, seed=14)
    run(settings, cards, tmp_path / "first", prepared)
    before = set(prepared.glob("features_*.u8"))
    monkeypatch.setattr("engine.data.feature_cache.PREPARATION", 999)
    run(settings, cards, tmp_path / "second", prepared)
    assert set(prepared.glob("features_*.u8")) > before


def test_features_are_standardized_by_the_training_cards_and_an_older_model_has_no_standardization(
    tmp_path, cards, prepared
):
    run(config(**FROZEN, phase2_epochs=1, augment=False), cards, tmp_path / "run", prepared)
    saved = load(tmp_path / "run" / "model.pt")
    network = load_model(tmp_path / "run" / "model.pt", "cpu").network
    pixels = PixelCache(prepared, [card.back for card in cards if card.split == "train" and card.back], 64)
    list(pixels.fill())
    canvases = torch.from_numpy(
        np.stack([pixels[path] for path in (card.back for card in cards if card.split == "train" and card.back)])
    )
    with torch.no_grad():
        channels = channels_of(canvases, Config(**saved["config"]), torch.device("cpu"))
        pooled, features = network.back.pool(channels), network.back.encode(channels)
    expected = (pooled - pooled.mean(dim=0)) / (pooled.std(dim=0) + MIN_DEVIATION)
    np.testing.assert_allclose(features, expected, atol=0.02)
    assert features.std() > 0.5

    older = {name: tensor for name, tensor in saved["model"].items() if not name.endswith((".center", ".scale"))}
    network.load_state_dict(older)
    untouched = DualBranch(Config(**saved["config"]))
    untouched.load_state_dict(older)
    assert not untouched.back.center.any()
    assert (untouched.back.scale == 1).all()


def test_views_differ_and_the_first_is_the_unchanged_picture(tmp_path, cards, prepared):
    run(config(**FROZEN, phase2_epochs=1, cached_views=3, vary_photograph=True, seed=12), cards, tmp_path, prepared)
    file = max(prepared.glob("features_*.u8"), key=lambda path: path.stat().st_mtime)
    features = np.fromfile(file, np.uint8).view(np.float16).reshape(-1, 3, 512).astype(float)
    features = features[features.any(axis=(1, 2))]
    assert len(features) > 5
    assert (np.abs(features[:, 0] - features[:, 1]).max(axis=1) > 1e-3).all()
    assert (np.abs(features[:, 1] - features[:, 2]).max(axis=1) > 1e-3).all()


def test_a_stop_while_encoding_ends_the_run_which_resumes(tmp_path, cards, prepared):
    settings = config(**FROZEN, phase2_epochs=1, cached_views=2, vary_photograph=True, seed=13)
    folder, seen = tmp_path / "run", []

    def stop():
        return bool(seen)

    events = []
    for event in train(settings, cards, folder, stop, prepared):
        events.append(event)
        if isinstance(event, Progress) and event.step == "features":
            seen.append(event)
    assert isinstance(events[-1], Stopped)
    assert not (folder / "model.pt").exists()
    assert events_of(EpochDone, run(settings, cards, folder, prepared))
