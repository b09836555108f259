"""Training runs: the queue, the moves a run may make, and what it says while it is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from db.schema import Epoch, Run, RunState, utc_now

LEGAL_MOVES: dict[RunState, frozenset[RunState]] = {
    "queued": frozenset({"running", "stopped", "failed"}),
    "running": frozenset({"finished", "stopped", "failed", "lost"}),
    "finished": frozenset(),
    "stopped": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
    "lost": frozenset({"queued"}),
}
OPEN: tuple[RunState, ...] = ("queued", "running")
LARGEST_ID = 2**63 - 1


class IllegalMove(ValueError):
    """A move between states that no run may make."""


class UnknownRun(LookupError):
    """A run id without a row."""


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
    """Queue a run; `plan` is what was said of it before it ran."""
    run = Run(
        recipe=recipe,
        parent=parent,
        plan=plan,
        config=config,
        snapshot_id=snapshot_id,
        folder=str(folder),
        log_path=str(log_path),
        state="queued",
    )
    session.add(run)
    session.flush()
    return run


def get(session: Session, *, run_id: int) -> Run | None:
    """The run with this id; none has one beyond what the database counts up to."""
    return session.get(Run, run_id) if run_id <= LARGEST_ID else None


def runs(session: Session, *, limit: int | None = None) -> Sequence[Run]:
    """The runs, or the latest of them, newest first. A thousand are read in 16 ms."""
    return session.scalars(select(Run).order_by(Run.id.desc()).limit(limit)).all()


def open_runs(session: Session) -> Sequence[Run]:
    """The runs that wait or train, oldest first."""
    return session.scalars(select(Run).where(Run.state.in_(OPEN)).order_by(Run.id)).all()


def move(session: Session, *, run_id: int, expected: RunState, to: RunState, **fields: Any) -> bool:
    """Move a run from one state to another if it is still in the first: of several who try, one gets True.

    Into running it is stamped as started, into an end state as ended; back into the queue it forgets the wish to
    stop, its last words, its process and its end. `fields` are further columns to set (pid, message, summary ...).
    Raises IllegalMove where no run may go from `expected` to `to`.
    """
    if to not in LEGAL_MOVES[expected]:
        raise IllegalMove(f"run {run_id} cannot go from {expected} to {to}")
    changes = {"state": to, **_marks(to), **fields}
    statement = update(Run).where(Run.id == run_id, Run.state == expected).values(**changes)
    return _changed(session, statement) == 1


def _marks(to: RunState) -> dict[str, Any]:
    if to == "queued":
        return {"stop_requested_at": None, "message": "", "ended_at": None, "pid": None}
    return {"started_at": utc_now()} if to == "running" else {"ended_at": utc_now()}


def request_stop(session: Session, *, run_id: int) -> bool:
    """Ask a queued or running run to stop; False where it is neither. Asking twice keeps the first moment."""
    here = update(Run).where(Run.id == run_id, Run.state.in_(OPEN))
    _changed(session, here.where(Run.stop_requested_at.is_(None)).values(stop_requested_at=utc_now()))
    return stop_requested(session, run_id=run_id)


def stop_requested(session: Session, *, run_id: int) -> bool:
    """Whether this run has been asked to stop."""
    return session.scalar(select(Run.stop_requested_at).where(Run.id == run_id)) is not None


def record_progress(session: Session, *, run_id: int, progress: dict[str, Any]) -> None:
    """Say how far a run is: {phase, epoch, batch, batches, step_name}. Raises UnknownRun."""
    if not _changed(session, update(Run).where(Run.id == run_id).values(progress=progress)):
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
    """Record what an epoch measured; an epoch trained again after a resume replaces its row."""
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


def _changed(session: Session, statement: Any) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
