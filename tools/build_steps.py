"""Steps of a build: Loupe commands, each in a process of its own, whose JSON marks it as finished."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.settings import PROGRAM
from engine.experiments.run_folder import MODEL, holds_run
from engine.storage.atomic import atomic_write
from evidence.cached_json import read_json

Arguments = Sequence[str | Path]


@dataclass(frozen=True)
class Step:
    """A command; its JSON is written to `name`.json in the work folder."""

    name: str
    arguments: Arguments


class CannotBuild(SystemExit):
    """The model cannot be built; the message gives the reason and ends the program."""


def run_step(work: Path, step: Step, threads: int | None = None) -> dict[str, Any]:
    """Run the step, unless it is finished, and return its JSON. Raises CannotBuild if it was stopped.

    threads  of the process; None: one per core
    """
    path = work / f"{step.name}.json"
    if not path.is_file():
        with atomic_write(path) as part:
            # `simulate` has no option --data.
            data = [] if step.arguments[0] == "simulate" else ["--data", work / "data"]
            arguments = [str(argument) for argument in (*step.arguments, *data, "--json", part)]
            print(shlex.join(["launch.py", *arguments]), flush=True)
            environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
            subprocess.run([sys.executable, str(PROGRAM / "launch.py"), *arguments], check=True, env=environment)
            if "stopped" in read_json(part):
                raise CannotBuild(f"{step.name} was stopped; run the same command again to resume it")
    return dict(read_json(path))


def run_at_once(work: Path, steps: Sequence[Step], jobs: int) -> dict[str, dict[str, Any]]:
    """Run independent steps, `jobs` at a time and one thread each; returns their JSON by name."""
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda step: run_step(work, step, threads=1 if jobs > 1 else None), steps)
        return {step.name: result for step, result in zip(steps, results, strict=True)}


def train_step(work: Path, name: str, recipe: str, manifest: Path, settings: dict[str, Any]) -> Step:
    """A training run in the folder `name` of the work folder, resumed if it was interrupted."""
    folder = work / name
    if holds_run(folder):
        return Step(f"{name}-train", ["train", "--resume", folder])
    changes = [argument for key, value in settings.items() for argument in ("--set", f"{key}={value}")]
    return Step(f"{name}-train", ["train", "--recipe", recipe, "--manifest", manifest, "--out", folder, *changes])


def evaluate_step(work: Path, name: str, model: Path, manifest: Path, *options: str) -> Step:
    """An evaluation of all cards of the manifest; the predictions are written to `name`.csv in the work folder."""
    predictions: list[str | Path] = ["--predictions", work / f"{name}.csv"]
    return Step(name, ["evaluate", "--model", model, "--manifest", manifest, "--split", "all", *predictions, *options])


def model_of(work: Path, name: str) -> Path:
    """Model file of the run `name`."""
    return work / name / MODEL
