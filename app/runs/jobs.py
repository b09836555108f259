"""Starting, watching and ending the processes that runs live in. A run is alive while its lock is held."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
from filelock import FileLock, Timeout

from app.settings import PROGRAM, DataFolder
from db import runs
from db.schema import Run
from db.session import Database
from engine.config import Config
from engine.experiments.plans import Plan
from engine.training.initial_weights import refuse_unfit
from labeling.snapshot import freeze

# A process takes its lock within its first second; one that has none after this long never came up.
START_DEADLINE_S = 60.0
# What a run may take to finish its batch and save after it was asked to stop; then its process group is killed.
STOP_DEADLINE_S = 60.0
KILL_WAIT_S = 10.0
# How far apart the system's clock and its count since the start of the machine may be.
CLOCK_SLACK_S = 0.5


def queue_run(
    database: Database,
    data: DataFolder,
    *,
    recipe: str,
    parent: str | None,
    config: Config,
    plan: Plan | None = None,
) -> int:
    """Freeze the labels as they are and add a run on them, and its plan, to the queue; returns its id.

    Raises NothingToTrainOn where there are none, BadConfig and BadModel where the weights it names do not fit.
    """
    refuse_unfit(config)
    frozen = freeze(database, folder=data.snapshots)
    with database.writing() as session:
        run = runs.add_run(
            session,
            recipe=recipe,
            parent=parent,
            plan=None if plan is None else plan.as_json(),
            config=config.model_dump(),
            snapshot_id=frozen.snapshot_id,
            folder="",
            log_path="",
        )
        run.folder, run.log_path = str(data.run_folder(run.id)), str(data.log(run.id))
        return run.id


def requeue(database: Database, data: DataFolder, run_id: int) -> bool:
    """Put a stopped, failed or lost run back into the queue, or one found lost only now; False where it is none."""
    with database.writing() as session:
        run = runs.get(session, run_id=run_id)
        # Where no server was open when its process died, the row still says that it trains.
        if run is not None and run.state == "running" and not is_alive(data.run_lock(run_id)):
            runs.move(session, run_id=run_id, expected="running", to="lost")
        if run is None or run.state not in ("stopped", "failed", "lost"):
            return False
        data.run_folder(run_id).mkdir(parents=True, exist_ok=True)
        data.log(run_id).touch()  # a new start has a new deadline
        return runs.move(session, run_id=run_id, expected=run.state, to="queued")


class Jobs:
    """The runs of one data folder, as processes. Losing this object loses no run."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        self._database = database
        self._data = data
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, run_id: int) -> None:
        """Start a queued run's process in a session of its own, its output going to the run's log."""
        log_file = self._data.log(run_id)
        log_file.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(PROGRAM / "launch.py"), "train", "--run", str(run_id)]
        options = ["--data", str(self._data.root), "--json", str(log_file.with_name("result.json"))]
        with log_file.open("ab") as log:
            child = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=PROGRAM,
                start_new_session=True,
            )
        self._children.append(child)

    def resume(self, run_id: int) -> bool:
        """Queue a stopped, failed or lost run again and start it where it was; False where it cannot be resumed."""
        if not requeue(self._database, self._data, run_id):
            return False
        self.start(run_id)
        return True

    def settle(self) -> None:
        """Bring rows in line with what is alive: end what did not stop in time, mark what died as lost."""
        self._children = [child for child in self._children if child.poll() is None]
        with self._database.reading() as session:
            open_runs = runs.open_runs(session)
        for run in open_runs:
            if is_alive(self._data.run_lock(run.id)):
                if _older(run.stop_requested_at, STOP_DEADLINE_S):
                    kill(run)
            elif run.state == "running":
                self._end(run, "lost", _last_words(run))
            elif _older(self._queued_at(run), START_DEADLINE_S):
                self._end(run, "failed", "the process never came up; its log says more. It can be resumed")

    def _queued_at(self, run: Run) -> datetime:
        """A run is queued when it is made, and again when it is resumed, which its log file's time tells."""
        log = self._data.log(run.id)
        resumed_at = datetime.fromtimestamp(log.stat().st_mtime, UTC) if log.exists() else run.created_at
        return max(run.created_at, resumed_at)

    def _end(self, run: Run, state: Any, message: str) -> None:
        with self._database.writing() as session:
            runs.move(session, run_id=run.id, expected=run.state, to=state, message=message)


def _last_words(run: Run) -> str:
    if run.stop_requested_at is not None:
        return "it did not answer the wish to stop and was ended; it can be resumed from its last checkpoint"
    return "the process ended without a word; its log says more. It can be resumed"


def is_alive(lock: FileLock) -> bool:
    """Whether some process holds this lock."""
    try:
        with lock:
            return False
    except Timeout:
        return True


def kill(run: Run) -> None:
    """End a run's process and all that it started, and see them dead; no harm where they are gone already."""
    if run.pid is None or run.started_at is None:
        return
    try:
        parent = psutil.Process(run.pid)
        if parent.create_time() > run.started_at.timestamp() + CLOCK_SLACK_S:
            return  # the number has been given to another program since
        family = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=KILL_WAIT_S)


def _older(moment: datetime | None, seconds: float) -> bool:
    return moment is not None and datetime.now(UTC) - moment > timedelta(seconds=seconds)
