"""`train --resume` finds the row of a run by any path, and refuses a folder of the data folder without a row."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.commands import train
from app.settings import DataFolder, UserError
from db import runs
from db.session import Database
from engine.cards.pairs import CardPair
from engine.config import BadConfig, build
from engine.experiments import run_folder


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder with one stopped run; training is replaced by returning the run's id."""
    data = DataFolder(tmp_path / "data")
    data.root.mkdir()
    with Database.open(data.database) as database, database.writing() as session:
        row = runs.add_run(
            session, recipe="loupe", parent="ordinal", config={}, snapshot_id=None, folder="", log_path="", plan=None
        )
        row.folder = str(data.run_folder(row.id))
    save_run(data.run_folder(1))
    stop(data)
    monkeypatch.setattr(train, "train_queued_run", lambda data, run_id: {"worked": run_id})
    monkeypatch.setattr(train.cross_validate, "train_with_controls", lambda out, cache: {"without a row": out})
    return data


def save_run(folder: Path) -> None:
    run_folder.save(folder, build({}), [CardPair("a", folder / "a.png", None, 9, split="train")])


def state(data: DataFolder) -> str:
    with Database.open(data.database) as database, database.reading() as session:
        run = runs.get(session, run_id=1)
    assert run is not None
    return run.state


def stop(data: DataFolder) -> None:
    with Database.open(data.database) as database, database.writing() as session:
        runs.change_state(session, run_id=1, expected="queued", to="stopped")


def test_a_link_and_a_relative_path_resolve_to_the_run_s_row(data, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(data.run_folder(1))
    (tmp_path / "other name").symlink_to(data.root)
    monkeypatch.chdir(data.runs)
    for folder in (data.run_folder(1), Path("run-0001"), tmp_path / "link", tmp_path / "other name/runs/run-0001"):
        assert train.resume_run(data, folder) == {"worked": 1}
        stop(data)
    # The data folder may also be given as a link.
    assert train.resume_run(DataFolder(tmp_path / "other name"), data.run_folder(1)) == {"worked": 1}


# Holds the run's lock until it is killed, as the run's process does.
TRAINS = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("trains", flush=True)
    time.sleep(600)
"""


def test_a_run_killed_while_no_server_was_running_can_be_resumed(data):
    with Database.open(data.database) as database:
        for expected, to in (("stopped", "queued"), ("queued", "running")):
            with database.writing() as session:
                runs.change_state(session, run_id=1, expected=expected, to=to)
    lock = data.run_lock(1).lock_file
    with subprocess.Popen([sys.executable, "-c", TRAINS, lock], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "trains\n"
        with pytest.raises(UserError, match="run 1 is running; only a stopped, failed or lost run can be resumed"):
            train.resume_run(data, data.run_folder(1))
        process.kill()
    assert train.resume_run(data, data.run_folder(1)) == {"worked": 1}
    assert state(data) == "queued"


def test_a_queued_run_can_be_resumed_and_stays_queued(data):
    assert train.resume_run(data, data.run_folder(1)) == {"worked": 1}
    assert train.resume_run(data, data.run_folder(1)) == {"worked": 1}
    assert state(data) == "queued"


def test_a_finished_run_cannot_be_resumed(data):
    with Database.open(data.database) as database:
        for expected, to in (("stopped", "queued"), ("queued", "running"), ("running", "finished")):
            with database.writing() as session:
                runs.change_state(session, run_id=1, expected=expected, to=to)
    with pytest.raises(UserError, match="run 1 is finished; only a stopped, failed or lost run can be resumed"):
        train.resume_run(data, data.run_folder(1))


def test_a_run_outside_the_data_folder_is_resumed_without_a_row(data, tmp_path):
    save_run(tmp_path / "elsewhere")
    assert train.resume_run(data, tmp_path / "elsewhere") == {"without a row": tmp_path / "elsewhere"}


def test_a_folder_in_the_data_folder_without_a_row_is_refused(data):
    save_run(data.runs / "copied")
    with pytest.raises(UserError, match=r"copied is not a run of this data folder.s database; move it"):
        train.resume_run(data, data.runs / "copied")
    with pytest.raises(BadConfig, match="nowhere: holds no run; give the folder"):
        train.resume_run(data, data.runs / "nowhere")
