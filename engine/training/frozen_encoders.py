"""Features of the pictures of a run whose encoders are frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.config import Config
from engine.data.feature_cache import FeatureCache
from engine.data.inputs import channels_of
from engine.data.picture_cache import PixelCache
from engine.data.selection import LabelledCard
from engine.model.dual_branch import DualBranch, SideEncoder


def feature_caches(
    network: DualBranch,
    cards: Sequence[LabelledCard],
    pixels: PixelCache,
    config: Config,
    folder: Path,
    device: torch.device,
) -> tuple[FeatureCache, FeatureCache]:
    """Create the caches of front and back features, in `folder`; `pixels` is a filled cache."""

    def cache(side: SideEncoder, pictures: Sequence[Path | None]) -> FeatureCache:
        usable = [picture for picture in pictures if picture is not None and picture in pixels]
        encode = partial(_encode, side, config, device)
        return FeatureCache(
            folder, usable, pixels, config, encode, size=side.missing.numel(), encoder_key=_weights_hash(side)
        )

    fronts, backs = zip(*((card.pair.front, card.pair.back) for card in cards), strict=True)
    return cache(network.front, fronts), cache(network.back, backs)


def _encode(side: SideEncoder, config: Config, device: torch.device, canvases: np.ndarray) -> NDArray[np.float32]:
    """(V, H, W, 3) uint8 -> (V, F); in bf16 if the run is, which differs less than one view from another."""
    bf16 = config.precision == "bf16"
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        features = side.pool(channels_of(torch.from_numpy(canvases), config, device))
    return features.float().cpu().numpy()


def _weights_hash(side: SideEncoder) -> str:
    digest = hashlib.sha256()
    for name, tensor in side.encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
