"""Worker process of a run: takes the run's lock, claims its row and records the engine's events as rows."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from app.errors import user_message
from app.runs.disk_reserve import free_reserve, keep_reserve
from app.runs.event_lines import event_line, run_result
from app.runs.run_queue import REMOVED, is_next
from app.settings import DataFolder, UserError
from app.terminal import stop_on_signal
from db import runs, snapshots
from db.schema import Run, Snapshot
from db.session import Database
from engine import config as configuration
from engine.cards.pairs import BadManifest, read_snapshot
from engine.events import EpochDone, Event, Finished, Progress, Stopped
from engine.experiments import plans
from engine.experiments.plans import ExperimentPlan
from engine.storage.disk_space import translate_disk_full
from labeling.snapshot import left_out_lines

# The screen polls about once a second; reading and writing rows at most twice a second means that most batches need no
# database access.
POLL_INTERVAL_S = 0.5
# The server checks the lock every few seconds by taking it for a moment.
LOCK_TIMEOUT_S = 5.0


def train_queued_run(data: DataFolder, run_id: int) -> dict[str, Any]:
    """Train a queued run to its end; returns its summary, or the epoch at which it stopped.

    Raises UserError if the run is not queued or already has a process, DatabaseUnusable, and the engine's errors.
    """
    with (
        stop_on_signal() as signalled,  # first, so that an interrupt from here on is recorded in the row
        Database.open(data.database, backup_dir=data.backups) as database,
        _hold_run_lock(data, run_id),
    ):
        run = _queued_run(database, run_id)
        stop = _StopRequest(database, run_id, signalled)
        with _wait_for_turn(database, data, run_id, stop) as acquired:
            if not acquired:
                _change_state(database, run_id, "queued", "stopped", message=REMOVED)
                return {"stopped": True, "epoch": 0}
            return _train(database, data, run, stop)


def _queued_run(database: Database, run_id: int) -> Run:
    with database.reading() as session:
        run = runs.get(session, run_id=run_id)
    if run is None or run.state != "queued":
        raise UserError(f"run {run_id} is not queued; start or resume it in the Train tab")
    return run


@contextmanager
def _hold_run_lock(data: DataFolder, run_id: int) -> Iterator[None]:
    data.run_folder(run_id).mkdir(parents=True, exist_ok=True)
    try:
        with data.run_lock(run_id).acquire(timeout=LOCK_TIMEOUT_S):
            yield
    except Timeout as error:
        raise UserError(f"run {run_id} is already being trained by another process") from error


class _StopRequest:
    """Stop request by signal or in the run's row, which is read at most twice a second."""

    def __init__(self, database: Database, run_id: int, signalled: Callable[[], bool]) -> None:
        self._database, self._run_id, self._signalled = database, run_id, signalled
        self._polled_at, self._requested = 0.0, False

    def __call__(self) -> bool:
        if time.monotonic() - self._polled_at > POLL_INTERVAL_S and not self._requested:
            self._polled_at = time.monotonic()
            with self._database.reading() as session:
                self._requested = runs.stop_requested(session, run_id=self._run_id)
        return self._requested or self._signalled()


@contextmanager
def _wait_for_turn(database: Database, data: DataFolder, run_id: int, stop: _StopRequest) -> Iterator[bool]:
    """Wait until no run of this data folder trains or is before this one; yields False if stopped while waiting."""
    lock = data.training_lock()
    announced = False
    while not stop():
        if not is_next(database, data, run_id) or not _acquired(lock):
            if not announced:
                _log(f"run {run_id} waits for the run before it")
            announced = True
            time.sleep(POLL_INTERVAL_S)
            continue
        try:
            yield True
        finally:
            lock.release()
        return
    yield False


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire()
    except Timeout:
        return False
    return True


