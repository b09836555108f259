"""The server monitors all runs, however old, and continues after an error."""

import errno

import pytest

from app.runs.run_status import load_status, model_choices, run_choices
from app.screens import server
from db import runs
from db.session import DatabaseUnusable
from engine.experiments.run_folder import MODEL
from tests.app.conftest import Home


def add_run(home: Home, *, state: str) -> int:
    """A run in this state without a process."""
    with home.database.writing() as session:
        row = runs.add_run(
            session, recipe="loupe", parent="ordinal", config={}, snapshot_id=None, folder="", log_path="", plan=None
        )
        row.folder, row.log_path = str(home.data.run_folder(row.id)), str(home.data.log(row.id))
        runs.change_state(session, run_id=row.id, expected="queued", to=state)
        return row.id


def test_the_oldest_of_many_runs_is_marked_lost_and_stays_in_the_lists(data_home):
    oldest = add_run(data_home, state="running")
    model = data_home.data.run_folder(oldest) / MODEL
    model.parent.mkdir(parents=True)
    model.touch()
    for _ in range(51):
        add_run(data_home, state="stopped")

    data_home.jobs.reconcile()
    assert load_status(data_home.database, data_home.data, oldest).can_resume
    assert run_choices(data_home.database)[-1] == (f"Run {oldest}: loupe, interrupted", oldest)
    assert model_choices(data_home.database) == [(f"Run {oldest}: loupe", str(model))]


class FailingJobs:
    """Jobs whose monitoring fails with a different error each time, and finally ends."""

    def __init__(self) -> None:
        self._errors = [
            OSError(errno.ENOSPC, "No space left on device", "run.lock"),
            DatabaseUnusable("loupe.db cannot grow: the disk is full; free some space"),
            KeyboardInterrupt(),
        ]

    def reconcile(self) -> None:
        raise self._errors.pop(0)


def test_monitoring_continues_with_a_full_disk(monkeypatch, capsys):
    monkeypatch.setattr(server, "RECONCILE_INTERVAL_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        server._reconcile_runs_forever(FailingJobs())
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("could not check the runs this time: ") for line in lines] == [True, True]
    assert "No space left on device: 'run.lock'" in lines[0]
    assert "cannot grow" in lines[1]


class FullTerminal:
    """A log on a full disk: writing fails, as for /dev/full."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        """There is nothing to flush."""


def test_monitoring_continues_if_the_log_cannot_be_written(monkeypatch):
    monkeypatch.setattr(server, "RECONCILE_INTERVAL_S", 0.0)
    monkeypatch.setattr("sys.stderr", FullTerminal())
    with pytest.raises(KeyboardInterrupt):
        server._reconcile_runs_forever(FailingJobs())
