"""Processes for work beside a run: free of torch unless the work asks for it, and gone when the run is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, cast

import cv2


def processes() -> ProcessPoolExecutor:
    """As many as there are cores, a thread each. Not forked: this process may hold torch's and OpenCV's threads."""
    return _Processes(os.cpu_count(), mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


class _Processes(ProcessPoolExecutor):
    """Processes that are deaf to ctrl-C from the first: they are started when work is handed in."""

    def submit(self, *work: Any, **named: Any) -> Future[Any]:
        """Hand in work, and perhaps start a process for it."""
        with _ctrl_c_waiting():
            return super().submit(*work, **named)


@contextmanager
def _ctrl_c_waiting() -> Iterator[None]:
    """Ctrl-C is answered afterwards. A process that is started meanwhile never hears it, even while it is loading.

    A terminal sends it to all of them, and one that died of it would end the run. Windows knows no such mask: there a
    process hears it until `_begin`.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """One thread, and an end when the run that started it is gone, even killed."""
    # The run alone answers ctrl-C, after the chunk that they are at.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    run = cast(BaseProcess, multiprocessing.parent_process())

    def end_with_the_run() -> None:
        wait([run.sentinel])
        os._exit(1)

    Thread(target=end_with_the_run, daemon=True).start()
