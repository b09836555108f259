"""Choose the device once; seeds and memory format."""

from __future__ import annotations

from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.seed import seed_everything

from engine.config import BadConfig


def resolve(device: Literal["auto", "cpu", "cuda"]) -> str:
    """ "cuda" or "cpu"; raises BadConfig where CUDA is asked for and absent."""
    if device == "cuda" and not torch.cuda.is_available():
        raise BadConfig("device = 'cuda': this machine has no usable NVIDIA GPU; use auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def launch_fabric(device: Literal["auto", "cpu", "cuda"], seed: int) -> Fabric:
    """A started single-process Fabric on the chosen device, every global random generator seeded."""
    fabric = Fabric(accelerator=resolve(device), devices=1)
    fabric.launch()
    seed_everything(seed, verbose=False)
    return fabric
