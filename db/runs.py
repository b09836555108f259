"""Queries for training runs: the queue, state transitions, progress and epochs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from db.schema import Epoch, Run, RunState, Snapshot, utc_now

LEGAL_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    "queued": frozenset({"running", "stopped", "failed"}),
    "running": frozenset({"finished", "stopped", "failed", "lost"}),
    "finished": frozenset(),
    "stopped": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
    "lost": frozenset({"queued"}),
}
OPEN_STATES: tuple[RunState, ...] = ("queued", "running")
MAX_ID = 2**63 - 1
# Place of a run that is queued now.
_END_OF_QUEUE = select(func.coalesce(func.max(Run.queue_order), 0) + 1).scalar_subquery()


class IllegalTransition(ValueError):
    """A state transition that is not allowed."""


class UnknownRun(LookupError):
    """There is no run with this id."""


def add_run(
    session: Session,
    *,
    recipe: str,
    parent: str | None,
    config: dict[str, Any],
    snapshot_id: int | None,
    folder: str,
    log_path: str,
    plan: dict[str, Any] | None = None,
) -> Run:
    """Queue a run; `plan` is its experiment plan."""
    run = Run(
        recipe=recipe,
        parent=parent,
        plan=plan,
        config=config,
        snapshot_id=snapshot_id,
        folder=str(folder),
        log_path=str(log_path),
        state="queued",
        queue_order=session.scalar(select(_END_OF_QUEUE)),
    )
    session.add(run)
    session.flush()
    return run


def get(session: Session, *, run_id: int) -> Run | None:
    """The run with this id, or None; an id above MAX_ID would overflow the database's integer."""
    return session.get(Run, run_id) if run_id <= MAX_ID else None


def runs(session: Session) -> Sequence[Run]:
    """All runs, newest first. A thousand are read in 16 ms."""
    return session.scalars(select(Run).order_by(Run.id.desc())).all()


def open_runs(session: Session) -> Sequence[Run]:
    """The queued and running runs, oldest first."""
    return session.scalars(select(Run).where(Run.state.in_(OPEN_STATES)).order_by(Run.id)).all()


def queued_runs(session: Session) -> Sequence[Run]:
    """The queued runs in the order in which they are to be trained."""
    return session.scalars(select(Run).where(Run.state == "queued").order_by(Run.queue_order, Run.id)).all()


def move_in_queue(session: Session, *, run_id: int, places: int) -> bool:
    """Move a queued run by a number of places, forward if negative; False if it is not queued, or is there already."""
    queue = list(queued_runs(session))
    old = next((place for place, run in enumerate(queue) if run.id == run_id), None)
    if old is None:
        return False
    new = min(max(old + places, 0), len(queue) - 1)
    queue.insert(new, queue.pop(old))
    # All of them: those that an earlier version queued have the same number.
    for place, run in enumerate(queue, 1):
        run.queue_order = place
    return new != old


def runs_on_labels(session: Session, *, sha256: str) -> Sequence[Run]:
    """The queued, running and finished runs on a snapshot with this hash, newest first."""
    query = select(Run).join(Snapshot, Snapshot.id == Run.snapshot_id)
    query = query.where(Snapshot.sha256 == sha256, Run.state.in_((*OPEN_STATES, "finished")))
    return session.scalars(query.order_by(Run.id.desc())).all()


def change_state(session: Session, *, run_id: int, expected: RunState, to: RunState, **fields: Any) -> bool:
    """Compare and set: change a run's state if it is `expected`; of several concurrent callers one gets True.

    Sets the start time on `running` and the end time on a final state; `queued` clears the stop request, the message,
    the process id and the end time, and puts the run at the end of the queue. `fields` are further columns to set (pid,
    message, summary ...).
    Raises IllegalTransition if `expected` to `to` is not allowed.
    """
    if to not in LEGAL_TRANSITIONS[expected]:
        raise IllegalTransition(f"run {run_id} cannot go from {expected} to {to}")
    changes = {"state": to, **_transition_fields(to), **fields}
    statement = update(Run).where(Run.id == run_id, Run.state == expected).values(**changes)
    return _updated_rows(session, statement) == 1


def _transition_fields(to: RunState) -> dict[str, Any]:
    if to == "queued":
        cleared = {"stop_requested_at": None, "message": "", "ended_at": None, "pid": None}
        return {**cleared, "queue_order": _END_OF_QUEUE}
    return {"started_at": utc_now()} if to == "running" else {"ended_at": utc_now()}


def request_stop(session: Session, *, run_id: int) -> bool:
    """Request a queued or running run to stop; False in other states. A second request keeps the first time."""
    open_run = update(Run).where(Run.id == run_id, Run.state.in_(OPEN_STATES))
    _updated_rows(session, open_run.where(Run.stop_requested_at.is_(None)).values(stop_requested_at=utc_now()))
    return stop_requested(session, run_id=run_id)


def stop_requested(session: Session, *, run_id: int) -> bool:
    """True if the run has a stop request."""
    return session.scalar(select(Run.stop_requested_at).where(Run.id == run_id)) is not None


def record_progress(session: Session, *, run_id: int, progress: dict[str, Any]) -> None:
    """Record the progress of a run: {epoch, batch, batches, step_name, seconds_left}. Raises UnknownRun."""
    if not _updated_rows(session, update(Run).where(Run.id == run_id).values(progress=progress)):
        raise UnknownRun(f"run {run_id} does not exist")


def record_epoch(
    session: Session,
    *,
    run_id: int,
    epoch: int,
    phase: int,
    train_loss: float,
    val_loss: float,
    qwk: float | None,
    learning_rate: float,
    seconds: float,
    metrics: dict[str, Any],
) -> Epoch:
    """Record the metrics of an epoch; an epoch repeated after a resume replaces its row."""
    row = Epoch(
        run_id=run_id,
        epoch=epoch,
        phase=phase,
        train_loss=train_loss,
        val_loss=val_loss,
        qwk=qwk,
        learning_rate=learning_rate,
        seconds=seconds,
        metrics=metrics,
        created_at=utc_now(),
    )
    merged = session.merge(row)
    session.flush()
    return merged


def epochs(session: Session, *, run_id: int) -> Sequence[Epoch]:
    """The epochs of a run, in order."""
    return session.scalars(select(Epoch).where(Epoch.run_id == run_id).order_by(Epoch.epoch)).all()


def epoch_versions(session: Session, *, run_ids: Sequence[int]) -> dict[int, tuple[int, datetime]]:
    """Number of epochs of each run and the time of the latest; without the runs that have none."""
    query = select(Epoch.run_id, func.count(), func.max(Epoch.created_at)).where(Epoch.run_id.in_(run_ids))
    return {run_id: (count, latest) for run_id, count, latest in session.execute(query.group_by(Epoch.run_id))}


def _updated_rows(session: Session, statement: Any) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
