"""Rank and number of processes of a run, from the environment variables that torchrun sets. Free of torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from engine.errors import BadInput


class BadEnvironment(BadInput):
    """An environment variable whose value cannot be used; the message names it, the value and the remedy."""


@dataclass(frozen=True)
class Processes:
    """A process among those of a run.

    rank              its number, from 0
    world_size        number of processes
    local_world_size  number of those on this machine
    """

    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1


def started_by_torchrun() -> Processes:
    """The processes that torchrun has started; one process without torchrun. Raises BadEnvironment."""
    world_size = _number("WORLD_SIZE", 1, lowest=1)
    local_world_size = _number("LOCAL_WORLD_SIZE", world_size, lowest=1, highest=world_size)
    rank = _number("RANK", 0, lowest=0, highest=world_size - 1)
    _number("LOCAL_RANK", 0, lowest=0, highest=local_world_size - 1)
    return Processes(rank, world_size, local_world_size)


def _number(name: str, default: int, *, lowest: int, highest: int | None = None) -> int:
    text = os.environ.get(name, str(default))
    number = int(text) if text.removeprefix("-").isdecimal() else None
    if number is None or number < lowest or (highest is not None and number > highest):
        limits = f"from {lowest} to {highest}" if highest is not None else f"from {lowest} on"
        raise BadEnvironment(
            f"the environment variable {name} is {text!r}, not a whole number {limits}; remove it (unset {name}), or "
            "start with torchrun, which sets it"
        )
    return number
