"""Training runs in a data folder's database, found by their settings: reused if finished, resumed or trained if not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.commands import evaluate, train
from app.runs.jobs import Jobs, requeue
from app.runs.plan_input import PlanInput
from app.runs.worker import train_queued_run
from app.settings import DataFolder
from app.terminal import print_message
from db import runs
from db.schema import Run
from db.session import Database
from engine.config import BadConfig, Config, from_saved
from engine.evaluation import predictions
from engine.evaluation.predictions import Predictions
from engine.experiments.run_folder import MODEL
from engine.recipes import recipe_config
from evidence.cached_json import load_or_compute, read_json

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class TrainingVariant:
    """A recipe with changed settings, and its experiment plan."""

    name: str
    recipe: str
    settings: Settings = field(default_factory=dict)
    plan: PlanInput = field(default_factory=PlanInput)


def train_variant(data: DataFolder, variant: TrainingVariant, seed: int, shared: Settings) -> Run:
    """Train a variant with a seed, resume its run or find the finished one; `shared` settings apply to all variants."""
    settings = {**shared, **variant.settings, "seed": seed}
    with Database.open(data.database, backup_dir=data.backups) as database:
        Jobs(database, data).reconcile()
        run = _find_run(database, variant, settings)
        if run is not None and run.state in ("stopped", "failed", "lost"):
            requeue(database, data, run.id)
    if run is None:
        print_message(f"{variant.name}, seed {seed}")
        overrides = [f"{key}={value}" for key, value in settings.items()]
        result = train.from_labels(data, train.TrainingOptions(variant.recipe, overrides, variant.plan))
    elif run.state != "finished":
        print_message(f"{variant.name}, seed {seed}: resuming run {run.id}")
        result = train_queued_run(data, run.id)
    else:
        return run
    if "stopped" in result:
        raise SystemExit(f"{variant.name}, seed {seed} was stopped; the same command resumes it")
    return train_variant(data, variant, seed, shared)


def _find_run(database: Database, variant: TrainingVariant, settings: Settings) -> Run | None:
    config = recipe_config(variant.recipe, dict(settings))
    with database.reading() as session:
        return next((run for run in runs.runs(session) if _saved_config(run) == config), None)


def _saved_config(run: Run) -> Config | None:
    """The configuration of a run, possibly of an older version; None if one of its settings no longer exists."""
    try:
        return from_saved(run.config)
    except BadConfig:
        return None


def model_path(data: DataFolder, run: Run) -> Path:
    """The run's best model."""
    return data.run_folder(run.id) / MODEL


def predictions_of(data: DataFolder, run: Run, split: str, views: int = 1) -> Predictions:
    """Predictions of a run's model on a split of the data folder, calibrated on the run's validation cards."""
    return predictions.read(predictions_path(data, run, split, views))


def evaluation_of(data: DataFolder, run: Run, split: str) -> dict[str, Any]:
    """The output of `evaluate` for a run's model on a split of the data folder."""
    return dict(read_json(predictions_path(data, run, split).with_suffix(".json")))


def predictions_path(data: DataFolder, run: Run, split: str, views: int = 1) -> Path:
    """The predictions of a run's model in its run folder; evaluated at most once, so test cards are used once."""
    path = data.run_folder(run.id) / (f"{split}.csv" if views == 1 else f"{split}_{views}_views.csv")
    return evaluate_once(data, model_path(data, run), None, split, path, views)


def evaluate_once(data: DataFolder, model: Path, manifest: Path | None, split: str, path: Path, views: int = 1) -> Path:
    """Evaluate a model on a split unless done before: predictions in `path`, the output of `evaluate` as .json."""
    load_or_compute(path.with_suffix(".json"), lambda: evaluate.run(data, str(model), manifest, split, path, views))
    return path
