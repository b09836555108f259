"""Sequences of runs in one process: the folds of a cross-validation, and a model with its controls.

All run folders are set up before the first run starts, so the sequence can be resumed like a single run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.runs.event_lines import print_run
from app.settings import UserError
from app.terminal import print_message, stop_on_signal
from engine import config as configuration
from engine.cards.folds import assign_folds, splits_of_fold
from engine.cards.pairs import CardPair
from engine.config import Config
from engine.errors import BadInput
from engine.evaluation import predictions
from engine.evaluation.metrics import metrics_with_intervals
from engine.evaluation.predictions import Predictions
from engine.experiments import run_folder
from engine.experiments.plans import ExperimentPlan, write_plan
from engine.experiments.run_folder import CONTROL, CONTROLS, FOLD, all_fold_folders, control_folders, fold_folders
from engine.training.loop import resume
from engine.training.optimizer import FailedByRule

REPORTED_METRICS = ("qwk", "qwk_low", "qwk_high", "exact", "mae", "n")


def fold_config(config: Config) -> Config:
    """The settings of each fold: `config` without `stop_if`, so that every card is validated; prints a note.

    The failure criteria of a plan are evaluated for each fold and end none.
    """
    if config.stop_if:
        print_message(
            f"stop_if={config.stop_if} is ignored: cross-validation trains every fold to the end; "
            "use --fail-if to mark a fold as failed"
        )
    return config.model_copy(update={"stop_if": ""})


def set_up_folds(out: Path, config: Config, pairs: Sequence[CardPair], plan: ExperimentPlan, fold_count: int) -> None:
    """Write the settings, cards and plan of each fold into out/fold-1, out/fold-2, ... Raises TooFewGroups.

    Raises UserError if `out` holds folds of a larger, half set-up cross-validation; they would be trained too.
    """
    folders = [out / f"{FOLD}{fold + 1}" for fold in range(fold_count)]
    if leftovers := [folder.name for folder in all_fold_folders(out) if folder not in folders]:
        raise UserError(
            f"{out} holds {', '.join(leftovers)} of a cross-validation of more than {fold_count} folds that never "
            f"started; remove {out}, or give another folder with --out"
        )
    pairs = [pair.absolute() for pair in pairs]
    fold_of = assign_folds(pairs, fold_count, config.seed)
    # fold-1 is written last and marks the set-up as complete (run_folder.fold_folders).
    for fold, folder in reversed([*enumerate(folders)]):
        write_plan(folder, plan)
        run_folder.save(folder, config, splits_of_fold(pairs, fold_of, fold))


def set_up_controls(out: Path, config: Config, pairs: Sequence[CardPair]) -> None:
    """Write the settings and cards of the run's controls into out/control-background and out/control-label.

    `stop_if` is dropped: a control is expected to score low.
    """
    hidden = dict.fromkeys(configuration.fields(configuration.CARD_PIXELS), 0)
    for region in CONTROLS:
        control = configuration.build({**config.model_dump(), **hidden, "input_region": region, "stop_if": ""})
        run_folder.save(out / f"{CONTROL}{region}", control, [pair.absolute() for pair in pairs])


def train_folds(out: Path, max_folds: int | None = None, cache: Path | None = None) -> dict[str, Any]:
    """Train the folds one after another, or resume them; returns the metrics of the out-of-fold predictions.

    max_folds  train only the first `max_folds` folds
    cache      folder of prepared pictures, shared with other runs; default `out`/cache
    Each fold's epoch was chosen on its own validation cards, which makes the metrics slightly optimistic.
    """
    folders = fold_folders(out)[:max_folds]
    fold_results = []
    with stop_on_signal() as stop:
        for folder in folders:
            print_message(f"{folder.name} of {len(folders)}")
            result = print_run(resume(folder, stop, cache or out / "cache"))
            if result.get("stopped"):
                return {**result, "fold": folder.name}
            metrics = {name: result[name] for name in REPORTED_METRICS}
            fold_results.append({"model": result["model"], "saved_epoch": result["saved_epoch"], **metrics})
    out_of_fold = Predictions.concatenate(predictions.read(folder / predictions.FILE_NAME) for folder in folders)
    path = out / predictions.FILE_NAME
    predictions.write(path, out_of_fold)
    metrics = metrics_with_intervals(out_of_fold.truth, out_of_fold.probabilities, out_of_fold.groups)
    return {"split": "out of fold", "folds": fold_results, "predictions": str(path.absolute()), **metrics}


def train_with_controls(out: Path, cache: Path | None = None) -> dict[str, Any]:
    """Train or resume the run in a folder, then its controls; returns the run's result with theirs as `controls`.

    cache  folder of prepared pictures, shared with other runs; default `out`/cache

    FailedByRule is raised only after the controls have been trained: a low score is compared with them too.
    """
    with stop_on_signal() as stop:
        try:
            result = print_run(resume(out, stop, cache))
        except FailedByRule:
            _train_controls(out, stop)
            raise
        if result.get("stopped"):
            return result
        controls = _train_controls(out, stop)
    if controls.get("stopped"):
        return controls
    return {**result, "controls": controls} if controls else result


def _train_controls(out: Path, stop: Callable[[], bool]) -> dict[str, Any]:
    """Train the controls of a run: metrics or a failure reason by input region, or the result of a stopped one."""
    controls: dict[str, Any] = {}
    for region, folder in control_folders(out).items():
        print_message(f"control model, trained on the {region} only")
        try:
            result = print_run(resume(folder, stop, out / "cache"))
        except BadInput as error:  # for example no picture of a slab; the run itself remains valid
            controls[region] = {"reason": str(error)}
            continue
        if result.get("stopped"):
            return result
        controls[region] = {name: result[name] for name in ("model", *REPORTED_METRICS)}
    return controls
