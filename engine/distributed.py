"""Collectives over torchrun ranks; no-ops with one process.

Terms as in torch.distributed: a run has `world_size` ranks, numbered from 0. Only rank 0 writes files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import distributed

from engine.errors import BadInput

Shared = TypeVar("Shared")


class PeerLost(BadInput):
    """Another process of the run has ended; torchrun ends the rest."""


class ProcessGroup:
    """Ranks of a run, seen from this process. All ranks must call the methods in the same order."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.rank, self.world_size = fabric.global_rank, fabric.world_size

    @property
    def is_first(self) -> bool:
        """True on rank 0, which writes the files and yields the events."""
        return self.rank == 0

    @property
    def local_rows(self) -> slice:
        """Rows of a batch that belong to this rank: every `world_size`-th."""
        return slice(self.rank, None, self.world_size)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Elementwise sum of a float64 array over the ranks."""
        if self.world_size == 1:
            return values
        summed = torch.from_numpy(values).to(self._fabric.device)
        distributed.all_reduce(summed)
        return summed.cpu().numpy()

    def any(self, value: bool) -> bool:
        """Return True if `value` is true on any rank."""
        return bool(self.sum(np.array([float(value)]))[0])

    def gather(self, value: Shared) -> list[Shared]:
        """Values of all ranks, in rank order."""
        values: list[Any] = [value] * self.world_size
        if self.world_size > 1:
            distributed.all_gather_object(values, value)
        return values

    @contextmanager
    def rank_zero_first(self) -> Iterator[None]:
        """Run the block on rank 0 while the others wait; then on the others, which find the shared work done.

        If rank 0 fails, the others run the block and fail in the same way.
        """
        if not self.is_first:
            self.any(False)
        try:
            yield
        finally:
            if self.is_first:
                self.any(False)


@contextmanager
def cleanup() -> Iterator[None]:
    """Destroy the process group, if there is one, at the end of the block. Raises PeerLost."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistBackendError) and "by peer" not in str(error):
            raise
        raise PeerLost("another process of this run has ended; see the error that it has printed") from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def sum_over_ranks(count: int, device: torch.device) -> int:
    """Sum `count` over the ranks, for code without a ProcessGroup: a layer of the network."""
    if not distributed.is_initialized():
        return count
    summed = torch.tensor(count, device=device)
    distributed.all_reduce(summed)
    return int(summed)
