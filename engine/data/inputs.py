"""Inputs of the network, built from a batch for the current training phase."""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor

from engine.config import Config
from engine.data.dataset import Pictures
from engine.model.measurement_branch import told_and_seen
from engine.preprocessing.channels_torch import six_channels_batch


class Inputs(NamedTuple):
    """What `DualBranch.forward` takes."""

    front: Tensor  # (B, 6 or 3, S, S) float in [0, 1]
    back: Tensor  # likewise
    present: Tensor  # (B, 2) bool
    regions: Tensor | None = None  # (B, 2, 8, 3, 9216) float in [0, 1], for a network that reads them
    measured: Tensor | None = None  # (B, 2, 2, F) float as `told_and_seen` gives them, likewise

    def split(self, parts: int) -> list[Inputs]:
        """The cards in so many parts, one after another."""
        each = (repeat(None, parts) if value is None else value.tensor_split(parts) for value in self)
        return [Inputs(*part) for part in zip(*each, strict=True)]


def model_input(batch: Pictures, config: Config, phase: int, device: torch.device) -> Inputs:
    """The network's input in a phase: the only place that makes it, for training, validation and grading alike.

    In phase 1 no card has a front: the network is given the back alone, in training and in validation.
    """
    present = batch["present"].clone()
    if phase == 1:
        present[:, 0] = False
    front, back = (_channels(batch["canvases"][:, side], config, device) for side in (0, 1))
    regions = batch["regions"].to(device).movedim(-1, -2).float() / 255 if "regions" in batch else None
    measured = told_and_seen(batch["measured"], present).to(device) if "measured" in batch else None
    return Inputs(front, back, present.to(device), regions, measured)


def _channels(canvases: Tensor, config: Config, device: torch.device) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 6 or 3, S, S) float in [0, 1] on the device, channels last in memory."""
    canvases = canvases.to(device)
    seen = six_channels_batch(canvases) if config.channels == "six" else canvases.movedim(-1, 1).float() / 255
    return seen.to(memory_format=torch.channels_last)
