"""Training loop of the two detection networks: AdamW, one-cycle learning rate, a time budget in minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import torch
import typer
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
Batch = dict[str, Tensor]
LOG_EVERY_STEPS = 100
SAVE_EVERY_STEPS = 1000


@dataclass(frozen=True)
class TrainingOptions:
    """Command-line options of a training; the field names are the option names."""

    pictures: list[Path]
    shares: list[float]
    start: Path | None
    minutes: float
    rate: float
    seed: int
    threads: int
    out: Path


def run_as_command(train_network: Callable[[TrainingOptions], None]) -> None:
    """Call the function with the options of the command line."""

    def main(
        pictures: Annotated[list[Path], typer.Option(help="Dataset file; may be repeated.")],
        out: Annotated[Path, typer.Option(help="File of the weights.")],
        shares: Annotated[list[float] | None, typer.Option(help="Weight of each file; default: equal.")] = None,
        start: Annotated[Path | None, typer.Option(help="Initial weights; layers of other shapes are skipped.")] = None,
        minutes: float = 60,
        rate: float = 2e-3,
        seed: int = 0,
        threads: int = torch.get_num_threads(),
    ) -> None:
        weights = shares or [1.0] * len(pictures)
        train_network(TrainingOptions(pictures, weights, start, minutes, rate, seed, threads, out))

    main.__doc__ = train_network.__doc__
    typer.run(main)


def train(
    network: Network,
    compute_loss: Callable[[Network, Batch], tuple[Tensor, dict[str, float]]],
    next_batch: Callable[[], Batch],
    options: TrainingOptions,
) -> None:
    """Train a network in place; its weights are written every thousand steps and at the end."""
    torch.set_num_threads(options.threads)
    if options.start:
        saved, state = torch.load(options.start, map_location="cpu", weights_only=True), network.state_dict()
        network.load_state_dict(state | {k: v for k, v in saved.items() if k in state and state[k].shape == v.shape})
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=1e-3)
    start_s, step = time.monotonic(), 0
    means: dict[str, float] = {}
    while (progress := (time.monotonic() - start_s) / (60 * options.minutes)) < 1:
        rate = options.rate * min(1.0, 0.05 + progress / 0.05) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = float(rate)
        loss, parts = compute_loss(network, next_batch())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        means = {name: 0.99 * means.get(name, value) + 0.01 * value for name, value in parts.items()}
        if step % LOG_EVERY_STEPS == 0:
            print(f"{progress:5.1%} step {step} " + " ".join(f"{k} {v:.4f}" for k, v in means.items()), flush=True)
        if step % SAVE_EVERY_STEPS == 0:
            _save(network, options.out)
    _save(network, options.out)


def _save(network: nn.Module, out: Path) -> None:
    weights = network.state_dict().items()
    torch.save({name: value.half() if value.is_floating_point() else value for name, value in weights}, out)
