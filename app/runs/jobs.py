"""Processes of training runs: start, monitor, kill. A run is alive while its lock is held."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from app.runs import run_queue
from app.runs.disk_reserve import free_reserve, keep_reserve
from app.runs.run_queue import REMOVED, is_alive, older_than, queued_at
from app.settings import PROGRAM, DataFolder, UserError
from db import runs
from db.schema import Run
from db.session import Database, DatabaseUnusable
from engine.config import Config, current_names
from engine.data.selection import check_labels
from engine.experiments.plans import ExperimentPlan
from engine.training.initial_weights import validate_run
from labeling.snapshot import freeze

# Time to finish the batch and save after a stop request; then the process and its children are killed.
STOP_DEADLINE_S = 60.0
KILL_WAIT_S = 10.0
# psutil derives a process's creation time from the boot time, and its clock drifts from the system clock (0.8 s in half
# an hour on one virtual machine). No process id is reused this soon.
CLOCK_TOLERANCE_S = 10.0

Child = subprocess.Popen[bytes]


class EqualRun(UserError):
    """A run with the same settings and labels is finished or on its way."""

    def __init__(self, run_id: int, state: str) -> None:
        super().__init__(
            f"run {run_id} ({state}) has the same settings and the same labels, and this one would give the same model"
        )


def queue_run(
    database: Database,
    data: DataFolder,
    *,
    recipe: str,
    parent: str | None,
    config: Config,
    plan: ExperimentPlan | None = None,
    ask_if_equal: bool = False,
) -> int:
    """Take a snapshot of the labels and queue a run on it with its plan; returns the run's id.

    ask_if_equal  raise EqualRun if a run with the same settings and labels is finished or on its way
    Raises NothingToTrainOn without labels, OneGrade if all are equal, BadConfig and BadModel if the initial weights do
    not fit.
    """
    validate_run(config)
    frozen = freeze(database, folder=data.snapshots)
    check_labels(frozen.pairs, config)
    with database.writing() as session:
        if ask_if_equal:
            for other in runs.runs_on_labels(session, sha256=frozen.sha256):
                if current_names(other.config) == config.model_dump():
                    raise EqualRun(other.id, other.state)
        run = runs.add_run(
            session,
            recipe=recipe,
            parent=parent,
            plan=None if plan is None else plan.model_dump(mode="json"),
            config=config.model_dump(),
            snapshot_id=frozen.snapshot_id,
            folder="",
            log_path="",
        )
        run.folder, run.log_path = str(data.run_folder(run.id)), str(data.log(run.id))
        return run.id


def requeue(database: Database, data: DataFolder, run_id: int) -> bool:
    """Queue a stopped, failed or lost run again; False if it is in another state."""
    with database.writing() as session:
        run = runs.get(session, run_id=run_id)
        # The row is still "running" if the process died while no server was monitoring it.
        if run is not None and run.state == "running" and not is_alive(data.run_lock(run_id)):
            runs.change_state(session, run_id=run_id, expected="running", to="lost")
        if run is None or run.state not in ("stopped", "failed", "lost"):
            return False
        data.run_folder(run_id).mkdir(parents=True, exist_ok=True)
        data.log(run_id).touch()  # restarts the start deadline, see Jobs._queued_at
        return runs.change_state(session, run_id=run_id, expected=run.state, to="queued")


class Jobs:
    """Processes of the runs of one data folder. They outlive this object."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        self._database = database
        self._data = data
        self._children: list[Child] = []
        self._last_child: dict[int, Child] = {}  # by run

    def start(self, run_id: int) -> None:
        """Start the process of a queued run in a new session; its output is appended to the run's log."""
        log_file = self._data.log(run_id)
        options = ["--data", str(self._data.root), "--json", str(log_file.with_name("result.json"))]
        self._last_child[run_id] = self.start_process(["train", "--run", str(run_id), *options], log_file)

    def start_process(self, words: Sequence[str], log_file: Path) -> Child:
        """Start the program with these arguments in a new session; its output is appended to a log file."""
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, str(PROGRAM / "launch.py"), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=PROGRAM,
                start_new_session=True,
            )
        self._children.append(child)
        return child

    def resume(self, run_id: int) -> bool:
        """Queue a stopped, failed or lost run again and start it from its checkpoint; False if it cannot be resumed."""
        self._last_child.pop(run_id, None)  # its end says nothing about the process that is started next
        if not requeue(self._database, self._data, run_id):
            return False
        self.start(run_id)
        return True

    def reconcile(self) -> None:
        """Update the rows of open runs: kill runs that did not stop in time, mark runs whose process died as lost.

        If the disk is full, the disk reserve is freed, so that the next call succeeds.
        """
        try:
            self._reconcile()
        except (DatabaseUnusable, OSError):
            free_reserve(self._data.reserve)
            raise
        keep_reserve(self._data.reserve)

    def _reconcile(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]
        with self._database.reading() as session:
            open_runs = runs.open_runs(session)
        for run in open_runs:
            if is_alive(self._data.run_lock(run.id)):
                if older_than(run.stop_requested_at, STOP_DEADLINE_S):
                    kill(run)
            elif run.state == "running":
                self._end(run, "lost", _lost_message(run))
            else:
                self._reconcile_queued(run)
        # A run that is queued again, by a command, has another process.
        self._last_child = {run.id: self._last_child[run.id] for run in open_runs if run.id in self._last_child}

    def _reconcile_queued(self, run: Run) -> None:
        """Start the process of a queued run that has none, as after a restart of the machine; once.

        On a busy machine a process may take minutes to start: one of this server counts until it has exited.
        """
        child = self._last_child.get(run.id)
        if child is None and not older_than(queued_at(self._data, run), run_queue.START_DEADLINE_S):
            return
        if run.stop_requested_at is not None and (child is None or child.poll() is not None):
            self._end(run, "stopped", REMOVED)
        elif child is None:
            self.start(run.id)
        elif child.poll() is not None:
            self._last_child.pop(run.id)
            self._end(run, "failed", "The process did not start; see the log. You can resume the run")

    def _end(self, run: Run, state: Any, message: str) -> None:
        with self._database.writing() as session:
            runs.change_state(session, run_id=run.id, expected=run.state, to=state, message=message)


def _lost_message(run: Run) -> str:
    if run.stop_requested_at is not None:
        return "The run did not stop in time and was killed; resume continues from its last checkpoint"
    return "The process exited unexpectedly; see the log. You can resume the run"


def kill(run: Run) -> None:
    """Kill a run's process and its children, and wait for their end; no-op if the process has ended."""
    if run.pid is None or run.started_at is None:
        return
    try:
        parent = psutil.Process(run.pid)
        if parent.create_time() > run.started_at.timestamp() + CLOCK_TOLERANCE_S:
            return  # the pid has been reused by another program
        processes = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=KILL_WAIT_S)