def _train(database: Database, data: DataFolder, run: Run, stop: _StopRequest) -> dict[str, Any]:
    if not _change_state(database, run.id, "queued", "running", pid=os.getpid()):
        raise UserError(f"run {run.id} was started by another process")
    keep_reserve(data.reserve)
    try:
        with translate_disk_full():
            return _record_training(database, data, run, stop)
    except Exception as error:
        if (message := user_message(error)) is not None:
            # The disk may be full; the end of the run must be recorded nevertheless.
            free_reserve(data.reserve)
            _change_state(database, run.id, "running", "failed", message=message)
        raise


def _record_training(database: Database, data: DataFolder, run: Run, stop: _StopRequest) -> dict[str, Any]:
    from engine.training.loop import train  # noqa: PLC0415 - loads torch, which runs in the queue do not need

    config = configuration.from_saved(run.config)
    snapshot = _snapshot(database, run)
    for line in left_out_lines(snapshot.left_out):
        _log(line)
    pairs = read_snapshot(Path(snapshot.path))
    if run.plan:
        plans.write_plan(Path(run.folder), ExperimentPlan.model_validate(run.plan))
    record = _EventRecorder(database, run.id)
    for event in train(config, pairs, Path(run.folder), stop, data.cache):
        record(event)
    return record.outcome


def _snapshot(database: Database, run: Run) -> Snapshot:
    with database.reading() as session:
        snapshot = snapshots.get(session, snapshot_id=run.snapshot_id or 0)
    if snapshot is None:
        raise BadManifest(f"run {run.id} has no snapshot of labels; start a new run")
    return snapshot


class _EventRecorder:
    """Records each event in one short transaction, and a line in the log for events of interest to the user."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database, self._run_id = database, run_id
        self._recorded_at = 0.0
        self._step: tuple[str, int] | None = None
        self._step_began: tuple[float, int] = (0.0, 0)  # time, and what was done then
        self.outcome: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, Stopped):
            self.outcome = run_result(event)
            _change_state(self._database, self._run_id, "running", "stopped", message=f"stopped in epoch {event.epoch}")
        elif isinstance(event, Finished):
            self.outcome = run_result(event)
            _change_state(self._database, self._run_id, "running", "finished", summary=self.outcome)
        if line := event_line(event):
            _log(line)

    def _progress(self, event: Progress) -> None:
        if self._step != (event.step, event.epoch):
            self._step, self._step_began = (event.step, event.epoch), (time.monotonic(), event.done)
        if time.monotonic() - self._recorded_at < POLL_INTERVAL_S and event.done < event.total:
            return
        self._recorded_at = time.monotonic()
        progress = {
            "step_name": event.step,
            "epoch": event.epoch,
            "batch": event.done,
            "batches": event.total,
            "seconds_left": self._seconds_left(event),
        }
        with self._database.writing() as session:
            runs.record_progress(session, run_id=self._run_id, progress=progress)

    def _seconds_left(self, event: Progress) -> float | None:
        """Time that the rest of the step takes at its pace so far; None before there is one."""
        began, done_then = self._step_began
        done = event.done - done_then
        return (time.monotonic() - began) / done * (event.total - event.done) if done > 0 else None

    def _epoch(self, event: EpochDone) -> None:
        metrics = {
            **event.metrics,
            "train_qwk": event.train_metrics["qwk"],
            "train_exact": event.train_metrics["exact"],
            "pairs_per_second": event.pairs_per_second,
            "data_wait_share": event.data_wait_share,
        }
        with self._database.writing() as session:
            runs.record_epoch(
                session,
                run_id=self._run_id,
                epoch=event.epoch,
                phase=event.phase,
                train_loss=event.train_loss,
                val_loss=event.val_loss,
                qwk=event.metrics["qwk"],
                learning_rate=event.learning_rate,
                seconds=event.seconds,
                metrics=metrics,
            )


def _change_state(database: Database, run_id: int, expected: Any, to: Any, **fields: Any) -> bool:
    with database.writing() as session:
        return runs.change_state(session, run_id=run_id, expected=expected, to=to, **fields)


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)  # noqa: T201 - the log is this stream
