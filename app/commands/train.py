"""`train`, `cross-validate` and `resume`: train from a manifest or from the data folder's labels, or resume a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from app.commands import cross_validate
from app.runs.event_lines import print_run
from app.runs.jobs import queue_run, requeue
from app.runs.plan_input import PlanInput, build_plan, undeclared_bundle_warning, warn_about_idle_changes
from app.runs.worker import train_queued_run
from app.settings import DataFolder, UserError
from app.terminal import print_message, rank_and_world_size, stop_on_signal
from db import runs
from db.schema import Run
from db.session import Database
from engine import recipes
from engine.cards import leakage
from engine.cards.pairs import CardPair
from engine.config import Config, parse_settings
from engine.data.selection import NoCards, OneGrade, check_labels, check_splits
from engine.experiments import plans, run_folder
from engine.experiments.plans import ExperimentPlan
from engine.experiments.run_folder import CHECKPOINT, holds_run
from engine.training.initial_weights import validate_run
from engine.training.loop import resume, train
from labeling.snapshot import pairs_from_manifest

SINGLE_PROCESS_RUNS = "which train in a single process"


class TrainingOptions(NamedTuple):
    """Settings and plan of a new run as the user gives them.

    recipe    name of the recipe; None: the default one
    settings  changes to it, as `key=value`
    """

    recipe: str | None
    settings: Sequence[str]
    plan: PlanInput

    @property
    def start(self) -> str:
        """Name of the recipe."""
        return self.recipe or recipes.DEFAULT

    def config(self) -> Config:
        """The settings. Raises BadConfig."""
        return recipes.recipe_config(self.start, parse_settings(self.settings))


def from_manifest(
    manifest: Path, out: Path, options: TrainingOptions, *, controls: bool = False, cache: Path | None = None
) -> dict[str, Any]:
    """Train on the cards of a manifest; writes only below `out` and to `cache`, not to the database.

    controls  also train the background-only and label-only controls
    cache     folder of prepared pictures, shared with other runs; default `out`/cache

    Several undeclared changes at once only cause a warning here; runs in the data folder must declare them.
    """
    with _refused_leaves_nothing(out):
        config, plan, pairs = _checked(manifest, out, options, options.config())
        if controls:
            _require_one_process("--controls starts")
        check_splits(pairs, config)
        _check_run(pairs, config, out)
        if rank_and_world_size()[0] == 0:
            plans.write_plan(out, plan)
        if controls:
            cross_validate.set_up_controls(out, config, pairs)
            run_folder.save(out, config, [pair.absolute() for pair in pairs])
            return cross_validate.train_with_controls(out)
        with stop_on_signal() as stop:
            return print_run(train(config, pairs, out, stop, cache))


def in_folds(
    manifest: Path, out: Path, options: TrainingOptions, fold_count: int, cache: Path | None = None
) -> dict[str, Any]:
    """Cross-validate on the cards of a manifest, as `from_manifest` trains on them."""
    with _refused_leaves_nothing(out):
        config, plan, pairs = _checked(manifest, out, options, cross_validate.fold_config(options.config()))
        _require_one_process("cross-validate starts")
        _check_run([pair if pair.split == "test" else replace(pair, split="val") for pair in pairs], config, out)
        cross_validate.set_up_folds(out, config, pairs, plan, fold_count)
        return cross_validate.train_folds(out, cache=cache)


@contextmanager
def _refused_leaves_nothing(out: Path) -> Iterator[None]:
    """Leave no run in `out` that was refused before its first checkpoint, so that the folder can be given again.

    A run that has no cards, or one grade only, is sometimes found out after its pictures were prepared.
    """
    before = set(out.iterdir()) if out.is_dir() else set()
    try:
        yield
    except Exception as error:
        if isinstance(error, NoCards | OneGrade) and not any(out.rglob(CHECKPOINT)):
            for entry in set(out.iterdir()) - before:
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)  # several processes of a run may be refused at once
        with suppress(OSError):
            out.rmdir()  # only if it is empty
        raise


def _checked(
    manifest: Path, out: Path, options: TrainingOptions, config: Config
) -> tuple[Config, ExperimentPlan, list[CardPair]]:
    """Settings, plan and cards of new runs in `out`, with warnings printed. Raises UserError if it holds a run."""
    if holds_run(out) or run_folder.fold_folders(out):
        raise UserError(f"{out} already holds a run; continue it with --resume {out}, or give another folder")
    plan = build_plan(options.plan, config, options.start)
    warn_about_idle_changes(plan, config)
    if warning := undeclared_bundle_warning(plan):
        print_message(f"warning: {warning}")
    content = pairs_from_manifest(manifest)
    for sentence in (*content.notices, *map(str, content.refused)):
        print_message(sentence)
    return config, plan, content.pairs


def _check_run(pairs: Sequence[CardPair], config: Config, out: Path) -> None:
    """Check cards and settings before anything is written, because a folder that holds a run can only be resumed."""
    leakage.check_no_leakage(pairs)
    check_labels(pairs, config)
    validate_run(config, pairs, out)


def _require_one_process(what: str) -> None:
    if rank_and_world_size()[1] > 1:
        raise UserError(f"{what} several runs, {SINGLE_PROCESS_RUNS}; omit torchrun")


def from_labels(data: DataFolder, options: TrainingOptions) -> dict[str, Any]:
    """Take a snapshot of the data folder's labels and train on it in this process; the app lists the run.

    Raises UserError if several changes at once are not declared.
    """
    config = options.config()
    with Database.open(data.database, backup_dir=data.backups) as database:
        plan = build_plan(options.plan, config, options.start, database)
        warn_about_idle_changes(plan, config)
        if warning := undeclared_bundle_warning(plan):
            raise UserError(f'{warning}; make one change at a time, or add --several-changes-because "reason"')
        run_id = queue_run(database, data, recipe=options.start, parent=plan.parent, config=config, plan=plan)
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
            return print_run(resume(folder, stop))
    if not in_data_folder:
        return (
            cross_validate.train_folds(folder, cache=cache)
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
