"""Calls that grade many cards, in several processes that each load torch and the model once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import cache
from typing import Any, TypeVar

from app.models.grading_model import grading_model
from app.settings import DataFolder
from engine.inference.load_model import LoadedModel
from engine.process_pool import spawn_pool

# Of about 0.7 GB each.
MAX_PROCESSES = 4

Key = TypeVar("Key")
Result = TypeVar("Result")


def graded_in_processes(
    function: Callable[..., Result],
    calls: Iterator[tuple[Key, tuple[Any, ...]]],
    count: int,
    is_stopped: Callable[[], bool],
) -> Iterator[tuple[Key, Future[Result]]]:
    """Call a function in several processes; yields each key with its finished call, also if it began before a stop.

    calls  keys and arguments; few are taken ahead of those that are done
    count  number of calls
    """
    # Two processes of one thread each grade faster than one with two, and small networks gain nothing from threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    workers = max(1, min(os.cpu_count() or 1, MAX_PROCESSES, count))
    with spawn_pool(workers) as pool:
        pending: dict[Future[Result], Key] = {}
        while True:
            while len(pending) < 2 * workers and not is_stopped() and (call := next(calls, None)) is not None:
                key, arguments = call
                pending[pool.submit(function, *arguments)] = key
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future


@cache
def model_of_process(data: DataFolder, name: str | None = None) -> LoadedModel | None:
    """The model of `--model NAME`, by default the one in use, loaded once in each process."""
    return grading_model(data, name)
