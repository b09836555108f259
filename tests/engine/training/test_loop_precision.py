"""EMA weights and mixed precision in a run."""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from engine.config import BadConfig
from engine.device import precision
from engine.events import EpochDone, Finished
from engine.inference.evaluate import evaluate
from engine.inference.load_model import load_model
from engine.training import loop
from engine.training.loop import resume
from tests.engine.training_helpers import assert_equal, config, events_of, final_state, run, run_for

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.mark.slow
def test_the_averaged_weights_are_validated_and_saved(tmp_path, cards, prepared):
    settings = config(ema_decay=0.9, lr_phase2=1e-2)
    events = run(settings, cards, tmp_path / "run", prepared)
    last = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    saved = torch.load(tmp_path / "run/model.pt", weights_only=True)["model"]
    assert_equal(saved, last["average"])
    assert any(not torch.equal(saved[key], last["model"][key]) for key in saved)
    (end,) = events_of(Finished, events)
    validation = [card for card in cards if card.split == "val"]
    *_, evaluated = evaluate(load_model(tmp_path / "run/model.pt", "cpu"), validation, prepared)
    # `evaluate` also returns uncertainty metrics, which an epoch does not have.
    names = evaluated.keys() & end.summary.keys()
    assert names >= {"qwk", "qwk_low", "mae", "ece", "rps", "confusion"}
    assert {name: end.summary[name] for name in names} == {name: evaluated[name] for name in names}


def activation_dtypes(settings, cards, folder, prepared):
    """Types of the tensors that a run saves for its backward passes."""
    dtypes = set()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (dtypes.add(x.dtype), x)[1], lambda x: x):
        events = run(settings, cards, folder, prepared)
    assert np.isfinite(events_of(EpochDone, events)[0].train_loss)
    return dtypes


@pytest.mark.slow
def test_bf16_can_be_requested_and_a_cpu_uses_full_precision_by_default(tmp_path, cards, prepared):
    assert precision(config()) == "32-true"
    assert torch.bfloat16 not in activation_dtypes(config(), cards, tmp_path / "32", prepared)
    assert torch.bfloat16 in activation_dtypes(config(precision="bf16"), cards, tmp_path / "bf16", prepared)
    model = torch.load(tmp_path / "bf16/model.pt", weights_only=True)["model"]
    assert {value.dtype for value in model.values()} == {torch.float32, torch.int64}


def test_float16_is_refused_without_a_gpu(tmp_path, cards):
    with pytest.raises(BadConfig, match="only a GPU trains in float16; use auto, 32 or bf16"):
        run(config(precision="16"), cards, tmp_path / "run", None)


@pytest.fixture
def float16_on_a_cpu(monkeypatch):
    """Run precision 16, which needs a GPU, on the CPU; only the device differs."""

    def launch(settings):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
        fabric = Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
        fabric.launch()
        return fabric

    monkeypatch.setattr(loop, "launch", launch)


@pytest.mark.slow
def test_float16_lowers_its_loss_scale_on_overflow_and_resumes_exactly(tmp_path, cards, prepared, float16_on_a_cpu):
    settings = config(phase2_epochs=2, batch_size=10, ema_decay=0.5)
    uninterrupted = run(settings, cards, tmp_path / "uninterrupted", prepared)
    assert np.isfinite([done.train_loss for done in events_of(EpochDone, uninterrupted)]).all()
    run_for(1, settings, cards, tmp_path / "run", prepared)
    list(resume(tmp_path / "run", cache=prepared))
    assert_equal(final_state(tmp_path / "run"), final_state(tmp_path / "uninterrupted"))
    # A scale of 2 ** 40 overflows float16 in both steps, and is halved by each.
    assert torch.load(tmp_path / "run/last.ckpt", weights_only=True)["precision"]["scale"] == 2.0**38
