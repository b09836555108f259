"""Runs of a data folder by what they are told: found where they are done, gone on with where stopped, else made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.commands import evaluate, train
from app.runs.jobs import Jobs, requeue
from app.runs.plan_input import Said
from app.runs.worker import work
from app.settings import DataFolder
from app.terminal import say
from db import runs
from db.schema import Run
from db.session import Database
from engine.config import BadConfig, Config, build
from engine.evaluation import predictions
from engine.evaluation.predictions import Predictions
from engine.experiments.run_folder import MODEL
from engine.recipes import recipe_config
from evidence.cached_json import once, read

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """A way of training: a recipe and its settings, and what is said of it in the ledger."""

    name: str
    recipe: str
    settings: Settings = field(default_factory=dict)
    said: Said = field(default_factory=Said)


def trained(data: DataFolder, way: Way, seed: int, shared: Settings) -> Run:
    """The finished run of a way and seed; `shared` settings hold for all ways."""
    settings = {**shared, **way.settings, "seed": seed}
    with Database.open(data.database, backup_dir=data.backups) as database:
        Jobs(database, data).settle()
        run = _known(database, way, settings)
        if run is not None and run.state in ("stopped", "failed", "lost"):
            requeue(database, data, run.id)
    if run is None:
        say(f"{way.name}, seed {seed}")
        ended = train.from_labels(data, way.recipe, [f"{key}={value}" for key, value in settings.items()], way.said)
    elif run.state != "finished":
        say(f"{way.name}, seed {seed}: run {run.id} goes on")
        ended = work(data, run.id)
    else:
        return run
    if "stopped" in ended:
        raise SystemExit(f"{way.name}, seed {seed} was stopped; the same command goes on with it")
    return trained(data, way, seed, shared)


def _known(database: Database, way: Way, settings: Settings) -> Run | None:
    told = recipe_config(way.recipe, dict(settings))
    with database.reading() as session:
        return next((run for run in runs.runs(session) if _config(run) == told), None)


def _config(run: Run) -> Config | None:
    """What the run was told, whatever settings there were when it was; None where one of them is gone."""
    try:
        return build(run.config)
    except BadConfig:
        return None


def model_of(data: DataFolder, run: Run) -> Path:
    """The run's best model."""
    return data.run_folder(run.id) / MODEL


def said_by(data: DataFolder, run: Run, split: str, views: int = 1) -> Predictions:
    """What a run's model says of a split of the data folder, calibrated on the cards that chose its epoch."""
    return predictions.read(words_of(data, run, split, views))


def evaluated(data: DataFolder, run: Run, split: str) -> dict[str, Any]:
    """All that `evaluate` prints of a run's model on a split of the data folder."""
    return dict(read(words_of(data, run, split).with_suffix(".json")))


def words_of(data: DataFolder, run: Run, split: str, views: int = 1) -> Path:
    """The file of `evaluate --predictions` beside the model: looked at once, so that the test is opened once."""
    kept = data.run_folder(run.id) / (f"{split}.csv" if views == 1 else f"{split}_{views}_views.csv")
    return looked_at_once(data, model_of(data, run), None, split, kept, views)


def looked_at_once(
    data: DataFolder, model: Path, manifest: Path | None, split: str, kept: Path, views: int = 1
) -> Path:
    """The file, `kept`, of what a model says of a split, beside the figures that `evaluate` prints of it."""
    once(kept.with_suffix(".json"), lambda: evaluate.run(data, str(model), manifest, split, kept, views))
    return kept
