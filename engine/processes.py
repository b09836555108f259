"""Processes for work beside a run: free of torch unless the work asks for it, and gone when the run is."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import cast

import cv2


def processes() -> ProcessPoolExecutor:
    """As many as there are cores, a thread each. Not forked: this process may hold torch's and OpenCV's threads."""
    return ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """One thread, and an end when the run that started it is gone, even killed."""
    # A terminal sends ctrl-C to all of them; the run alone answers it, after the chunk that they are at.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    run = cast(BaseProcess, multiprocessing.parent_process())

    def end_with_the_run() -> None:
        wait([run.sentinel])
        os._exit(1)

    Thread(target=end_with_the_run, daemon=True).start()
