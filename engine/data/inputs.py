"""Network inputs, built from a batch for a training phase."""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor

from engine.config import Config
from engine.data.dataset import PictureBatch
from engine.model.measurement_branch import with_missing_mask
from engine.preprocessing.channels_torch import six_channels_batch


class Inputs(NamedTuple):
    """Arguments of `DualBranch.forward`."""

    front: Tensor  # (B, 6 or 3, S, S) float in [0, 1], or features of a frozen encoder, (B, F)
    back: Tensor  # likewise
    present: Tensor  # (B, 2) bool
    regions: Tensor | None = None  # (B, 2, 8, 3, 9216) float in [0, 1], if the network uses them
    measured: Tensor | None = None  # (B, 2, 2, F) float by `with_missing_mask`, likewise

    def split(self, parts: int) -> list[Inputs]:
        """Split the cards into `parts` consecutive parts."""
        columns = (repeat(None, parts) if value is None else value.tensor_split(parts) for value in self)
        return [Inputs(*part) for part in zip(*columns, strict=True)]


def model_input(batch: PictureBatch, config: Config, phase: int, device: torch.device) -> Inputs:
    """Build the network's input in a phase, for training, validation and grading.

    In phase 1 the fronts are marked missing, in training and in validation: the network sees backs only.
    """
    present = batch["present"].clone()
    if phase == 1:
        present[:, 0] = False
    if "features" in batch:
        front, back = (features.to(device) for features in batch["features"])
    else:
        front, back = (channels_of(batch["canvases"][:, side], config, device) for side in (0, 1))
    regions = batch["regions"].to(device).movedim(-1, -2).float() / 255 if "regions" in batch else None
    measured = with_missing_mask(batch["measured"], present).to(device) if "measured" in batch else None
    return Inputs(front, back, present.to(device), regions, measured)


def channels_of(canvases: Tensor, config: Config, device: torch.device) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 6 or 3, S, S) float in [0, 1] on the device, channels last in memory."""
    canvases = canvases.to(device)
    channels = six_channels_batch(canvases) if config.channels == "six" else canvases.movedim(-1, 1).float() / 255
    return channels.to(memory_format=torch.channels_last)
