"""Runs as processes: they queue, stop on request, outlive the server, and resume exactly after a kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta

import psutil
import pytest
import torch

from app.runs import worker
from app.runs.jobs import Jobs, kill, queue_run
from app.runs.run_status import load_status, model_choices
from app.runs.worker import train_queued_run
from app.settings import PROGRAM, UserError
from db import runs
from db.schema import Run
from engine.errors import BadInput
from engine.experiments.run_folder import CHECKPOINT, MODEL
from engine.recipes import recipe_config
from engine.storage import checkpoint
from labeling.import_cards import import_cards
from tests.app.conftest import Home
from tests.card_factory import write_cards
from tests.commands import SMALL_RUN

PATIENCE_S = 120.0


def wait_for(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s in vain for: {what}"
        time.sleep(0.05)


def queue(home: Home, **changes: object) -> int:
    config = recipe_config("baseline", {**SMALL_RUN, "batch_size": 2, "phase2_epochs": 2, **changes})
    return queue_run(home.database, home.data, recipe="baseline", parent="over_regularised", config=config)


def row(home: Home, run_id: int) -> Run:
    with home.database.reading() as session:
        run = runs.get(session, run_id=run_id)
    assert run is not None
    return run


def epochs(home: Home, run_id: int) -> list[int]:
    with home.database.reading() as session:
        return [epoch.epoch for epoch in runs.epochs(session, run_id=run_id)]


def losses(home: Home, run_id: int) -> list[tuple[float, float]]:
    with home.database.reading() as session:
        return [(epoch.train_loss, epoch.val_loss) for epoch in runs.epochs(session, run_id=run_id)]


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


# Starts the run as the server does, then is killed.
DYING_SERVER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from app.runs.jobs import Jobs
from app.settings import data_folder
from db.session import Database
data = data_folder(Path(sys.argv[2]))
Jobs(Database.open(data.database), data).start(int(sys.argv[3]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.long
def test_a_killed_run_is_lost_and_after_resuming_equals_an_uninterrupted_one(home):
    killed, twin = queue(home), queue(home)
    home.jobs.start(killed)
    wait_for(lambda: epochs(home, killed) == [1], "the first epoch")
    wait_for((home.data.run_folder(killed) / CHECKPOINT).exists, "the checkpoint behind it")
    pid = row(home, killed).pid
    assert pid is not None
    psutil.Process(pid).suspend()
    assert os.getsid(pid) == pid, "a run has a session of its own, so that ctrl-C at the server does not reach it"

    # The second run is started by a server that is killed at once; the run survives and waits for the first.
    server = [sys.executable, "-c", DYING_SERVER, str(PROGRAM), str(home.data.root), str(twin)]
    assert subprocess.run(server, check=False).returncode < 0
    wait_for(
        lambda: "waits for the run before it" in load_status(home.database, home.data, twin).log,
        "the second run to wait",
    )
    home.jobs.reconcile()
    assert (row(home, killed).state, row(home, twin).state) == ("running", "queued")

    psutil.Process(pid).kill()
    wait_for(lambda: not home.jobs.reconcile() and row(home, killed).state == "lost", "the kill to be noticed")
    lost = load_status(home.database, home.data, killed)
    assert lost.can_resume
    assert "epoch 1: train loss" in lost.log
    assert str(home.data.run_folder(killed) / CHECKPOINT) in lost.status

    assert home.jobs.resume(killed)
    wait_for(lambda: {row(home, item).state for item in (killed, twin)} == {"finished"}, "both to finish")
    assert epochs(home, killed) == epochs(home, twin) == [1, 2]
    assert losses(home, killed) == losses(home, twin)
    weights = [checkpoint.load(home.data.run_folder(item) / CHECKPOINT)["model"] for item in (killed, twin)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    wait_for(lambda: not home.jobs.reconcile() and not home.jobs._children, "the processes to be seen dead")


@pytest.mark.slow
def test_a_run_asked_to_stop_saves_a_checkpoint_and_can_be_resumed_to_its_end(home):
    run_id = queue(home)
    home.jobs.start(run_id)
    wait_for(lambda: epochs(home, run_id) == [1], "the first epoch")
    assert row(home, run_id).state == "running"
    with home.database.writing() as session:
        assert runs.request_stop(session, run_id=run_id)
    wait_for(lambda: row(home, run_id).state == "stopped", "the stop")
    stopped = load_status(home.database, home.data, run_id)
    assert row(home, run_id).message == "stopped in epoch 2"
    assert str(home.data.run_folder(run_id) / CHECKPOINT) in stopped.status
    assert (stopped.can_stop, stopped.can_resume) == (False, True)
    wait_for(lambda: not home.jobs.reconcile() and not home.jobs._children, "the process to be seen dead")

    assert home.jobs.resume(run_id)
    assert not home.jobs.resume(run_id), "a run that is queued is not started twice"
    wait_for(lambda: row(home, run_id).state == "finished", "the end")
    assert epochs(home, run_id) == [1, 2]
    assert row(home, run_id).summary["epochs"] == 2
    assert load_status(home.database, home.data, run_id).can_resume is False
    wait_for(lambda: not home.jobs.reconcile() and not home.jobs._children, "the process to be seen dead")


# Holds the run's lock and has a child process; both ignore stop requests.
DEAF = """
import signal, subprocess, sys, time
from filelock import FileLock
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with FileLock(sys.argv[1]):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def unresponsive_run(home) -> Iterator[tuple[int, int, int]]:
    """A run whose process ignores stop requests: (run id, pid, child's pid)."""
    run_id = queue(home)
    lock = home.data.run_lock(run_id).lock_file
    process = subprocess.Popen([sys.executable, "-c", DEAF, lock], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    with home.database.writing() as session:
        runs.change_state(session, run_id=run_id, expected="queued", to="running", pid=process.pid)
    yield run_id, process.pid, child
    for item in (process.pid, child):
        if not is_gone(item):
            psutil.Process(item).kill()
    process.communicate()


def test_an_unresponsive_run_is_killed_with_its_children_and_marked_lost(home, unresponsive_run, monkeypatch):
    run_id, pid, child = unresponsive_run
    home.jobs.reconcile()
    assert not is_gone(pid), "nobody asked it to stop"
    with home.database.writing() as session:
        runs.request_stop(session, run_id=run_id)
    home.jobs.reconcile()
    assert not is_gone(pid), "it still has time to answer"
    monkeypatch.setattr("app.runs.jobs.STOP_DEADLINE_S", 0.0)
    home.jobs.reconcile()
    assert is_gone(pid)
    assert is_gone(child)
    home.jobs.reconcile()
    assert row(home, run_id).state == "lost"
    assert row(home, run_id).message.count(".") <= 1


def test_killing_a_run_whose_process_has_ended_kills_no_other_process(home):
    ended_process = subprocess.Popen([sys.executable, "-c", "pass"])
    ended_process.wait()
    kill(Run(id=1, pid=ended_process.pid, started_at=row(home, queue(home)).created_at))
    # The other program started after the run, as after the reuse of a pid.
    started_at = row(home, queue(home)).created_at - timedelta(minutes=1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other_process:
        kill(Run(id=1, pid=other_process.pid, started_at=started_at))
        assert other_process.poll() is None
        other_process.communicate(b"\n")
        assert other_process.returncode == 0


def test_a_process_that_exits_before_its_run_starts_is_a_failed_run(home, tmp_path, monkeypatch):
    (tmp_path / "launch.py").write_text("import sys; sys.exit('no such thing')", encoding="utf-8")
    monkeypatch.setattr("app.runs.jobs.PROGRAM", tmp_path)
    run_id = queue(home)
    home.jobs.start(run_id)
    wait_for(lambda: not home.jobs.reconcile() and row(home, run_id).state == "failed", "the exit to be noticed")
    assert "no such thing" in load_status(home.database, home.data, run_id).log
    assert row(home, run_id).message.startswith("The process did not start; see the log")


def test_a_process_that_never_starts_is_a_failed_run_only_after_the_timeout(home, tmp_path, monkeypatch):
    """The server that started the process has ended, so that the exit is not noticed."""
    (tmp_path / "launch.py").write_text("import sys; sys.exit('no such thing')", encoding="utf-8")
    monkeypatch.setattr("app.runs.jobs.PROGRAM", tmp_path)
    monkeypatch.setattr("app.runs.run_queue.START_DEADLINE_S", 1.0)
    run_id = queue(home)
    home.jobs.start(run_id)
    next_server = Jobs(home.database, home.data)
    next_server.reconcile()
    assert row(home, run_id).state == "queued"
    # On a busy machine the process may take longer to end than the deadline.
    wait_for(lambda: (next_server.reconcile(), row(home, run_id).state)[1] == "failed", "the run to fail")

    # The deadline restarts with each start of the run.
    assert home.jobs.resume(run_id)
    next_server.reconcile()
    assert row(home, run_id).state == "queued"
    wait_for(lambda: (next_server.reconcile(), row(home, run_id).state)[1] == "failed", "the run to fail")
    wait_for(lambda: not home.jobs.reconcile() and not home.jobs._children, "the process to be seen dead")


def test_a_known_engine_error_ends_the_run_with_its_message(data_home, tmp_path, restore_signals):
    import_cards(data_home.database, write_cards(tmp_path / "cards", [9, 8, 7]))  # three cards: none for validation
    run_id = queue(data_home)
    with pytest.raises(BadInput, match="no card is left for validation"):
        train_queued_run(data_home.data, run_id)
    failed = row(data_home, run_id)
    assert failed.state == "failed"
    assert failed.message.startswith("no card is left for validation; ")
    assert "\n" not in failed.message


def test_checking_the_lock_does_not_prevent_a_run_from_starting(data_home, tmp_path, restore_signals):
    import_cards(data_home.database, write_cards(tmp_path / "cards", [9, 8, 7]))
    run_id = queue(data_home)
    lock = data_home.data.run_lock(run_id)
    lock.acquire()
    # A FileLock belongs to a thread; this one releases it after a moment, as the server does.
    outcome: list[BaseException] = []

    def train() -> None:
        try:
            train_queued_run(data_home.data, run_id)
        except (BadInput, UserError) as error:
            outcome.append(error)

    worker = threading.Thread(target=train)
    with pytest.MonkeyPatch.context() as patch:
        # Signal handlers can only be set in the main thread.
        patch.setattr("app.runs.worker.stop_on_signal", lambda: nullcontext(lambda: False))
        worker.start()
        time.sleep(0.5)
        lock.release()
        worker.join()
    assert "no card is left for validation" in str(outcome[0])


def test_a_run_trained_by_another_process_or_missing_is_refused(data_home, monkeypatch):
    with pytest.raises(UserError, match="run 7 is not queued"):
        train_queued_run(data_home.data, 7)
    monkeypatch.setattr("app.runs.worker.LOCK_TIMEOUT_S", 0.1)
    with (
        data_home.data.run_lock(7),
        pytest.raises(UserError, match="run 7 is already being trained by another process"),
    ):
        train_queued_run(data_home.data, 7)


def test_a_run_is_offered_as_starting_weights_once_it_has_a_model(data_home, tmp_path):
    import_cards(data_home.database, write_cards(tmp_path / "cards", [9, 8, 7]))
    first, second = queue(data_home), queue(data_home)
    assert model_choices(data_home.database) == []
    for run_id in (first, second):
        model = data_home.data.run_folder(run_id) / MODEL
        model.parent.mkdir(parents=True)
        model.touch()
    assert model_choices(data_home.database) == [
        (f"Run {run_id}: baseline", str(data_home.data.run_folder(run_id) / MODEL)) for run_id in (second, first)
    ]


def test_only_a_stopped_failed_or_lost_run_is_resumed(home):
    assert not Jobs(home.database, home.data).resume(12345)


def test_ctrl_c_before_a_run_starts_leaves_it_stopped(home, monkeypatch, restore_signals):
    run_id = queue(home)
    open_database = worker.Database.open

    def interrupted(*words, **named):
        signal.raise_signal(signal.SIGINT)
        return open_database(*words, **named)

    monkeypatch.setattr(worker.Database, "open", interrupted)
    assert worker.train_queued_run(home.data, run_id) == {"stopped": True, "epoch": 0}
    assert (row(home, run_id).state, row(home, run_id).message) == ("stopped", "stopped while waiting in the queue")
