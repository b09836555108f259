"""The process a run lives in: takes the run's lock, claims its row, and writes what the engine says into rows."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import Timeout

from app.settings import DataFolder, Trouble
from db import runs, snapshots
from db.schema import Run
from db.session import Database
from engine import config as configuration
from engine.cards.pairs import BadManifest, read_snapshot
from engine.errors import BadInput
from engine.events import EpochDone, Event, Finished, Notice, Progress, Saved, Stopped
from engine.experiments import plans
from engine.experiments.plans import Plan
from engine.training.loop import train

# The screen polls about once a second; asking and telling twice as often keeps a batch free of database work.
ASK_EVERY_S = 0.5
# The server glances at the lock every few seconds by taking it for a moment.
LOCK_PATIENCE_S = 5.0


class StopSignal:
    """True once the process was asked to end by a signal: ctrl-C in a terminal, a shutdown of the machine."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as the wish to stop after the current batch; afterwards they do what they did."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def work(data: DataFolder, run_id: int) -> dict[str, Any]:
    """Train a queued run to its end; returns its summary, or where it stopped.

    Raises Trouble where the run is not there to be trained, and the engine's own failures.
    """
    # First of all: whoever is interrupted from here on leaves a row that says so.
    asked = StopSignal()
    with (
        asked.listening(),
        Database.open(data.database, backup_dir=data.backups) as database,
        _sole_owner(data, run_id),
    ):
        run = _row(database, run_id)
        stop = _StopWish(database, run_id, asked)
        with _turn(data, run_id, stop) as mine:
            if not mine:
                _move(database, run_id, "queued", "stopped", message="stopped before its turn came")
                return {"stopped": True, "epoch": 0}
            return _train(database, data, run, stop)


def _row(database: Database, run_id: int) -> Run:
    with database.reading() as session:
        run = runs.get(session, run_id=run_id)
    if run is None or run.state != "queued":
        raise Trouble(f"run {run_id} is not waiting to be trained; start or resume it in the Train tab")
    return run


@contextmanager
def _sole_owner(data: DataFolder, run_id: int) -> Iterator[None]:
    data.run_folder(run_id).mkdir(parents=True, exist_ok=True)
    try:
        with data.run_lock(run_id).acquire(timeout=LOCK_PATIENCE_S):
            yield
    except Timeout as error:
        raise Trouble(f"run {run_id} is being trained by another process already") from error


class _StopWish:
    """Whether the run shall stop, asked of the row at most twice a second."""

    def __init__(self, database: Database, run_id: int, asked: StopSignal) -> None:
        self._database, self._run_id, self._signal = database, run_id, asked
        self._asked_at, self._answer = 0.0, False

    def __call__(self) -> bool:
        if time.monotonic() - self._asked_at > ASK_EVERY_S and not self._answer:
            self._asked_at = time.monotonic()
            with self._database.reading() as session:
                self._answer = runs.stop_requested(session, run_id=self._run_id)
        return self._answer or self._signal.asked


@contextmanager
def _turn(data: DataFolder, run_id: int, stop: _StopWish) -> Iterator[bool]:
    """Wait until no other run of this data folder trains; False when asked to stop meanwhile."""
    lock = data.training_lock()
    said = False
    while not stop():
        try:
            lock.acquire()
        except Timeout:
            if not said:
                _say(f"run {run_id} waits for the run before it")
            said = True
            time.sleep(ASK_EVERY_S)
            continue
        try:
            yield True
        finally:
            lock.release()
        return
    yield False


def _train(database: Database, data: DataFolder, run: Run, stop: _StopWish) -> dict[str, Any]:
    if not _move(database, run.id, "queued", "running", pid=os.getpid()):
        raise Trouble(f"run {run.id} was claimed by another process")
    try:
        config = configuration.build(run.config)
        pairs = read_snapshot(_snapshot_path(database, run))
        if run.plan:
            plans.record(Path(run.folder), Plan.from_json(run.plan))
        record = _Recorder(database, run.id)
        for event in train(config, pairs, Path(run.folder), stop, data.cache):
            record(event)
    except BadInput as error:
        _move(database, run.id, "running", "failed", message=str(error))
        raise
    return record.outcome


def _snapshot_path(database: Database, run: Run) -> Path:
    with database.reading() as session:
        snapshot = snapshots.get(session, snapshot_id=run.snapshot_id or 0)
    if snapshot is None:
        raise BadManifest(f"run {run.id} has no snapshot of labels; start a new run")
    return Path(snapshot.path)


class _Recorder:
    """One short transaction an event, and a line in the log for what a person would want to read there."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database, self._run_id = database, run_id
        self._told_at = 0.0
        self.outcome: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, Notice):
            _say(event.text)
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, Saved):
            _say(f"saved {event.path.name} in epoch {event.epoch}")
        elif isinstance(event, Stopped):
            self.outcome = {"stopped": True, "epoch": event.epoch, "checkpoint": str(event.checkpoint or "")}
            _move(self._database, self._run_id, "running", "stopped", message=f"stopped in epoch {event.epoch}")
        elif isinstance(event, Finished):
            self.outcome = {"model": str(event.model.absolute()), **event.summary}
            _move(self._database, self._run_id, "running", "finished", summary=self.outcome)

    def _progress(self, event: Progress) -> None:
        if time.monotonic() - self._told_at < ASK_EVERY_S and event.done < event.total:
            return
        self._told_at = time.monotonic()
        progress = {"step_name": event.step, "epoch": event.epoch, "batch": event.done, "batches": event.total}
        with self._database.writing() as session:
            runs.record_progress(session, run_id=self._run_id, progress=progress)

    def _epoch(self, event: EpochDone) -> None:
        figures = {
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
                metrics=figures,
            )
        _say(epoch_line(event))


def epoch_line(event: EpochDone) -> str:
    """One epoch in one line, as the log and the terminal show it."""
    score = event.metrics["qwk"]
    return (
        f"epoch {event.epoch}: train loss {event.train_loss:.4f}, val loss {event.val_loss:.4f}, "
        f"val QWK {'undefined' if score is None else f'{score:.4f}'}, rate {event.learning_rate:.2e}, "
        f"{event.pairs_per_second:.1f} pairs/s, {event.data_wait_share:.0%} waiting for data"
    )


def _move(database: Database, run_id: int, expected: Any, to: Any, **fields: Any) -> bool:
    with database.writing() as session:
        return runs.move(session, run_id=run_id, expected=expected, to=to, **fields)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)  # noqa: T201 - the log is this stream
