"""Process pool that ignores ctrl-C and exits with its parent; free of torch unless a task imports it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, cast

import cv2


@contextmanager
def spawn_pool(
    workers: int | None = None, *, initializer: Callable[..., object] | None = None, arguments: Sequence[Any] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Pool of single-threaded processes; at the end of the block, calls that have not begun are cancelled.

    Spawned, not forked: this process may have torch and OpenCV threads.

    workers      number of processes; one per core if None
    initializer  called with `arguments` in each process when it starts
    """
    context = multiprocessing.get_context("spawn")
    pool = _SpawnPool(
        workers or os.cpu_count(), mp_context=context, initializer=_init_worker, initargs=(initializer, arguments)
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class _SpawnPool(ProcessPoolExecutor):
    """Process pool whose processes, which are started by `submit`, never receive ctrl-C."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule a call; may start a process."""
        with _ctrl_c_blocked():
            return super().submit(*args, **kwargs)


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Delay ctrl-C until the end of the block; a process started in it inherits the mask and never receives ctrl-C.

    A terminal sends ctrl-C to all processes, and one that died of it would break the pool. Windows has no signal mask:
    there, a process receives it until `_init_worker` has run.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _init_worker(initializer: Callable[..., object] | None, arguments: Sequence[Any]) -> None:
    """Use one thread, ignore ctrl-C, and exit when the parent process ends, even if it is killed."""
    # The parent handles ctrl-C, after the current chunk of work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = cast(BaseProcess, multiprocessing.parent_process())

    def exit_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=exit_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*arguments)
