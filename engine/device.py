"""Choose the device once."""

from __future__ import annotations

from typing import Literal

import torch

from engine.config import BadConfig


def resolve(device: Literal["auto", "cpu", "cuda"]) -> str:
    """ "cuda" or "cpu"; raises BadConfig where CUDA is asked for and absent."""
    if device == "cuda" and not torch.cuda.is_available():
        raise BadConfig("device = 'cuda': this machine has no usable NVIDIA GPU; use auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
