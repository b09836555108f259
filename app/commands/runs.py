"""`runs`: list the training runs, show, stop or resume one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.commands.train import resume_run
from app.runs.run_json import known_run, run_json, run_summary
from app.settings import DataFolder, UserError
from db import runs
from db.session import Database


def list_runs(data: DataFolder) -> list[dict[str, Any]]:
    """The runs without their epochs, newest first."""
    with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
        return [run_summary(run) for run in runs.runs(session)]


def show(data: DataFolder, run_id: int) -> dict[str, Any]:
    """State, progress and epochs of a run. Raises UserError for an unknown one."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        return run_json(database, run_id)


def stop(data: DataFolder, run_id: int) -> dict[str, Any]:
    """Ask a run to stop after the present batch; returns it. Raises UserError if it is not running."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        state = run_json(database, run_id)["state"]
        with database.writing() as session:
            if not runs.request_stop(session, run_id=run_id):
                raise UserError(f"run {run_id} is {state}; only a queued or running one can be stopped")
        return run_json(database, run_id)


def resume(data: DataFolder, run_id: int) -> dict[str, Any]:
    """Resume a run in this process, to its end; returns its result. Raises UserError for an unknown one."""
    with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
        folder = Path(known_run(session, run_id).folder)
    return resume_run(data, folder)
