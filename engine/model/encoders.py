"""Encoders by name: torchvision's networks without classifier, their first convolution widened to six channels."""

from __future__ import annotations

from pathlib import Path
from typing import cast
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision import models

from engine.checkpoint import UNREADABLE
from engine.config import BadConfig

CHANNELS = 6
FEATURES = {"resnet18": 512, "resnet34": 512, "resnet50": 2048, "mobilenet_v2": 1280}


class WeightsNotDownloaded(RuntimeError):
    """ImageNet weights could not be fetched; the caller says so and trains from random weights."""


def build_encoder(name: str, pretrained: str = "none") -> nn.Sequential:
    """An encoder (B, 6, S, S) -> (B, FEATURES[name], S / 32, S / 32).

    pretrained  "none" (random weights), "imagenet" (torchvision's, downloaded once), or the path of a torchvision
                state dict for this very network
    Raises WeightsNotDownloaded when the download fails and BadConfig when the path holds no weights for `name`.
    """
    network = models.get_model(name, weights=None)
    if pretrained == "imagenet":
        network.load_state_dict(_download(name))
    elif pretrained != "none":
        _load_from(Path(pretrained), network, name)
    trunk = _trunk(name, network)
    _widen_first_convolution(trunk)
    return trunk


def _download(name: str) -> dict[str, Tensor]:
    weights = models.get_model_weights(name).DEFAULT
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsNotDownloaded(f"the ImageNet weights of {name} could not be downloaded ({error})") from error


def _load_from(path: Path, network: nn.Module, name: str) -> None:
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except UNREADABLE as error:
        raise BadConfig(
            f"pretrained = {str(path)!r} holds no torchvision weights for {name}; give a state dict of it (both "
            "encoders start from the one file, so choose them alike), imagenet or none"
        ) from error


def _trunk(name: str, network: nn.Module) -> nn.Sequential:
    if name == "mobilenet_v2":
        return cast(nn.Sequential, network.features)
    stages = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    return nn.Sequential(*(getattr(network, stage) for stage in stages))


def _widen_first_convolution(trunk: nn.Sequential) -> None:
    """Replace the 3-channel input convolution by a 6-channel one, in place.

    Every new channel starts from the mean of the three colour kernels, scaled by 3 / 6: a picture equal in all
    channels then gives the response that a grey picture gave before.
    """
    owner = trunk if isinstance(trunk[0], nn.Conv2d) else cast(nn.Sequential, trunk[0])
    narrow = cast(nn.Conv2d, owner[0])
    wide = nn.Conv2d(
        CHANNELS,
        narrow.out_channels,
        kernel_size=narrow.kernel_size,  # type: ignore[arg-type]
        stride=narrow.stride,  # type: ignore[arg-type]
        padding=narrow.padding,  # type: ignore[arg-type]
        bias=False,
    )
    with torch.no_grad():
        wide.weight.copy_(narrow.weight.mean(dim=1, keepdim=True).expand_as(wide.weight) * (3 / CHANNELS))
    owner[0] = wide
