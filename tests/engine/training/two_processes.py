"""What each of two processes does in test_ranks, started by torchrun: `two_processes.py STORY FOLDER`.

A file of its own, since torchrun starts programs, not functions. Rank 0 leaves the results in FOLDER.
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
from engine.distributed import leaving
from engine.errors import BadInput
from engine.events import EpochDone
from engine.model.dual_branch import DualBranch
from engine.model.sync_batch_norm import share_batch_statistics
from engine.training import learner, loop
from engine.training.state import State

# The card of the second process has no front; in float64, so that equal means equal.
NETWORK = Config(front_encoder="resnet18", back_encoder="mobilenet_v2", image_size=64, dropout=0.0)
PRESENT = torch.tensor([[True, True], [False, True], [True, True]])


def network_and_cards() -> tuple[DualBranch, torch.Tensor]:
    """A network whose statistics are not those it was born with, and three cards' channels by side."""
    torch.manual_seed(4)
    network = DualBranch(NETWORK).double().train()
    return network, torch.rand(2, 3, 6, 64, 64, dtype=torch.float64)


def one_step(folder: Path) -> None:
    """The gradient and batch statistics of one step over three cards, rows 0 and 2 on one process, 1 on the other."""
    distributed.init_process_group("gloo")
    network, (front, back) = network_and_cards()
    share_batch_statistics(network)
    ours = slice(distributed.get_rank(), None, 2)
    wrapped = DistributedDataParallel(network, find_unused_parameters=True, forward_sync_buffers=False)
    scores = wrapped(front[ours], back[ours], PRESENT[ours])
    (scores.grade.logsumexp(dim=1).sum() * 2 / 3).backward()
    if distributed.get_rank() == 0:
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        torch.save({"gradients": gradients, "buffers": dict(network.named_buffers())}, folder / "step.pt")


def runs(folder: Path) -> None:
    """A run stopped on the wish of one process and resumed, and its uninterrupted twin; the epochs' figures of each."""
    # torchrun's processes can form a group but once; it is left when all runs are over.
    loop.leaving = nullcontext  # type: ignore[assignment]
    config = Config(**json.loads((folder / "config.json").read_text()))
    cards = read_snapshot(folder / "pairs.jsonl")
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return distributed.get_rank() == 1 and len(asked) == 4

    for name, parts in (("interrupted", (stop, lambda: False)), ("straight", (lambda: False,))):
        epochs, last = {}, []
        for part in parts:
            for event in loop.train(config, cards, folder / name, part, folder / "cache"):
                if isinstance(event, EpochDone):
                    epochs[event.epoch] = asdict(event)
                last = [*last[-1:], type(event).__name__]
        if epochs:
            (folder / f"{name}.json").write_text(json.dumps({"epochs": list(epochs.values()), "last": last[-1]}))


def one_fails(folder: Path) -> None:
    """The second process runs out of memory in the second step; what each process is told of it."""
    learn = learner.Learner._learn

    def learn_or_fail(self: learner.Learner, state: State, *arguments: Any) -> Any:
        if distributed.get_rank() == 1 and state.steps == 1:
            torch.empty(1 << 62, dtype=torch.uint8)
        return learn(self, state, *arguments)

    learner.Learner._learn = learn_or_fail  # type: ignore[method-assign]
    config = Config(**json.loads((folder / "config.json").read_text()))
    try:
        list(loop.train(config, read_snapshot(folder / "pairs.jsonl"), folder / "run", cache=folder / "cache"))
    except BadInput as error:
        (folder / f"{os.environ['RANK']}.txt").write_text(str(error))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with leaving():
        {"one_step": one_step, "runs": runs, "one_fails": one_fails}[sys.argv[1]](Path(sys.argv[2]))
