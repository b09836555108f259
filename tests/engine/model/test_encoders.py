"""The encoders against torchvision's own networks."""

from urllib.error import URLError

import pytest
import torch
from torchvision import models

from engine.config import BadConfig
from engine.model.encoders import FEATURES, WeightsNotDownloaded, build_encoder

NAMES = list(FEATURES)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A torchvision network of each name and the path of its state dict."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    made = {}
    for name in NAMES:
        network = models.get_model(name, weights=None).eval()
        torch.save(network.state_dict(), folder / f"{name}.pth")
        made[name] = network, folder / f"{name}.pth"
    return made


def own_features(name, network, picture):
    """torchvision's last feature map, from its own modules called in its own order."""
    if name == "mobilenet_v2":
        return network.features(picture)
    features = network.maxpool(network.relu(network.bn1(network.conv1(picture))))
    return network.layer4(network.layer3(network.layer2(network.layer1(features))))


@pytest.mark.parametrize("size", [64, 96])
@pytest.mark.parametrize("name", NAMES)
def test_every_encoder_gives_its_features_at_a_thirty_second_of_the_size(name, size):
    with torch.no_grad():
        assert build_encoder(name)(torch.rand(2, 6, size, size)).shape == (2, FEATURES[name], size // 32, size // 32)


@pytest.mark.parametrize("name", NAMES)
def test_a_grey_picture_gives_what_the_three_channel_network_gave(name, weights):
    network, path = weights[name]
    grey = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        ours = build_encoder(name, str(path)).eval()(grey.expand(-1, 6, -1, -1))
        torch.testing.assert_close(ours, own_features(name, network, grey.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_every_new_channel_is_listened_to(name):
    first = next(module for module in build_encoder(name).modules() if isinstance(module, torch.nn.Conv2d))
    assert first.weight.shape[1] == 6
    assert (first.weight.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize("content", ["other network", "text", "empty", "not a dict", "missing", "a folder"])
def test_a_file_without_the_weights_is_refused_in_one_sentence(tmp_path, weights, content):
    path = tmp_path / "weights.pth"
    if content == "other network":
        path = weights["resnet34"][1]
    elif content == "text":
        path.write_text("these are no weights")
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "not a dict":
        torch.save([1, 2], path)
    elif content == "a folder":
        path.mkdir()
    with pytest.raises(BadConfig) as refusal:
        build_encoder("resnet18", str(path))
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300
    assert str(path) in str(refusal.value)
    assert "resnet18" in str(refusal.value)


def test_without_a_network_the_download_is_said_to_have_failed(monkeypatch, tmp_path):
    def offline(*arguments, **others):
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(WeightsNotDownloaded, match="the ImageNet weights of resnet18 could not be downloaded"):
        build_encoder("resnet18", "imagenet")
