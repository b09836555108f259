"""Averaged weights, and numbers of fewer bits."""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from engine.config import BadConfig
from engine.device import precision
from engine.events import EpochDone, Finished
from engine.inference.evaluate import evaluate
from engine.inference.loaded_model import load_model
from engine.training import loop
from engine.training.loop import resume
from tests.engine.training_helpers import assert_equal, config, of, run, run_for, where_it_ended

pytestmark = pytest.mark.usefixtures("quick_disk")


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
    # What `evaluate` tells of certainty besides is no figure of an epoch.
    figures = measured.keys() & end.summary.keys()
    assert figures >= {"qwk", "qwk_low", "mae", "ece", "rps", "confusion"}
    assert {key: end.summary[key] for key in figures} == {key: measured[key] for key in figures}


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


@pytest.mark.slow
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
