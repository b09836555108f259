"""How the finder's two networks are trained: on a rate that rises and falls once, for so many minutes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
Batch = dict[str, Tensor]
SAID_EVERY = 100
SAVED_EVERY = 1000


@dataclass(frozen=True)
class Plan:
    """What to learn from, how often from each file, from which weights, how long and how fast, and where to write."""

    pictures: list[Path]
    shares: list[float]
    start: Path | None
    minutes: float
    rate: float
    seed: int
    threads: int
    out: Path


def plan_from(parser: argparse.ArgumentParser) -> Plan:
    """The plan that the command line asks for."""
    parser.add_argument("--pictures", type=Path, nargs="+", required=True)
    parser.add_argument("--shares", type=float, nargs="*", help="how often each file is drawn from; equally if absent")
    parser.add_argument("--start", type=Path, help="weights to go on from; those of changed layers are left out")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, required=True)
    chosen = vars(parser.parse_args())
    return Plan(**chosen | {"shares": chosen["shares"] or [1.0] * len(chosen["pictures"])})


def train(
    network: Network,
    loss_of: Callable[[Network, Batch], tuple[Tensor, dict[str, float]]],
    next_batch: Callable[[], Batch],
    plan: Plan,
) -> None:
    """Train in place; the weights are written as they stand every thousand steps and at the end."""
    torch.set_num_threads(plan.threads)
    if plan.start:
        saved, own = torch.load(plan.start, map_location="cpu", weights_only=True), network.state_dict()
        network.load_state_dict(own | {k: v for k, v in saved.items() if k in own and own[k].shape == v.shape})
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=1e-3)
    began, step = time.monotonic(), 0
    means: dict[str, float] = {}
    while (done := (time.monotonic() - began) / (60 * plan.minutes)) < 1:
        rate = plan.rate * min(1.0, 0.05 + done / 0.05) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = float(rate)
        loss, parts = loss_of(network, next_batch())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        means = {name: 0.99 * means.get(name, value) + 0.01 * value for name, value in parts.items()}
        if step % SAID_EVERY == 0:
            print(f"{done:5.1%} step {step} " + " ".join(f"{k} {v:.4f}" for k, v in means.items()), flush=True)
        if step % SAVED_EVERY == 0:
            _save(network, plan.out)
    _save(network, plan.out)


def _save(network: nn.Module, out: Path) -> None:
    weights = network.state_dict().items()
    torch.save({name: value.half() if value.is_floating_point() else value for name, value in weights}, out)
