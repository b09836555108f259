"""`train`: from a manifest into a folder, from the data folder's labels, a queued run, or a run to go on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.commands import cross_validate
from app.commands.follow import follow, listening
from app.runs.jobs import queue_run, requeue
from app.runs.plan_input import Said, plan_of, say_of_changes, warning
from app.runs.worker import work
from app.settings import DataFolder, Trouble
from app.terminal import process, say
from db import runs
from db.schema import Run
from db.session import Database
from engine import recipes
from engine.cards import leakage
from engine.config import Config, parse_settings
from engine.experiments import plans, run_folder
from engine.experiments.run_folder import holds_run
from engine.training.initial_weights import refuse_unfit
from engine.training.loop import resume, train
from labeling.snapshot import pairs_from_manifest

DEFAULT = recipes.DEFAULT
ONE_AFTER_ANOTHER = "runs of one process, one after another"


def from_manifest(
    manifest: Path,
    out: Path,
    recipe: str,
    settings: Sequence[str],
    said: Said,
    *,
    folds: int = 0,
    controls: bool = False,
) -> dict[str, Any]:
    """Train on a manifest's cards, everything written below `out`; no database is touched.

    folds     train as many runs, each validated on the cards that it alone has not learned from; 0: one run
    controls  train the background-only and label-only controls beside the model

    Several changes at once are warned of; only in the data folder's ledger must they be declared.
    """
    if holds_run(out) or run_folder.folds_in(out):
        raise Trouble(f"{out} already holds a run; go on with it by --resume {out}, or give another folder")
    config = _config(recipe, settings)
    if folds:
        config = cross_validate.of_folds(config)
    plan = plan_of(said, config, recipe)
    say_of_changes(plan, config)
    if warned := warning(plan):
        say(f"warning: {warned}")
    read = pairs_from_manifest(manifest)
    for refused in read.refused:
        say(str(refused))
    if process()[1] > 1 and (folds or controls):
        raise Trouble(f"folds and controls are {ONE_AFTER_ANOTHER}; train them without torchrun")
    # Before anything is written: a folder that holds a run can only be gone on with.
    leakage.refuse_leaks(read.pairs)
    judged = [replace(pair, split="val") if folds and pair.split != "test" else pair for pair in read.pairs]
    refuse_unfit(config, judged, out)
    if folds:
        cross_validate.tell_folds(out, config, read.pairs, plan, folds)
        return cross_validate.train_folds(out)
    if process()[0] == 0:
        plans.record(out, plan)
    if controls:
        cross_validate.tell_controls(out, config, read.pairs)
        run_folder.record(out, config, [pair.absolute() for pair in read.pairs])
        return cross_validate.train_with_controls(out)
    with listening() as stop:
        return follow(train(config, read.pairs, out, stop))


def from_labels(data: DataFolder, recipe: str, settings: Sequence[str], said: Said) -> dict[str, Any]:
    """Freeze the data folder's labels and train on them here and now; the app shows the run like any other.

    Raises Trouble where several changes at once are not declared a bundle.
    """
    config = _config(recipe, settings)
    with Database.open(data.database, backup_dir=data.backups) as database:
        plan = plan_of(said, config, recipe, database)
        say_of_changes(plan, config)
        if warned := warning(plan):
            raise Trouble(f'{warned}; make one at a time, or declare them one bundle with --bundle "why"')
        run_id = queue_run(database, data, recipe=recipe, parent=plan.parent, config=config, plan=plan)
    return work(data, run_id)


def go_on(data: DataFolder, folder: Path) -> dict[str, Any]:
    """Resume the run in a folder, its controls too, or its folds: through its row where the data folder has one."""
    folder = folder.resolve()
    own = folder.is_relative_to(data.runs.resolve())
    if process()[1] > 1:
        with listening() as stop:
            return follow(resume(_of_several_processes(folder, own=own), stop))
    if not own:
        return (
            cross_validate.train_folds(folder)
            if run_folder.folds_in(folder)
            else cross_validate.train_with_controls(folder)
        )
    with Database.open(data.database, backup_dir=data.backups) as database:
        run = _row_of(database, folder)
        # A run that waits may have lost its process or not: `work` asks the lock.
        if run.state != "queued" and not requeue(database, data, run.id):
            raise Trouble(f"run {run.id} is {run.state}; only a stopped, failed or lost run is resumed")
    return work(data, run.id)


def _of_several_processes(folder: Path, *, own: bool) -> Path:
    """The folder, where what it holds is one run, and none of the data folder's own: that is one process with a row."""
    if own:
        raise Trouble(f"{folder} is a run of the data folder, which is one process; resume it without torchrun")
    if run_folder.folds_in(folder) or run_folder.controls_in(folder):
        raise Trouble(f"{folder} holds folds or controls, {ONE_AFTER_ANOTHER}; resume it without torchrun")
    return folder


def _row_of(database: Database, folder: Path) -> Run:
    """The row of a folder below the data folder's runs, by whichever path it was made."""
    with database.reading() as session:
        known = [run for run in runs.runs(session) if Path(run.folder).resolve() == folder]
    if not known:
        run_folder.told(folder)  # which says so where no run is at all
        raise Trouble(
            f"{folder} lies among the data folder's runs, and no row tells of it; move it elsewhere to resume it there"
        )
    return known[0]


def _config(recipe: str, settings: Sequence[str]) -> Config:
    return recipes.recipe_config(recipe, parse_settings(settings))
