"""Queue of the runs: each has a process that waits for its turn, and holds its lock. Free of torch.

A process that waits needs no server: the next run starts when the one before it has ended, whatever became of the app.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from filelock import FileLock, Timeout

from app.settings import DataFolder, UserError
from db import runs
from db.schema import Run
from db.session import Database, Session

# A process takes its lock within seconds; without one after this time it failed to start.
START_DEADLINE_S = 60.0
REMOVED = "stopped while waiting in the queue"
PLACES = ("First", "Second", "Third", "Fourth", "Fifth")


def is_alive(lock: FileLock) -> bool:
    """True if a process holds this lock."""
    try:
        with lock:
            return False
    except Timeout:
        return True


def older_than(moment: datetime | None, seconds: float) -> bool:
    """True if a moment is longer ago than this; False if there is none."""
    return moment is not None and datetime.now(UTC) - moment > timedelta(seconds=seconds)


def queued_at(data: DataFolder, run: Run) -> datetime:
    """The time a run was created or last resumed; resuming touches the log file."""
    log = data.log(run.id)
    resumed_at = datetime.fromtimestamp(log.stat().st_mtime, UTC) if log.exists() else run.created_at
    return max(run.created_at, resumed_at)


def is_next(database: Database, data: DataFolder, run_id: int) -> bool:
    """True if no run before this one in the queue has a process, or may still get one."""
    with database.reading() as session:
        queue = runs.queued_runs(session)
    before = queue[: [run.id for run in queue].index(run_id)] if run_id in [run.id for run in queue] else queue
    return not any(
        is_alive(data.run_lock(run.id)) or not older_than(queued_at(data, run), START_DEADLINE_S) for run in before
    )


def move(database: Database, run_id: int | None, places: int) -> None:
    """Move a run in the queue. Raises UserError if it is no longer in it."""
    with database.writing() as session:
        runs.move_in_queue(session, run_id=_queued(session, run_id), places=places)


def remove(database: Database, run_id: int | None) -> None:
    """Ask the process of a run in the queue to end; it can be resumed. Raises UserError if it is no longer in it."""
    with database.writing() as session:
        runs.request_stop(session, run_id=_queued(session, run_id))


def _queued(session: Session, run_id: int | None) -> int:
    """The id of a run that is in the queue: meanwhile it may have begun, which must not stop it."""
    if run_id is None or run_id not in [run.id for run in runs.queued_runs(session)]:
        raise UserError("choose a run of the queue first" if run_id is None else f"run {run_id} has left the queue")
    return run_id


def queue_choices(database: Database) -> list[tuple[str, int]]:
    """The queued runs as (text, id), the next one first."""
    with database.reading() as session:
        queue = runs.queued_runs(session)
    return [(f"{place}. Run {run.id}: {run.recipe}{_leaves(run)}", run.id) for place, run in enumerate(queue, 1)]


def _leaves(run: Run) -> str:
    return "" if run.stop_requested_at is None else ", is removed"


def place_text(run_id: int, queue: Sequence[Run], running: Sequence[Run]) -> str:
    """Sentence on the place of a queued run."""
    ids = [run.id for run in queue]
    place = ids.index(run_id)
    name = PLACES[place] if place < len(PLACES) else f"Number {place + 1}"
    before = [run.id for run in running] + ids[:place]
    if not before:
        return "It starts in a few seconds."
    waits = f"run {before[0]} has" if len(before) == 1 else f"the {len(before)} runs before it have"
    return f"{name} in the queue: it starts when {waits} ended."
