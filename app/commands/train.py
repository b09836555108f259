"""`train`: train from a manifest or from the data folder's labels, or resume a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.commands import cross_validate
from app.commands.terminal_output import print_events, stop_on_signal
from app.runs.jobs import queue_run, requeue
from app.runs.plan_input import PlanInput, build_plan, undeclared_bundle_warning, warn_about_idle_changes
from app.runs.worker import train_queued_run
from app.settings import DataFolder, UserError
from app.terminal import print_message, rank_and_world_size
from db import runs
from db.schema import Run
from db.session import Database
from engine import recipes
from engine.cards import leakage
from engine.config import Config, parse_settings
from engine.data.selection import check_labels
from engine.experiments import plans, run_folder
from engine.experiments.run_folder import holds_run
from engine.training.initial_weights import validate_run
from engine.training.loop import resume, train
from labeling.snapshot import pairs_from_manifest

DEFAULT_RECIPE = recipes.DEFAULT
SINGLE_PROCESS_RUNS = "which train in a single process"


def from_manifest(
    manifest: Path,
    out: Path,
    recipe: str,
    settings: Sequence[str],
    plan_input: PlanInput,
    *,
    folds: int = 0,
    controls: bool = False,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Train on the cards of a manifest; writes only below `out` and to `cache`, not to the database.

    folds     number of cross-validation folds; 0: a single run
    controls  also train the background-only and label-only controls
    cache     folder of prepared pictures of a single run, shared with other runs; default `out`/cache

    Several undeclared changes at once only cause a warning here; runs in the data folder must declare them.
    """
    if holds_run(out) or run_folder.fold_folders(out):
        raise UserError(f"{out} already holds a run; continue it with --resume {out}, or give another folder")
    config = _config(recipe, settings)
    if folds:
        config = cross_validate.fold_config(config)
    plan = build_plan(plan_input, config, recipe)
    warn_about_idle_changes(plan, config)
    if warning := undeclared_bundle_warning(plan):
        print_message(f"warning: {warning}")
    content = pairs_from_manifest(manifest)
    for sentence in (*content.notices, *map(str, content.refused)):
        print_message(sentence)
    if rank_and_world_size()[1] > 1 and (folds or controls):
        raise UserError(f"--folds and --controls start several runs, {SINGLE_PROCESS_RUNS}; omit torchrun")
    # Checked before anything is written, because a folder that holds a run can only be resumed.
    leakage.check_no_leakage(content.pairs)
    validated = [replace(pair, split="val") if folds and pair.split != "test" else pair for pair in content.pairs]
    check_labels(validated, config)
    validate_run(config, validated, out)
    if folds:
        cross_validate.set_up_folds(out, config, content.pairs, plan, folds)
        return cross_validate.train_folds(out)
    if rank_and_world_size()[0] == 0:
        plans.write_plan(out, plan)
    if controls:
        cross_validate.set_up_controls(out, config, content.pairs)
        run_folder.save(out, config, [pair.absolute() for pair in content.pairs])
        return cross_validate.train_with_controls(out)
    with stop_on_signal() as stop:
        return print_events(train(config, content.pairs, out, stop, cache))


def from_labels(data: DataFolder, recipe: str, settings: Sequence[str], plan_input: PlanInput) -> dict[str, Any]:
    """Take a snapshot of the data folder's labels and train on it in this process; the app lists the run.

    Raises UserError if several changes at once are not declared.
    """
    config = _config(recipe, settings)
    with Database.open(data.database, backup_dir=data.backups) as database:
        plan = build_plan(plan_input, config, recipe, database)
        warn_about_idle_changes(plan, config)
        if warning := undeclared_bundle_warning(plan):
            raise UserError(f'{warning}; make one change at a time, or add --several-changes-because "reason"')
        run_id = queue_run(database, data, recipe=recipe, parent=plan.parent, config=config, plan=plan)
    return train_queued_run(data, run_id)


def resume_run(data: DataFolder, folder: Path, cache: Path | None = None) -> dict[str, Any]:
    """Resume the run in a folder with its controls, or its folds; a run of the data folder through its row.

    cache  as in `from_manifest`
    """
    folder = folder.resolve()
    in_data_folder = folder.is_relative_to(data.runs.resolve())
    if rank_and_world_size()[1] > 1:
        with stop_on_signal() as stop:
            _refuse_several_ranks(folder, in_data_folder=in_data_folder)
            return print_events(resume(folder, stop))
    if not in_data_folder:
        return (
            cross_validate.train_folds(folder)
            if run_folder.fold_folders(folder)
            else cross_validate.train_with_controls(folder, cache)
        )
    with Database.open(data.database, backup_dir=data.backups) as database:
        run = _run_row(database, folder)
        # A queued run may still have its process; `train_queued_run` checks the lock.
        if run.state != "queued" and not requeue(database, data, run.id):
            raise UserError(f"run {run.id} is {run.state}; only a stopped, failed or lost run can be resumed")
    return train_queued_run(data, run.id)


def _refuse_several_ranks(folder: Path, *, in_data_folder: bool) -> None:
    """Raise UserError for runs that cannot be resumed by several ranks: the data folder's, folds and controls."""
    if in_data_folder:
        raise UserError(f"{folder} is a run of the data folder, which uses one process; resume it without torchrun")
    if run_folder.fold_folders(folder) or run_folder.control_folders(folder):
        raise UserError(f"{folder} holds folds or controls, {SINGLE_PROCESS_RUNS}; resume it without torchrun")


def _run_row(database: Database, folder: Path) -> Run:
    """The row of a run folder of the data folder, compared by resolved path."""
    with database.reading() as session:
        matches = [run for run in runs.runs(session) if Path(run.folder).resolve() == folder]
    if not matches:
        run_folder.load(folder)  # raises if the folder holds no run at all
        raise UserError(f"{folder} is not a run of this data folder's database; move it elsewhere to resume it there")
    return matches[0]


def _config(recipe: str, settings: Sequence[str]) -> Config:
    return recipes.recipe_config(recipe, parse_settings(settings))
