"""Queue of runs: its order can be changed, and is that in which their processes get their turn."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from app.runs import run_queue
from app.runs.jobs import Jobs
from app.runs.run_queue import is_next, queue_choices
from app.runs.run_status import load_status, stop_steps
from app.settings import PROGRAM, UserError
from db import runs
from db.schema import Run
from engine.experiments.run_folder import CHECKPOINT


@pytest.fixture
def queued(data_home):
    """Queue three runs, whose processes are starting; returns their ids."""
    ids = []
    with data_home.database.writing() as session:
        for _ in range(3):
            run = runs.add_run(
                session, recipe="loupe", parent=None, config={}, snapshot_id=None, folder="", log_path=""
            )
            folder = data_home.data.run_folder(run.id)
            run.folder, run.log_path = str(folder), str(folder / "log.txt")
            folder.mkdir(parents=True)
            ids.append(run.id)
    return ids


def order(home):
    return [run for _, run in queue_choices(home.database)]


def change(home, run_id, expected, to):
    with home.database.writing() as session:
        assert runs.change_state(session, run_id=run_id, expected=expected, to=to)


def test_the_order_can_be_changed_and_a_run_that_is_queued_again_is_the_last(data_home, queued):
    first, second, third = queued
    assert order(data_home) == queued
    run_queue.move(data_home.database, third, -1)
    assert order(data_home) == [first, third, second]
    run_queue.move(data_home.database, third, -1)
    run_queue.move(data_home.database, third, -1)
    assert order(data_home) == [third, first, second]
    change(data_home, third, "queued", "stopped")
    change(data_home, third, "stopped", "queued")
    assert order(data_home) == [first, second, third]
    assert [text for text, _ in queue_choices(data_home.database)][:1] == [f"1. Run {first}: loupe"]


def test_a_run_gets_its_turn_when_those_before_it_have_left(data_home, queued):
    first, second, third = queued
    assert [is_next(data_home.database, data_home.data, run) for run in queued] == [True, False, False]
    run_queue.move(data_home.database, second, -1)
    assert [is_next(data_home.database, data_home.data, run) for run in queued] == [False, True, False]
    change(data_home, second, "queued", "running")
    change(data_home, first, "queued", "stopped")
    assert is_next(data_home.database, data_home.data, third)


def test_a_run_without_a_process_does_not_hold_up_those_after_it(data_home, queued, monkeypatch):
    first, second, _ = queued
    monkeypatch.setattr("app.runs.run_queue.START_DEADLINE_S", -1.0)
    assert is_next(data_home.database, data_home.data, second), "the process before it has died"
    with data_home.data.run_lock(first):
        assert not is_next(data_home.database, data_home.data, second), "it waits"


def test_a_run_that_has_begun_is_neither_moved_nor_removed(data_home, queued):
    change(data_home, queued[0], "queued", "running")
    for act in (
        lambda run: run_queue.move(data_home.database, run, 1),
        lambda run: run_queue.remove(data_home.database, run),
    ):
        with pytest.raises(UserError, match=f"run {queued[0]} has left the queue"):
            act(queued[0])
        with pytest.raises(UserError, match="choose a run"):
            act(None)
    with data_home.database.reading() as session:
        assert not runs.stop_requested(session, run_id=queued[0])


def test_the_place_in_the_queue_is_told(data_home, queued):
    def status(run):
        return load_status(data_home.database, data_home.data, run).status

    assert "It starts in a few seconds." in status(queued[0])
    change(data_home, queued[0], "queued", "running")
    assert f"First in the queue: it starts when run {queued[0]} has ended." in status(queued[1])
    assert "Second in the queue: it starts when the 2 runs before it have ended." in status(queued[2])
    run_queue.remove(data_home.database, queued[2])
    assert "**Stop:** asked ✓ → leaves the queue ... → exits" in status(queued[2])


def test_the_next_server_starts_the_process_of_a_queued_run_that_has_none(data_home, queued, tmp_path, monkeypatch):
    """As after a restart of the machine; a removed one is not started."""
    program = tmp_path / "program"
    program.mkdir()
    (program / "launch.py").write_text("import sys, time; print(sys.argv); time.sleep(60)", encoding="utf-8")
    monkeypatch.setattr("app.runs.jobs.PROGRAM", program)
    monkeypatch.setattr("app.runs.run_queue.START_DEADLINE_S", -1.0)
    run_queue.remove(data_home.database, queued[2])
    server = Jobs(data_home.database, data_home.data)
    try:
        server.reconcile()
        server.reconcile()
        assert order(data_home) == queued[:2]
        assert len(server._children) == 2, "once each"
    finally:
        for child in server._children:
            child.kill()
            child.wait()


def test_the_steps_of_a_stop_are_asked_saved_exited(tmp_path):
    asked = datetime.now(UTC)
    run = Run(id=1, state="running", folder=str(tmp_path), stop_requested_at=asked)
    assert stop_steps(run, has_ended=False) == "**Stop:** asked ✓ → saves after this batch ... → exits"
    run.state, run.ended_at = "stopped", asked + timedelta(seconds=2)
    assert stop_steps(run, has_ended=False) == "**Stop:** asked ✓ → stopped after 2 s ✓ → exits ..."
    (tmp_path / CHECKPOINT).touch()
    assert stop_steps(run, has_ended=True) == "**Stop:** asked ✓ → saved after 2 s ✓ → exited ✓"


def test_a_process_that_waits_has_not_loaded_torch():
    code = "import app.runs.worker, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROGRAM, check=False).returncode == 0
