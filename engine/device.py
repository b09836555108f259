"""Choose the device, the precision and the processes once."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from engine.config import BadConfig, Config
from engine.distributed import started_by_torchrun

# A process may have to wait while another prepares the pictures of all.
PATIENCE = timedelta(days=1)
# What the allocators of the CPU say; a GPU's has an error of its own.
MEMORY_WORDS = ("can't allocate memory", "not enough memory")

Mode = Literal["32-true", "bf16-mixed", "16-mixed"]


def resolve(device: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """Which of the two it is; raises BadConfig where CUDA is asked for and absent."""
    if device == "cuda" and not torch.cuda.is_available():
        raise BadConfig("device = 'cuda': this machine has no usable NVIDIA GPU; use auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def precision(config: Config) -> Mode:
    """How numbers are kept in training. Weights are always float32; the shorter numbers are those between the layers.

    auto is bf16 on a GPU that computes in it and float32 elsewhere: on a CPU bf16 was measured slower. float16 needs
    the scaling of gradients that only a GPU's autocast is made for. Raises BadConfig.
    """
    gpu = resolve(config.device) == "cuda"
    if config.precision == "16" and not gpu:
        raise BadConfig("precision = '16': only a GPU trains in float16; use auto, 32 or bf16")
    if config.precision == "auto":
        return "bf16-mixed" if gpu and torch.cuda.is_bf16_supported() else "32-true"
    modes: dict[str, Mode] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
    return modes[config.precision]


def launch(config: Config) -> Fabric:
    """Fabric on the chosen device, over as many processes as torchrun has started; one without it. Raises BadConfig."""
    count, here = started_by_torchrun()
    device = resolve(config.device)
    if device == "cuda" and here > torch.cuda.device_count():
        gpus = torch.cuda.device_count()
        raise BadConfig(f"torchrun has started {here} processes beside {gpus} GPUs; give --nproc-per-node {gpus}")
    fabric = Fabric(
        accelerator=device,
        devices=here,
        num_nodes=count // here,
        precision=precision(config),
        # Phase 1 and cards with one side leave weights out; batch statistics are shared by the layers themselves.
        strategy=DDPStrategy(find_unused_parameters=True, forward_sync_buffers=False, timeout=PATIENCE)
        if count > 1
        else "auto",
    )
    fabric.launch()
    return fabric


def out_of_memory(error: RuntimeError) -> bool:
    """Whether the error says that memory was asked for and not there."""
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in MEMORY_WORDS)
