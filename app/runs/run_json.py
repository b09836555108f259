"""A training run as plain values, for the commands and the API."""

from __future__ import annotations

import math
from typing import Any

from app.settings import UserError
from db import runs
from db.schema import Run
from db.session import Database, Session

LISTED = "`python launch.py runs list` lists the runs"


def unknown_run(name: object, remedy: str) -> UserError:
    """The error for a run that there is not."""
    return UserError(f"there is no run {name}; {remedy}")


def known_run(session: Session, run_id: int, remedy: str = LISTED) -> Run:
    """The row of a run. Raises UserError with the remedy for an unknown one."""
    run = runs.get(session, run_id=run_id)
    if run is None:
        raise unknown_run(run_id, remedy)
    return run


def run_json(database: Database, run_id: int, remedy: str = LISTED) -> dict[str, Any]:
    """State, progress and epochs of a run. Raises UserError with the remedy for an unknown one."""
    with database.reading() as session:
        run = known_run(session, run_id, remedy)
        epochs = runs.epochs(session, run_id=run.id)
    rows = [
        {
            "epoch": epoch.epoch,
            "phase": epoch.phase,
            "train_loss": _finite(epoch.train_loss),
            "val_loss": _finite(epoch.val_loss),
            "qwk": epoch.qwk,
        }
        for epoch in epochs
    ]
    return {**run_summary(run), "epochs": rows}


def run_summary(run: Run) -> dict[str, Any]:
    """State and progress of a run, without its epochs."""
    return {
        "run": run.id,
        "recipe": run.recipe,
        "state": run.state,
        "stopping": run.state == "running" and run.stop_requested_at is not None,
        "message": run.message,
        "progress": run.progress,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
