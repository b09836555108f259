"""Scores of the labeling queue, computed in the background when a model is promoted or cards arrive.

A process of its own with low priority asks the model in use about the cards that it has not been asked about, by the
command `queue`. It is started when nothing is being trained and no card has arrived for a while, and ends with the
server; what it has done is kept.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from app.runs.jobs import Jobs, is_alive
from app.settings import DataFolder
from db import cards
from db.label_queue import unasked_count
from db.session import Database

# Cards that arrive together are scored together.
QUIET_S = 20.0
LOW_PRIORITY = 10
KILL_WAIT_S = 5.0


class BackgroundScores:
    """The scoring process of one data folder."""

    def __init__(self, database: Database, data: DataFolder, jobs: Jobs) -> None:
        self._database, self._data, self._jobs = database, data, jobs
        self._process: psutil.Process | None = None
        # The model and the number of cards when they changed last, and the time of that.
        self._seen: tuple[str, int] | None = None
        self._since = 0.0
        self._tried: tuple[str, int, int] | None = None

    def reconcile(self) -> None:
        """Start the process if there is something to score; called every few seconds."""
        if _is_running(self._process):
            return
        with self._database.reading() as session:
            if not cards.has_cards(session):
                return
        from app.models.model_registry import sha256_in_use  # noqa: PLC0415 - loads torch

        model_sha256 = sha256_in_use(self._data)
        if model_sha256 is None:
            return
        with self._database.reading() as session:
            missing, total = unasked_count(session, model_sha256=model_sha256)
        if (model_sha256, total) != self._seen:
            self._seen, self._since = (model_sha256, total), time.monotonic()
        state = (model_sha256, total, missing)
        is_quiet = time.monotonic() - self._since >= QUIET_S
        # A process that ended without any progress would end in the same way again.
        if missing and is_quiet and state != self._tried and not is_alive(self._data.training_lock()):
            self._tried = state
            self._process = self._start()

    def _start(self) -> psutil.Process | None:
        words = ["queue", "--by", "suspect", "--limit", "1", "--data", str(self._data.root)]
        child = self._jobs.start_process(words, self._data.root / "scores.log")
        try:
            process = psutil.Process(child.pid)
            _lower_priority(process)
        except psutil.NoSuchProcess:  # ended already
            return None
        return process

    def stop(self) -> None:
        """End the process and its children, and wait for their end."""
        if self._process is None or not _is_running(self._process):
            return
        with suppress(psutil.NoSuchProcess):
            processes = [*self._process.children(recursive=True), self._process]
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()  # what it has computed is in the database
            psutil.wait_procs(processes, timeout=KILL_WAIT_S)


def _lower_priority(process: psutil.Process) -> None:
    """Give way to the server and to everything else."""
    process.nice(psutil.IDLE_PRIORITY_CLASS if sys.platform == "win32" else LOW_PRIORITY)
    # Linux may divide the processors among sessions first: within its own session a process gives way to nothing.
    autogroup = Path(f"/proc/{process.pid}/autogroup")
    if autogroup.exists() and os.getsid(process.pid) == process.pid:
        with suppress(OSError):
            autogroup.write_text(str(LOW_PRIORITY), encoding="ascii")


def _is_running(process: psutil.Process | None) -> bool:
    """True until a process has ended, also if no one has asked for its exit status yet."""
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
