"""`train`: from a manifest into a folder, from the data folder's labels, a queued run, or a run to go on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.jobs import queue_run, requeue
from app.settings import DataFolder, Trouble
from app.terminal import Meter, process, say
from app.worker import StopSignal, epoch_line, work
from db import runs
from db.session import Database
from engine import recipes
from engine.config import Config, parse_settings
from engine.events import EpochDone, Event, Finished, Notice, Progress, Stopped
from engine.pairs import read_manifest
from engine.run_folder import holds_run
from engine.train import resume, train
from labeling.splits import assign_splits


def from_manifest(manifest: Path, out: Path, recipe: str, settings: Sequence[str]) -> dict[str, Any]:
    """Train on a manifest's cards, everything written below `out`; no database is touched."""
    if holds_run(out):
        raise Trouble(f"{out} already holds a run; go on with it by --resume {out}, or give another folder")
    config = _config(recipe, settings)
    read = read_manifest(manifest)
    for refused in read.refused:
        say(str(refused))
    return _follow(train(config, assign_splits(read.pairs), out, _listening()))


def from_labels(data: DataFolder, recipe: str, settings: Sequence[str]) -> dict[str, Any]:
    """Freeze the data folder's labels and train on them here and now; the app shows the run like any other."""
    config = _config(recipe, settings)
    with Database.open(data.database, backup_dir=data.backups) as database:
        run_id = queue_run(database, data, recipe=recipe, parent=recipes.recipe(recipe).parent, config=config)
    return work(data, run_id)


def go_on(data: DataFolder, folder: Path) -> dict[str, Any]:
    """Resume the run in a folder: through its row where the data folder has one, else by the folder alone."""
    if process()[1] > 1:
        return _follow(resume(_without_a_row(data, folder), _listening()))
    with Database.open(data.database, backup_dir=data.backups) as database:
        with database.reading() as session:
            known = [run for run in runs.runs(session, limit=10_000) if Path(run.folder) == folder.absolute()]
        if not known:
            return _follow(resume(folder, _listening()))
        if not requeue(database, data, known[0].id):
            raise Trouble(f"run {known[0].id} is {known[0].state}; only a stopped, failed or lost run is resumed")
    return work(data, known[0].id)


def _without_a_row(data: DataFolder, folder: Path) -> Path:
    """The folder, where it is none of the data folder's own runs: those are one process each, which owns the row."""
    if folder.absolute().is_relative_to(data.runs.absolute()):
        raise Trouble(f"{folder} is a run of the data folder, which is one process; resume it without torchrun")
    return folder


def _config(recipe: str, settings: Sequence[str]) -> Config:
    return recipes.recipe_config(recipe, parse_settings(settings))


def _listening() -> Any:
    stop = StopSignal()
    stop.listen()
    return lambda: stop.asked


def _follow(events: Iterator[Event]) -> dict[str, Any]:
    """Tell a run's events on the terminal; returns what `train` prints."""
    meter = Meter()
    for event in events:
        if isinstance(event, Progress):
            meter(f"{event.step}, epoch {event.epoch}" if event.epoch else event.step, event.done, event.total)
        elif isinstance(event, Notice):
            say(event.text)
        elif isinstance(event, EpochDone):
            say(epoch_line(event))
        elif isinstance(event, Stopped):
            return {"stopped": True, "epoch": event.epoch, "checkpoint": str(event.checkpoint or "")}
        elif isinstance(event, Finished):
            return {"model": str(event.model.absolute()), **event.summary}
    raise AssertionError("a run ends with Stopped or Finished")
