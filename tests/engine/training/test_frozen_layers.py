"""Frozen layers, fixed batch statistics and the kept epoch."""

import pytest
import torch
from torch import nn

from engine.config import build
from engine.events import EpochDone
from engine.model.dual_branch import DualBranch
from engine.model.encoders import EARLY_LAYERS
from engine.storage.checkpoint import load
from tests.engine.training_helpers import config, events_of, run

BOTH = torch.ones(2, 2, dtype=torch.bool)
CHANNELS = ("six", "rgb")


def network(layers, encoder="mobilenet_v2", channels="six"):
    settings = {"front_encoder": encoder, "back_encoder": encoder, "channels": channels, "image_size": 64}
    return DualBranch(build({**settings, "frozen_layers": layers, "phase2_epochs": 1}))


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("encoder", EARLY_LAYERS)
def test_the_early_layers_end_at_an_eighth_of_the_resolution(encoder, channels):
    trunk = network("none", encoder, channels).back.encoder
    layers = [module for module in trunk.children() if module is not trunk[0] or channels == "six"]
    picture = torch.zeros(1, 6 if channels == "six" else 3, 64, 64)
    with torch.no_grad():
        early, later = nn.Sequential(*layers[: EARLY_LAYERS[encoder]]), layers[EARLY_LAYERS[encoder]]
        assert early.eval()(picture).shape[-1] == 8
        assert later.eval()(early(picture)).shape[-1] == 4


@pytest.mark.parametrize(("layers", "first", "last"), [("none", 1, 1), ("early", 0, 1), ("encoders", 0, 0)])
def test_only_layers_that_are_not_frozen_get_a_gradient(layers, first, last):
    module = network(layers)
    module.set_trainable(2)
    pictures = torch.rand(2, 2, 6, 64, 64)
    module.train()(*pictures, BOTH).grade.square().sum().backward()
    convolutions = [layer for layer in module.back.encoder.modules() if isinstance(layer, nn.Conv2d)]
    assert [convolutions[index].weight.grad is not None for index in (0, -1)] == [bool(first), bool(last)]
    assert module.fuse[0].weight.grad is not None


@pytest.mark.parametrize("layers", ["none", "early", "encoders"])
def test_batch_statistics_are_fixed_if_layers_are_frozen(layers):
    module = network(layers)
    module.set_trainable(2)
    norms = [layer for layer in module.front.encoder.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    module.train()(*torch.rand(2, 2, 6, 64, 64), BOTH)
    changed = any(not torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))
    assert changed == (layers == "none")


def test_in_phase_1_the_front_is_not_trained():
    module = network("early")
    module.set_trainable(1)
    assert not any(parameter.requires_grad for parameter in module.front.parameters())
    assert any(parameter.requires_grad for parameter in module.back.encoder.parameters())


def test_the_last_epoch_can_be_kept_instead_of_the_best(tmp_path, cards, prepared):
    def kept_and_best(kept, seed):
        """The epoch of the saved model, and the best of these few cards by RPS, which then chooses."""
        settings, folder = (
            config(phase2_epochs=4, lr_phase2=0.05, seed=seed, kept_epoch=kept),
            tmp_path / f"{kept}{seed}",
        )
        epochs = events_of(EpochDone, run(settings, cards, folder, prepared))
        best = min(epochs, key=lambda epoch: epoch.metrics["rps"]).epoch
        return load(folder / "model.pt")["summary"]["epoch"], best

    for seed in range(3, 11):  # which epoch is best differs between processors; it must not be the last
        kept, best = kept_and_best("best", seed)
        assert kept == best
        if best < 4:
            assert kept_and_best("last", seed) == (4, best)
            return
    pytest.fail("the last epoch was the best of every run")
