"""Saliency maps of both sides against plain autograd and the grad-cam package."""

import cv2
import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM, HiResCAM, LayerCAM
from torch import nn

from engine.data.inputs import Inputs
from engine.inference.grad_cam import explain, explain_by_each_method, overlay
from engine.inference.load_model import load_model
from engine.model.rim_pooling import pool_rim
from tests.engine.conftest import saved_model

HEIGHT, WIDTH = 320, 224


@pytest.fixture(
    scope="module",
    params=[
        {"loss": "ce_emd"},
        {"loss": "ordinal", "front_encoder": "efficientnet_lite0", "back_encoder": "efficientnet_lite2"},
        {
            "front_encoder": "efficientnet_lite0",
            "back_encoder": "efficientnet_lite0",
            "attention": "none",
            "feature_stage": "penultimate",
            "pooling": "rim",
        },
    ],
    ids=["mobilenet_v2", "efficientnet_lite", "rim"],
)
def model(request, tmp_path_factory):
    path = saved_model(tmp_path_factory.mktemp("model") / "model.pt", image_size=f"{HEIGHT}x{WIDTH}", **request.param)
    return load_model(path, "cpu")


def inputs(front=True, back=True, seed=0):
    random = torch.Generator().manual_seed(seed)
    channels = (torch.rand(1, 6, HEIGHT, WIDTH, generator=random) for _ in range(2))
    return Inputs(*channels, torch.tensor([[front, back]]))


def by_autograd(model, card_inputs, side_name):
    """Unscaled map: feature maps times their gradient of the negative expected grade, minus its mean."""
    network = model.network
    side, other_side = (network.front, network.back) if side_name == "front" else (network.back, network.front)
    channels, other_channels = (
        (card_inputs.front, card_inputs.back) if side_name == "front" else (card_inputs.back, card_inputs.front)
    )
    activations = side.attention(side.encoder(channels)).detach().requires_grad_()
    features = pool_rim(activations) if model.config.pooling == "rim" else activations.mean(dim=(2, 3))
    with torch.no_grad():
        other_features = other_side(other_channels, card_inputs.present[:, 1 if side_name == "front" else 0])
    scores = network.fuse_and_score(
        *((features, other_features) if side_name == "front" else (other_features, features))
    )
    if model.config.loss == "ordinal":
        # The expected value of an integer from 1 on is 1 plus the sum of the probabilities of being above each k.
        expected = 1 + scores.grade.sigmoid().sum()
    else:
        expected = (scores.grade.softmax(1) * torch.arange(1.0, 11.0)).sum()
    (slope,) = torch.autograd.grad(-expected, activations)
    raw = (slope * activations).sum(1)[0].detach().numpy()
    raw = raw - raw.mean()
    return np.maximum(cv2.resize(raw, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), 0)


def test_both_maps_are_those_of_plain_autograd_on_one_scale(model):
    non_zero_maps = 0
    for seed in range(3):
        saliency = explain(model, inputs(seed=seed))
        front, back = (by_autograd(model, inputs(seed=seed), name) for name in ("front", "back"))
        maximum = max(front.max(), back.max())
        assert maximum > 0
        np.testing.assert_allclose(saliency.front, front / maximum, atol=1e-4)
        np.testing.assert_allclose(saliency.back, back / maximum, atol=1e-4)
        non_zero_maps += (front.max() > 0) + (back.max() > 0)
    assert non_zero_maps > 2


class FrontAlone(nn.Module):
    """Channels of the front (1, 6, S, S) -> negative expected grade (1, 1), with a fixed back."""

    def __init__(self, network, back):
        super().__init__()
        self.network, self.back = network, back

    def forward(self, channels):
        front = self.network.front(channels, torch.ones(1, dtype=torch.bool))
        grades = self.network.grade.log_probabilities(self.network.fuse_and_score(front, self.back).grade).exp()
        return -(grades * torch.arange(1.0, 11.0)).sum(dim=1, keepdim=True)


@pytest.mark.parametrize(("name", "package"), [("grad_cam", GradCAM), ("hires_cam", HiResCAM), ("layer_cam", LayerCAM)])
def test_each_method_is_that_of_the_grad_cam_package_up_to_its_final_scaling(model, name, package):
    card, network = inputs(), model.network
    with torch.no_grad():
        target = FrontAlone(network, network.back(card.back, card.present[:, 1]))
    layer, outputs = network.front.attention, [lambda output: output[0]]
    cam = package(target, [layer])
    cam(card.front, outputs)
    hooks = cam.activations_and_grads
    activations, gradients = hooks.activations[0].numpy(), hooks.gradients[0].numpy()
    raw = cam.get_cam_image(card.front, layer, outputs, activations, gradients, eigen_smooth=False)[0]
    cam.activations_and_grads.release()
    network.zero_grad(set_to_none=True)
    expected = np.maximum(cv2.resize((raw - raw.mean()).astype(np.float32), (WIDTH, HEIGHT)), 0)
    front = explain_by_each_method(model, card)[name].front
    assert expected.max() > 0
    np.testing.assert_allclose(front / front.max(), expected / expected.max(), atol=1e-3)


@pytest.mark.parametrize(("front", "back"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_missing_side_has_no_map_and_the_maximum_of_the_maps_is_one(model, front, back):
    saliency = explain(model, inputs(front, back))
    assert (saliency.front is not None, saliency.back is not None) == (front, back)
    maps = [side_map for side_map in saliency.__dict__.values() if side_map is not None]
    for side_map in maps:
        assert side_map.shape == (HEIGHT, WIDTH)
        assert side_map.min() >= 0
    if any(side_map.any() for side_map in maps):
        assert max(side_map.max() for side_map in maps) == pytest.approx(1)


def test_a_missing_side_s_pixels_do_not_change_the_other_side_s_map(model):
    black = inputs(back=False)
    noise = black._replace(back=torch.rand(1, 6, HEIGHT, WIDTH))
    np.testing.assert_array_equal(explain(model, black).front, explain(model, noise).front)


def test_all_maps_take_one_pass_of_each_encoder_and_no_hook_or_gradient_remains(model):
    network, encoded = model.network, []
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    hooks = [
        side.encoder.register_forward_hook(lambda *_, name=name: encoded.append(name))
        for name, side in (("front", network.front), ("back", network.back))
    ]
    explain_by_each_method(model, inputs())
    for hook in hooks:
        hook.remove()
    assert encoded == ["front", "back"]
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training
    assert not any(len(module._forward_hooks) for module in network.modules())


def test_explaining_twice_gives_the_same(model):
    first, second = explain(model, inputs()), explain(model, inputs())
    np.testing.assert_array_equal(first.front, second.front)
    np.testing.assert_array_equal(first.back, second.back)


def test_an_overlay_is_transparent_at_zero_and_warm_at_one():
    canvas = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    np.testing.assert_array_equal(overlay(canvas, np.zeros((HEIGHT, WIDTH), np.float32)), canvas)
    saliency = np.zeros((HEIGHT, WIDTH), np.float32)
    saliency[:64] = 1
    gray = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    painted = overlay(gray, saliency).astype(int)
    np.testing.assert_array_equal(painted[64:], gray[64:])
    red, green, blue = painted[0, 0]
    assert red > blue
    assert green > blue
