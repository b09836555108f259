"""Grad-CAM on both sides against plain autograd."""

import cv2
import numpy as np
import pytest
import torch

from engine.data.inputs import Inputs
from engine.inference.grad_cam import explain, overlay
from engine.inference.loaded_model import load_model
from tests.engine.conftest import saved_model

SIZE = 128


@pytest.fixture(scope="module", params=["ce_emd", "ordinal"])
def model(request, tmp_path_factory):
    path = saved_model(tmp_path_factory.mktemp("model") / "model.pt", loss=request.param, image_size=SIZE)
    return load_model(path, "cpu")


def inputs(front=True, back=True, seed=0):
    random = torch.Generator().manual_seed(seed)
    channels = (torch.rand(1, 6, SIZE, SIZE, generator=random) for _ in range(2))
    return Inputs(*channels, torch.tensor([[front, back]]))


def by_autograd(model, given, side_name):
    """The map unscaled: feature maps weighted by the mean slope of minus the expected grade, less its mean."""
    network = model.network
    side, other = (network.front, network.back) if side_name == "front" else (network.back, network.front)
    own, others = (given.front, given.back) if side_name == "front" else (given.back, given.front)
    activations = side.attention(side.encoder(own)).detach().requires_grad_()
    features = activations.mean(dim=(2, 3))
    with torch.no_grad():
        fixed = other(others, given.present[:, 1 if side_name == "front" else 0])
    scores = network.read_off(*((features, fixed) if side_name == "front" else (fixed, features)))
    if model.config.loss == "ordinal":
        # The expected value of a whole number from 1 on is 1 plus the chances of being above each k.
        expected = 1 + scores.grade.sigmoid().sum()
    else:
        expected = (scores.grade.softmax(1) * torch.arange(1.0, 11.0)).sum()
    (slope,) = torch.autograd.grad(-expected, activations)
    raw = (slope.mean(dim=(2, 3), keepdim=True) * activations).sum(1)[0].detach().numpy()
    raw = raw - raw.mean()
    return np.maximum(cv2.resize(raw, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), 0)


def test_both_maps_are_those_of_plain_autograd_on_one_scale(model):
    seen = 0
    for seed in range(3):
        evidence = explain(model, inputs(seed=seed))
        front, back = (by_autograd(model, inputs(seed=seed), name) for name in ("front", "back"))
        strongest = max(front.max(), back.max())
        assert strongest > 0
        np.testing.assert_allclose(evidence.front, front / strongest, atol=1e-4)
        np.testing.assert_allclose(evidence.back, back / strongest, atol=1e-4)
        seen += (front.max() > 0) + (back.max() > 0)
    assert seen > 2


@pytest.mark.parametrize(("front", "back"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_missing_side_has_no_map_and_the_strongest_place_of_the_others_is_one(model, front, back):
    evidence = explain(model, inputs(front, back))
    assert (evidence.front is not None, evidence.back is not None) == (front, back)
    maps = [each for each in evidence.__dict__.values() if each is not None]
    for each in maps:
        assert each.shape == (SIZE, SIZE)
        assert each.min() >= 0
    if any(each.any() for each in maps):
        assert max(each.max() for each in maps) == pytest.approx(1)


def test_a_missing_side_s_pixels_do_not_change_the_other_side_s_map(model):
    one = inputs(back=False)
    two = one._replace(back=torch.rand(1, 6, SIZE, SIZE))
    np.testing.assert_array_equal(explain(model, one).front, explain(model, two).front)


def test_the_other_side_is_read_once_and_held_fixed_and_nothing_is_left_behind(model):
    network, read = model.network, []
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    hooks = [
        side.encoder.register_forward_hook(lambda *_, name=name: read.append(name))
        for name, side in (("front", network.front), ("back", network.back))
    ]
    explain(model, inputs())
    for hook in hooks:
        hook.remove()
    # Once each for the fixed features, then once for its own map.
    assert read == ["front", "back", "front", "back"]
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training
    assert not any(len(module._forward_hooks) for module in network.modules())


def test_explaining_twice_gives_the_same(model):
    one, two = explain(model, inputs()), explain(model, inputs())
    np.testing.assert_array_equal(one.front, two.front)
    np.testing.assert_array_equal(one.back, two.back)


def test_an_overlay_is_clear_where_nothing_is_lost_and_warm_where_much_is():
    canvas = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(overlay(canvas, np.zeros((SIZE, SIZE), np.float32)), canvas)
    evidence = np.zeros((SIZE, SIZE), np.float32)
    evidence[:64] = 1
    grey = np.full((SIZE, SIZE, 3), 60, np.uint8)
    painted = overlay(grey, evidence).astype(int)
    np.testing.assert_array_equal(painted[64:], grey[64:])
    red, green, blue = painted[0, 0]
    assert red > blue
    assert green > blue
