"""Program that test_distributed starts on two ranks by torchrun: `two_processes.py SCENARIO FOLDER`.

A separate file, since torchrun starts programs, not functions. Rank 0 writes the results to FOLDER.
"""

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from engine.cards.pairs import read_snapshot
from engine.config import Config
from engine.distributed import cleanup
from engine.errors import BadInput
from engine.events import EpochDone
from engine.model.dual_branch import DualBranch
from engine.model.sync_batch_norm import convert_sync_batch_norm
from engine.training import loop, optimizer
from engine.training.state import TrainingState

# The card of the second rank has no front; in float64, so that the gradients can be compared closely.
NETWORK = Config(front_encoder="resnet18", back_encoder="mobilenet_v2", image_size=64, dropout=0.0)
PRESENT = torch.tensor([[True, True], [False, True], [True, True]])


def network_and_cards() -> tuple[DualBranch, torch.Tensor]:
    """Create a network in training mode, and the channels of three cards by side."""
    torch.manual_seed(4)
    network = DualBranch(NETWORK).double().train()
    return network, torch.rand(2, 3, 6, 64, 64, dtype=torch.float64)


def one_step(folder: Path) -> None:
    """Save gradients and batch statistics of one step over three cards, rows 0 and 2 on one rank, 1 on the other."""
    distributed.init_process_group("gloo")
    network, (front, back) = network_and_cards()
    convert_sync_batch_norm(network)
    rows = slice(distributed.get_rank(), None, 2)
    wrapped = DistributedDataParallel(network, find_unused_parameters=True, forward_sync_buffers=False)
    scores = wrapped(front[rows], back[rows], PRESENT[rows])
    (scores.grade.logsumexp(dim=1).sum() * 2 / 3).backward()
    if distributed.get_rank() == 0:
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        torch.save({"gradients": gradients, "buffers": dict(network.named_buffers())}, folder / "step.pt")


def runs(folder: Path) -> None:
    """Train a run that one rank stops and that is resumed, and the same run uninterrupted; save the epochs of each."""
    # Processes of torchrun can form a group only once; it is destroyed after all runs.
    loop.cleanup = nullcontext  # type: ignore[assignment]
    config = Config(**json.loads((folder / "config.json").read_text()))
    cards = read_snapshot(folder / "pairs.jsonl")
    calls: list[int] = []

    def stop() -> bool:
        calls.append(1)
        return distributed.get_rank() == 1 and len(calls) == 4

    for name, parts in (("interrupted", (stop, lambda: False)), ("uninterrupted", (lambda: False,))):
        epochs, last = {}, []
        for part in parts:
            for event in loop.train(config, cards, folder / name, part, folder / "cache"):
                if isinstance(event, EpochDone):
                    epochs[event.epoch] = asdict(event)
                last = [*last[-1:], type(event).__name__]
        if epochs:
            (folder / f"{name}.json").write_text(json.dumps({"epochs": list(epochs.values()), "last": last[-1]}))


def one_fails(folder: Path) -> None:
    """Let rank 1 run out of memory in the second step, and save the error of each rank."""
    backward = optimizer.Learner._backward

    def backward_or_fail(self: optimizer.Learner, state: TrainingState, *arguments: Any) -> Any:
        if distributed.get_rank() == 1 and state.steps == 1:
            torch.empty(1 << 62, dtype=torch.uint8)
        return backward(self, state, *arguments)

    optimizer.Learner._backward = backward_or_fail  # type: ignore[method-assign]
    config = Config(**json.loads((folder / "config.json").read_text()))
    try:
        list(loop.train(config, read_snapshot(folder / "pairs.jsonl"), folder / "run", cache=folder / "cache"))
    except BadInput as error:
        (folder / f"{os.environ['RANK']}.txt").write_text(str(error))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with cleanup():
        {"one_step": one_step, "runs": runs, "one_fails": one_fails}[sys.argv[1]](Path(sys.argv[2]))
