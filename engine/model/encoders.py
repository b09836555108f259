"""Encoders by name: torchvision's networks without classifier, their first convolution over our own channels."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import cast
from urllib.error import URLError

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from engine.config import BadConfig, Channels
from engine.storage.checkpoint import UNREADABLE

CHANNELS = 6
FEATURES = {"resnet18": 512, "resnet34": 512, "resnet50": 2048, "mobilenet_v2": 1280}
# Which share of red, green and blue each of our channels starts from: L, a, b, |Sobel x|, |Sobel y|, |Laplacian|.
# The first three are an orthonormal turn of the colour axes, the opponent axes that L, a and b stand for; the
# gradients are of lightness. Rows have length 1.
COLOURS = F.normalize(
    torch.tensor([(1, 1, 1), (1, -1, 0), (1, 1, -2), (1, 1, 1), (1, 1, 1), (1, 1, 1)], dtype=torch.float64)
)

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class WeightsNotDownloaded(RuntimeError):
    """ImageNet weights could not be fetched; the caller says so and trains from random weights."""


def build_encoder(name: str, pretrained: str = "none", channels: Channels = "six") -> nn.Sequential:
    """An encoder (B, 6 or 3, S, S) -> (B, FEATURES[name], S / 32, S / 32).

    pretrained  "none" (random weights), "imagenet" (torchvision's, downloaded once), the path of a torchvision state
                dict for this very network, or of a folder that holds it as `name`.pth
    Raises WeightsNotDownloaded when the download fails and BadConfig when the path holds no weights for `name`.
    """
    network = models.get_model(name, weights=None)
    if pretrained == "imagenet":
        network.load_state_dict(_download(name))
    elif pretrained != "none":
        _load_from(Path(pretrained), network, name)
    trunk = _trunk(name, network)
    if channels == "rgb":
        return nn.Sequential(Standardised(), *trunk)
    owner = trunk if isinstance(trunk[0], nn.Conv2d) else cast(nn.Sequential, trunk[0])
    owner[0] = _six_channels(cast(nn.Conv2d, owner[0]), learned=pretrained != "none")
    return trunk


class Standardised(nn.Module):
    """Red, green and blue, each less its mean over ImageNet's pictures and over its deviation, as weights from there
    expect."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION)[:, None, None], persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] -> the same shape, about -2 to 2.6."""
        return (rgb - self.mean) / self.deviation


def _download(name: str) -> dict[str, Tensor]:
    weights = models.get_model_weights(name).DEFAULT
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsNotDownloaded(f"the ImageNet weights of {name} could not be downloaded ({error})") from error


def _load_from(path: Path, network: nn.Module, name: str) -> None:
    file = _weights_file(path, name) if path.is_dir() else path
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except UNREADABLE as error:
        raise BadConfig(
            f"pretrained = {str(file)!r} holds no weights for {name} that can be read; give a state dict of it, a "
            "folder with one for each encoder by name, a run's model.pt, starter, imagenet or none"
        ) from error


def _weights_file(folder: Path, name: str) -> Path:
    """The file of a network in a folder: resnet18.pth, or as torchvision names its downloads, resnet18-<hash>.pth."""
    files = [*folder.glob(f"{name}.pth"), *sorted(folder.glob(f"{name}-*.pth"))]
    if not files:
        raise BadConfig(f"pretrained = {str(folder)!r} holds no {name}.pth; put the state dict of {name} there")
    return files[0]


def _trunk(name: str, network: nn.Module) -> nn.Sequential:
    if name == "mobilenet_v2":
        return cast(nn.Sequential, network.features)
    stages = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    return nn.Sequential(*(getattr(network, stage) for stage in stages))


def widened(kernels: Tensor) -> Tensor:
    """Pretrained kernels over red, green and blue turned into kernels over our six channels.

    kernels  (features, 3, h, w)
    returns  (features, 6, h, w): channel c starts from s x sum over colours i of COLOURS[c, i] x kernels[:, i]

    Since the first three rows of COLOURS are orthonormal, a picture told by its opponent colours alone, with no
    gradients, gives s times the response that its red, green and blue gave. The scale s, one a feature, keeps the
    variance: for independent inputs of one variance the response's variance is the sum of the squared weights. That
    is |W|^2 for the colours, and 3 |W grey|^2 = |sum of the three colour kernels|^2 for the gradients, so
    s^2 = |W|^2 / (|W|^2 + |sum of the colour kernels|^2). Worked: three equal kernels give s = 1/2, kernels that sum
    to zero 1.
    """
    own = kernels.square().sum(dim=(1, 2, 3), keepdim=True)
    of_gradients = kernels.sum(dim=1, keepdim=True).square().sum(dim=(1, 2, 3), keepdim=True)
    scale = (own / (own + of_gradients).clamp(min=torch.finfo(kernels.dtype).tiny)).sqrt()
    return scale * torch.einsum("ci,fihw->fchw", COLOURS.to(kernels), kernels)


def _six_channels(narrow: nn.Conv2d, *, learned: bool) -> nn.Conv2d:
    """The first convolution for six channels: its learned kernels widened, else random ones of the same response.

    Random kernels are not combined: all four channels of lightness would start, and stay for long, alike. torchvision
    draws them with a variance that does not depend on the channels, so that six of them halve it.
    """
    wide = nn.Conv2d(
        CHANNELS,
        narrow.out_channels,
        kernel_size=narrow.kernel_size,  # type: ignore[arg-type]
        stride=narrow.stride,  # type: ignore[arg-type]
        padding=narrow.padding,  # type: ignore[arg-type]
        bias=False,
    )
    with torch.no_grad():
        if learned:
            wide.weight.copy_(widened(narrow.weight))
        else:
            nn.init.kaiming_normal_(wide.weight, mode="fan_out", nonlinearity="relu")
            wide.weight.mul_(sqrt(3 / CHANNELS))
    return wide
