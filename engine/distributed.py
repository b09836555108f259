"""The processes of one run, as torchrun starts them: what they add up, agree on and share out. Alone, it is all free.

The words are torch's own: a run has `count` ranks, numbered from 0; only rank 0 writes files and tells events.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed

from engine.errors import BadInput

Shared = TypeVar("Shared")


class PeerLost(BadInput):
    """Another process of the run is gone; torchrun ends the rest."""


def started_by_torchrun() -> tuple[int, int]:
    """How many processes torchrun has started, and how many of them on this machine; (1, 1) without it."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    return count, int(os.environ.get("LOCAL_WORLD_SIZE", str(count)))


class Ranks:
    """This process among those of its run. Every method is called by all ranks, in the same order."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.own, self.count = fabric.global_rank, fabric.world_size

    @property
    def first(self) -> bool:
        """Whether this process writes and tells."""
        return self.own == 0

    @property
    def share(self) -> slice:
        """This process's rows of a batch: every `count`-th of them."""
        return slice(self.own, None, self.count)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Float64 values, added up over the ranks entry by entry."""
        if self.count == 1:
            return values
        summed = torch.from_numpy(values).to(self._fabric.device)
        distributed.all_reduce(summed)
        return summed.cpu().numpy()

    def any(self, mine: bool) -> bool:
        """Whether it is so on any of them."""
        return bool(self.sum(np.array([float(mine)]))[0])

    def gather(self, mine: Shared) -> list[Shared]:
        """What every rank has, in their order."""
        all_of_them: list[Any] = [mine] * self.count
        if self.count > 1:
            distributed.all_gather_object(all_of_them, mine)
        return all_of_them

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """Rank 0 does what stands within while the others wait; then they do it too, and find done what is done once.

        Where rank 0 fails, the others fail on their own in the same way.
        """
        if not self.first:
            self.any(False)
        try:
            yield
        finally:
            if self.first:
                self.any(False)


@contextmanager
def leaving() -> Iterator[None]:
    """Whatever happens within, the process leaves its run's group at the end, if it was in one. Raises PeerLost."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistBackendError) and "by peer" not in str(error):
            raise
        raise PeerLost("another process of this run has ended, and with it the run; that one says why") from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def total(count: int, device: torch.device) -> int:
    """`count` summed over the ranks, for code that is handed no Ranks: a layer within the network."""
    if not distributed.is_initialized():
        return count
    summed = torch.tensor(count, device=device)
    distributed.all_reduce(summed)
    return int(summed)


class Total(torch.autograd.Function):
    """A tensor summed over the ranks, through which gradients pass: theirs are summed too."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        """Sum the ranks' values entry by entry."""
        summed = values.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        """Each rank's values went into every rank's sum."""
        return Total.forward(context, gradients[0].contiguous())
