"""Random kills of the processes that write to a data folder.

A labeler saves labels as fast as it can and prints each that was acknowledged. A server monitors the training runs as
the app does, resumes runs that have ended early, and queues the next when all have finished. Labeler, server and the
run in training are killed with SIGKILL at random moments and started again.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from app.runs.jobs import Jobs, is_alive, queue_run
from app.settings import PROGRAM, DataFolder, data_folder
from db import runs
from db.schema import Run
from db.session import Database
from engine.recipes import recipe_config
from tests.commands import SMALL_RUN

SMALLEST_PAUSE_S = 0.05
ENOUGH = "enough"  # a file whose presence tells the server to queue no further run
PATIENCE_S = 1200.0

# Saves random labels, and prints each once it is saved. It imports no torch, so that it starts quickly.
LABELER = """
import json, os, sys, time
from pathlib import Path
from random import Random
from db import labels
from db.cards import all_cards
from db.session import Database
random = Random(os.getpid())
with Database.open(Path(sys.argv[1])) as database:
    with database.reading() as session:
        cards = [card.id for card in all_cards(session)]
    while True:
        card, grade = random.choice(cards), float(random.randint(1, 10))
        with database.writing() as session:
            label = labels.add_label(session, card_id=card, grade=grade, source="person").id
        sys.stdout.write("\\n" + json.dumps([label, card, grade]))
        sys.stdout.flush()
        time.sleep(0.002)
"""


@dataclass
class Outcome:
    """Results after the last kill, when all runs have ended."""

    kills: dict[str, int]
    acknowledged: int
    lost_labels: list[str]
    integrity: str
    runs: list[Run]
    epochs: dict[int, list[int]]
    processes_left: list[int] = field(default_factory=list)


def kill_at_random(data: DataFolder, *, kills: int, seed: int, longest_pause_s: float, training: bool) -> Outcome:
    """Kill `kills` times in a data folder with labelled cards, and wait for the end of all runs.

    training  False: no run is queued, and only labeler and server are killed
    """
    random, acknowledged = Random(seed), data.root / "acknowledged.jsonl"
    counts = dict.fromkeys(("labeler", "server", *(["run"] if training else [])), 0)
    if not training:
        (data.root / ENOUGH).touch()
    processes = {name: _start(name, data, acknowledged) for name in ("labeler", "server")}
    with Database.open(data.database) as database:
        while sum(counts.values()) < kills:
            name = random.choice(list(counts))
            if name == "run":  # so that on a busy machine, too, as many kills are of runs
                _wait(lambda: _process_of_run(data, database) is not None, processes["server"])
            time.sleep(random.uniform(SMALLEST_PAUSE_S, longest_pause_s))
            if name == "run":
                counts["run"] += _kill_run(data, database)
                continue
            _kill(processes[name])
            counts[name] += 1
            processes[name] = _start(name, data, acknowledged)
        (data.root / ENOUGH).touch()
        _kill(processes["labeler"])
        _wait(lambda: all(state == "finished" for state in _states(database)), processes["server"])
        _kill(processes["server"])
        with database.reading() as session:
            rows = list(runs.runs(session))
            epochs = {run.id: [epoch.epoch for epoch in runs.epochs(session, run_id=run.id)] for run in rows}
    count, lost = _lost_labels(data.database, acknowledged)
    left = [run.pid for run in rows if run.pid and is_alive(data.run_lock(run.id))]
    return Outcome(counts, count, lost, _integrity(data.database), rows, epochs, left)


def _start(name: str, data: DataFolder, acknowledged: Path) -> subprocess.Popen[bytes]:
    """Start a process; the labeler is returned once it has saved a label, however busy the machine is."""
    if name == "server":
        return subprocess.Popen([sys.executable, "-m", "tests.random_kills", str(data.root)], cwd=PROGRAM)
    with acknowledged.open("ab") as file:
        size = file.seek(0, os.SEEK_END)
        process = subprocess.Popen([sys.executable, "-c", LABELER, str(data.database)], cwd=PROGRAM, stdout=file)
    _wait(lambda: acknowledged.stat().st_size > size, process)
    return process


def _wait(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert process.poll() is None, f"{process.args} ended by itself"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def _kill(process: subprocess.Popen[bytes]) -> None:
    assert process.poll() is None, f"{process.args} ended by itself"
    process.send_signal(signal.SIGKILL)
    process.wait()


def _process_of_run(data: DataFolder, database: Database) -> psutil.Process | None:
    """The process of an open run, in any state from its first second on; None if there is none at the moment."""
    with database.reading() as session:
        run_ids = [str(run.id) for run in runs.open_runs(session)]
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if "--run" in words and words[words.index("--run") + 1] in run_ids and str(data.root) in words:
                return process
    return None


def _kill_run(data: DataFolder, database: Database) -> bool:
    """Kill the process of an open run; False if it has ended meanwhile."""
    process = _process_of_run(data, database)
    if process is None:
        return False
    with suppress(psutil.NoSuchProcess):
        process.kill()
    return True


def _states(database: Database) -> list[str]:
    with database.reading() as session:
        return [run.state for run in runs.runs(session)]


def _lost_labels(database: Path, acknowledged: Path) -> tuple[int, list[str]]:
    """Number of acknowledged labels, and those that the database does not have."""
    # The last line of a killed labeler may be cut short; that label was not acknowledged.
    lines = [line for line in acknowledged.read_text(encoding="utf-8").split("\n") if line.endswith("]")]
    with closing(sqlite3.connect(database)) as connection:
        rows = {json.dumps(list(row)) for row in connection.execute("SELECT id, card_id, grade FROM label_events")}
    return len(lines), [line for line in lines if line not in rows]


def _integrity(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def serve_forever(data: DataFolder) -> None:
    """Monitor the runs as the app's server does, resume what has ended early, queue the next run."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        jobs = Jobs(database, data)
        while True:
            jobs.reconcile()
            with database.reading() as session:
                states = {run.id: run.state for run in runs.runs(session)}
            ended_early = [run_id for run_id, state in states.items() if state in ("lost", "failed", "stopped")]
            if ended_early:
                jobs.resume(ended_early[0])
            elif all(state == "finished" for state in states.values()) and not (data.root / ENOUGH).exists():
                config = recipe_config("baseline", {**SMALL_RUN, "phase2_epochs": 2})
                jobs.start(queue_run(database, data, recipe="baseline", parent=None, config=config))
            time.sleep(0.2)


if __name__ == "__main__":
    serve_forever(data_folder(Path(sys.argv[1])))
