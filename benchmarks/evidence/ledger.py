"""Runs of a data folder by what they are told: found where they are done, gone on with where stopped, else made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.commands import evaluating, training
from app.experiments import Said
from app.jobs import Jobs, requeue
from app.settings import DataFolder
from app.terminal import say
from app.worker import work
from db import runs
from db.schema import Run
from db.session import Database
from engine import predictions
from engine.aside import aside
from engine.config import BadConfig, Config, build
from engine.predictions import Predictions
from engine.recipes import recipe_config
from engine.run_folder import MODEL

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
        ended = training.from_labels(data, way.recipe, [f"{key}={value}" for key, value in settings.items()], way.said)
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
        return next((run for run in runs.runs(session, limit=10_000) if _config(run) == told), None)


def _config(run: Run) -> Config | None:
    """What the run was told, whatever settings there were when it was; None where one of them is gone."""
    try:
        return build(run.config)
    except BadConfig:
        return None


def model_of(data: DataFolder, run: Run) -> Path:
    """The run's best model."""
    return data.run_folder(run.id) / MODEL


def on_test(data: DataFolder, run: Run, views: int = 1) -> Predictions:
    """What a run's model says of the sealed test split, calibrated on its own validation cards; opened once for each
    number of views, then read from beside the model."""
    return predictions.read(_opened(data, run, views))


def figures_on_test(data: DataFolder, run: Run) -> dict[str, Any]:
    """All that `evaluate` prints of a run's model on the sealed test split."""
    return dict(json.loads(_opened(data, run, 1).with_suffix(".json").read_text(encoding="utf-8")))


def _opened(data: DataFolder, run: Run, views: int) -> Path:
    kept = data.run_folder(run.id) / ("test.csv" if views == 1 else f"test_{views}_views.csv")
    figures = kept.with_suffix(".json")
    if not figures.exists():
        said = evaluating.run(data, str(model_of(data, run)), None, "test", kept, views)
        with aside(figures) as part:
            part.write_text(json.dumps(said), encoding="utf-8")
    return kept
