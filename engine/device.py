"""Device, precision and process count of a run."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from engine.config import BadConfig, Config
from engine.torchrun import started_by_torchrun

# The other ranks wait while rank 0 prepares all pictures.
PROCESS_GROUP_TIMEOUT = timedelta(days=1)
# The CPU allocators raise a plain RuntimeError; a GPU raises torch.OutOfMemoryError.
CPU_OUT_OF_MEMORY_MESSAGES = ("can't allocate memory", "not enough memory")

Mode = Literal["32-true", "bf16-mixed", "16-mixed"]


def resolve(device: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """Resolve "auto" to the GPU if there is one, else the CPU. Raises BadConfig if CUDA is requested but missing."""
    if device == "cuda" and not torch.cuda.is_available():
        raise BadConfig("device = 'cuda': this machine has no usable NVIDIA GPU; use auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def precision(config: Config) -> Mode:
    """Precision of training as Fabric names it. Weights are always float32; only activations use the shorter format.

    auto is bf16 on a GPU that supports it and float32 elsewhere: on a CPU bf16 was measured slower. float16 needs
    gradient scaling, which only the GPU autocast provides. Raises BadConfig.
    """
    gpu = resolve(config.device) == "cuda"
    if config.precision == "16" and not gpu:
        raise BadConfig("precision = '16': only a GPU trains in float16; use auto, 32 or bf16")
    if config.precision == "auto":
        return "bf16-mixed" if gpu and torch.cuda.is_bf16_supported() else "32-true"
    modes: dict[str, Mode] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
    return modes[config.precision]


def launch(config: Config) -> Fabric:
    """Launch Fabric on the chosen device, over the processes that torchrun has started, else over one.

    Raises BadConfig and BadEnvironment.
    """
    processes = started_by_torchrun()
    world_size, local_world_size = processes.world_size, processes.local_world_size
    device = resolve(config.device)
    if device == "cuda" and local_world_size > torch.cuda.device_count():
        gpus = torch.cuda.device_count()
        raise BadConfig(
            f"torchrun has started {local_world_size} processes on {gpus} GPUs; give --nproc-per-node {gpus}"
        )
    fabric = Fabric(
        accelerator=device,
        devices=local_world_size,
        num_nodes=world_size // local_world_size,
        precision=precision(config),
        # Phase 1 and single-sided cards leave some weights unused; sync_batch_norm shares the batch statistics.
        strategy=DDPStrategy(find_unused_parameters=True, forward_sync_buffers=False, timeout=PROCESS_GROUP_TIMEOUT)
        if world_size > 1
        else "auto",
    )
    fabric.launch()
    return fabric


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return True if the error is a failed memory allocation on the GPU or the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in CPU_OUT_OF_MEMORY_MESSAGES)
