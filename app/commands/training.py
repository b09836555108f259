"""`train`: from a manifest into a folder, from the data folder's labels, a queued run, or a run to go on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.experiments import Said, plan_of, warning
from app.jobs import queue_run, requeue
from app.settings import DataFolder, Trouble
from app.terminal import Meter, say
from app.worker import StopSignal, epoch_line, work
from db import runs
from db.session import Database
from engine import ledger, recipes
from engine.config import Config, parse_settings
from engine.events import EpochDone, Event, Finished, Notice, Progress, Stopped
from engine.run_folder import holds_run
from engine.train import resume, train
from labeling.snapshot import pairs_from_manifest


def from_manifest(manifest: Path, out: Path, recipe: str, settings: Sequence[str], said: Said) -> dict[str, Any]:
    """Train on a manifest's cards, everything written below `out`; no database is touched.

    Several changes at once are warned of; only in the data folder's ledger must they be declared.
    """
    if holds_run(out):
        raise Trouble(f"{out} already holds a run; go on with it by --resume {out}, or give another folder")
    config = _config(recipe, settings)
    plan = plan_of(said, config, recipe)
    if warned := warning(plan):
        say(f"warning: {warned}")
    read = pairs_from_manifest(manifest)
    for refused in read.refused:
        say(str(refused))
    ledger.record(out, plan)
    return _follow(train(config, read.pairs, out, _listening()))


def from_labels(data: DataFolder, recipe: str, settings: Sequence[str], said: Said) -> dict[str, Any]:
    """Freeze the data folder's labels and train on them here and now; the app shows the run like any other.

    Raises Trouble where several changes at once are not declared a bundle.
    """
    config = _config(recipe, settings)
    with Database.open(data.database, backup_dir=data.backups) as database:
        plan = plan_of(said, config, recipe, database)
        if warned := warning(plan):
            raise Trouble(f'{warned}; make one at a time, or declare them one bundle with --bundle "why"')
        run_id = queue_run(database, data, recipe=recipe, parent=plan.parent, config=config, plan=plan)
    return work(data, run_id)


def go_on(data: DataFolder, folder: Path) -> dict[str, Any]:
    """Resume the run in a folder: through its row where the data folder has one, else by the folder alone."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        with database.reading() as session:
            known = [run for run in runs.runs(session, limit=10_000) if Path(run.folder) == folder.absolute()]
        if not known:
            return _follow(resume(folder, _listening()))
        if not requeue(database, data, known[0].id):
            raise Trouble(f"run {known[0].id} is {known[0].state}; only a stopped, failed or lost run is resumed")
    return work(data, known[0].id)


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
