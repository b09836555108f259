"""`runs`: list the training runs, show, stop or resume one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.commands.train import resume_run
from app.runs.run_json import run_json, run_summary
from app.settings import DataFolder, UserError
from db import runs
from db.session import Database

UNKNOWN = "there is no run {}; `python launch.py runs list` lists the runs"


def list_runs(data: DataFolder) -> list[dict[str, Any]]:
    """The runs without their epochs, newest first."""
    with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
        return [run_summary(run) for run in runs.runs(session)]


def show(data: DataFolder, run_id: int) -> dict[str, Any]:
    """State, progress and epochs of a run. Raises UserError for an unknown one."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        return _shown(database, run_id)


def stop(data: DataFolder, run_id: int) -> dict[str, Any]:
    """Ask a run to stop after the present batch; returns it. Raises UserError if it is not running."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        state = _shown(database, run_id)["state"]
        with database.writing() as session:
            if not runs.request_stop(session, run_id=run_id):
                raise UserError(f"run {run_id} is {state}; only a queued or running one can be stopped")
        return _shown(database, run_id)


def resume(data: DataFolder, run_id: int) -> dict[str, Any]:
    """Resume a run in this process, to its end; returns its result. Raises UserError for an unknown one."""
    with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
        run = runs.get(session, run_id=run_id)
    if run is None:
        raise UserError(UNKNOWN.format(run_id))
    return resume_run(data, Path(run.folder))


def _shown(database: Database, run_id: int) -> dict[str, Any]:
    run = run_json(database, run_id)
    if run is None:
        raise UserError(UNKNOWN.format(run_id))
    return run
