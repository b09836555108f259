"""A disk that fills up while a run trains: the run fails with one sentence, and is resumed when there is room."""

import errno
import subprocess
import sys

import pytest

from app.runs import jobs
from app.runs.disk_reserve import RESERVE_BYTES, keep_reserve
from app.runs.worker import train_queued_run
from app.settings import PROGRAM
from db import runs
from db.session import DatabaseUnusable
from engine.events import Progress
from engine.recipes import recipe_config
from engine.storage.disk_space import DiskFull
from engine.training import loop
from labeling.import_cards import import_cards
from tests.card_factory import write_cards
from tests.commands import SMALL_RUN
from tests.full_disk import skip_without_mounts

FULL = OSError(errno.ENOSPC, "No space left on device", "/data/last.ckpt")
NO_ROOM = DatabaseUnusable("loupe.db cannot grow: the disk is full; free some space")


@pytest.fixture
def run_id(data_home, tmp_path):
    import_cards(data_home.database, write_cards(tmp_path / "cards", [9, 8, 7]))
    config = recipe_config("baseline", SMALL_RUN)
    return jobs.queue_run(data_home.database, data_home.data, recipe="baseline", parent=None, config=config)


def row(home, run_id):
    with home.database.reading() as session:
        return runs.get(session, run_id=run_id)


@pytest.mark.parametrize(("error", "raised"), [(FULL, DiskFull), (NO_ROOM, DatabaseUnusable)])
def test_a_full_disk_fails_the_run_with_one_sentence_and_frees_the_reserve(
    data_home, run_id, monkeypatch, restore_signals, error, raised
):
    def train(*arguments):
        yield Progress("training", 1, 1, 2)
        assert data_home.data.reserve.stat().st_size == RESERVE_BYTES
        raise error

    monkeypatch.setattr(loop, "train", train)
    with pytest.raises(raised):
        train_queued_run(data_home.data, run_id)
    run = row(data_home, run_id)
    assert (run.state, "the disk is full" in run.message, "\n" in run.message) == ("failed", True, False)
    assert not data_home.data.reserve.exists()


def test_the_server_frees_the_reserve_to_record_the_end_of_a_run(data_home, run_id, monkeypatch):
    """The process of the run was killed, and the database cannot grow at first."""
    with data_home.database.writing() as session:
        runs.change_state(session, run_id=run_id, expected="queued", to="running")
    data_home.jobs.reconcile()
    assert row(data_home, run_id).state == "lost"
    assert data_home.data.reserve.exists()
    with monkeypatch.context() as full:

        def cannot_read(session):
            raise NO_ROOM

        full.setattr(runs, "open_runs", cannot_read)
        with pytest.raises(DatabaseUnusable):
            data_home.jobs.reconcile()
    assert not data_home.data.reserve.exists()


def test_without_room_there_is_no_reserve_and_no_part_of_one(tmp_path, monkeypatch):
    def no_room(self, content):
        with self.open("wb") as file:
            file.write(content[:100])
        raise FULL

    with monkeypatch.context() as full:
        full.setattr("pathlib.Path.write_bytes", no_room)
        keep_reserve(tmp_path / "reserve")
    assert not (tmp_path / "reserve").exists()


# Trains on a disk of 400 MB, which is filled to the last byte in the first epoch, and emptied again.
FILL = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from app.runs.jobs import Jobs, queue_run
from app.settings import data_folder
from db import runs
from db.session import Database
from engine.recipes import recipe_config
from labeling.import_cards import import_cards
from tests.commands import SMALL_RUN

disk = Path(sys.argv[1])
data = data_folder(disk / "data")
database = Database.open(data.database)
import_cards(database, Path(sys.argv[2]))
jobs = Jobs(database, data)
config = recipe_config("baseline", {**SMALL_RUN, "phase2_epochs": 4})
run_id = queue_run(database, data, recipe="baseline", parent=None, config=config)

def row():
    with database.reading() as session:
        return runs.get(session, run_id=run_id), len(runs.epochs(session, run_id=run_id))

def wait(happened, seconds, what):
    start = time.monotonic()
    while not happened():
        if "first" in what and row()[0].state == "failed":
            sys.exit((row()[0].message, data.log(run_id).read_text()))
        assert time.monotonic() - start < seconds, (what, row()[0].state, row()[0].message)
        try:
            jobs.reconcile()
        except Exception as error:
            print("not reconciled:", error)
        time.sleep(0.2)
    return time.monotonic() - start

jobs.start(run_id)
wait(lambda: row()[1] >= 1 and (data.run_folder(run_id) / "last.ckpt").exists(), 400, "the first epoch")
with (disk / "filler").open("wb", buffering=0) as filler:
    for size in (1 << 20, 1 << 12, 1):
        try:
            while filler.write(bytes(size)) == size:
                pass
        except OSError:
            pass
wait(lambda: row()[0].state != "running", 400, "the end of the run")
took = wait(lambda: row()[0].state == "failed", 10, "the state failed")
print(took, row()[0].message)
assert "the disk is full" in row()[0].message
assert not list(disk.rglob("*.part"))
(disk / "filler").unlink()
assert jobs.resume(run_id)
wait(lambda: row()[0].state == "finished", 900, "the end after resuming")
assert row()[1] == 4
"""


@pytest.mark.long
def test_a_run_whose_disk_is_filled_to_the_last_byte_fails_and_is_resumed_to_its_end(manifest, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    skip_without_mounts()
    words = " ".join(f'"{word}"' for word in (disk, manifest, PROGRAM))
    script = f'mount -t tmpfs -o size=400m tmpfs "{disk}" && exec "{sys.executable}" -c "$0" {words}'
    done = subprocess.run(["unshare", "-mr", "sh", "-c", script, FILL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
