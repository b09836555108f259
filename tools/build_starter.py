"""Build the starter model from simulated cards: `python -m tools.build_starter --work DIR`.

Runs a sequence of Loupe commands, each in a separate process, and stores the JSON of each step in the work folder. If
called again after an interruption, finished steps are skipped and the training run is resumed. Finally the model and
its card are copied to `engine/starter`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from app.grading.calibration_report import how_often
from app.settings import PROGRAM
from benchmarks.accuracy.real_fronts import FRONTS, write_fronts_manifest
from engine.cards.folds import hash_order
from engine.cards.pairs import read_manifest, write_manifest
from engine.evaluation.conformal import COVERAGE
from engine.experiments.run_folder import holds_run
from engine.inference.model_card import EvaluationResult, ModelCard, format_metric
from engine.inference.model_card import write as write_card
from engine.starter import MODEL
from engine.storage.atomic import atomic_write
from evidence.cached_json import read_json, require_same_plan
from labeling.snapshot import pairs_from_manifest

MAX_MODEL_BYTES = 34_000_000


@dataclass(frozen=True)
class CardSet:
    """A set of simulated cards."""

    pairs: int
    seed: int
    mix: str = "uniform"
    noise: float = 0.0
    height: int = 1050

    def arguments(self) -> list[str]:
        """Command-line options for `simulate`."""
        return [argument for key, value in asdict(self).items() for argument in (f"--{key}", str(value))]


@dataclass(frozen=True)
class StarterPlan:
    """Datasets, recipe and settings of the starter.

    training     training and validation cards
    calibration  calibration cards, with a seed not used for training
    fresh        test cards, with another seed not used for training
    coarse       the test cards in pictures too small to measure wear
    """

    training: CardSet = CardSet(pairs=2400, seed=301)
    calibration: CardSet = CardSet(pairs=400, seed=302)
    fresh: CardSet = CardSet(pairs=300, seed=790)
    coarse: CardSet = CardSet(pairs=300, seed=790, height=400)
    recipe: str = "loupe"
    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "back_encoder": "resnet18",
            "image_size": 160,
            "phase2_epochs": 16,
            "precision": "bf16",
        }
    )

    def card_sets(self) -> dict[str, CardSet]:
        """Card sets by the name of their folder."""
        names = ("training", "calibration", "fresh", "coarse")
        return {name: getattr(self, name) for name in names}


TRAINED_ON = "simulated cards"
REAL_PICTURES = "small pictures of slabbed fronts (150 x 200 pixels)"
LICENSE = (
    "MIT: every picture was drawn by engine/simulate of this repository, in the fonts that come with matplotlib; the "
    "weights were initialized at random"
)
MAX_REAL_FRONTS_PER_GRADE = 30
LIMITS = [
    "It was trained only on the wear, the card designs and the cameras of the simulator.",
    "Its probabilities assume that all grades are equally frequent.",
    "It was trained once, with one seed; how much another training run would differ is unknown.",
]


@dataclass(frozen=True)
class Step:
    """A command; its JSON is written to `name`.json in the work folder."""

    name: str
    arguments: Sequence[str | Path]


class CannotBuild(SystemExit):
    """The starter cannot be built; the message gives the reason and ends the program."""


def steps(plan: StarterPlan, work: Path) -> list[Step]:
    """Commands after the simulation, in order; each may use the files of the earlier ones."""
    run_folder, fresh = work / "starter", work / "fresh" / "labels.csv"
    unquantized, model = work / "whole.pt", work / "model.pt"
    settings = [argument for key, value in plan.settings.items() for argument in ("--set", f"{key}={value}")]
    new_run = ["--recipe", plan.recipe, "--manifest", work / "training.csv", "--out", run_folder, *settings]
    calibration_cards = ["--manifest", work / "calibration" / "labels.csv", "--split", "all"]
    export = ["export", "model", "--bits", "8", "--model", unquantized, "--out", model, "--manifest", fresh]
    return [
        Step("train", ["train", "--resume", run_folder] if holds_run(run_folder) else ["train", *new_run]),
        Step(
            "calibrate",
            ["calibrate", "--model", run_folder / "model.pt", "--out", unquantized, *calibration_cards],
        ),
        Step("export", export),
        Step("evaluate", [*_evaluate_arguments(model, fresh), "--predictions", work / "fresh.csv"]),
        Step("fronts", _evaluate_arguments(model, work / "fronts.csv")),
        Step("small", _evaluate_arguments(model, work / "coarse" / "labels.csv")),
        *([Step("real", _evaluate_arguments(model, work / "real.csv"))] if (work / "real.csv").is_file() else []),
    ]


def _evaluate_arguments(model: Path, manifest: Path) -> list[str | Path]:
    return ["evaluate", "--model", model, "--manifest", manifest, "--split", "all"]


def build(plan: StarterPlan, work: Path, out: Path) -> ModelCard:
    """Build the starter, or resume building it; writes model.pt and card.json to `out`. Raises CannotBuild."""
    if str(plan.settings.get("pretrained", "none")) != "none":
        raise CannotBuild("the starter is trained on simulated cards alone; remove the setting pretrained")
    work.mkdir(parents=True, exist_ok=True)
    require_same_plan(asdict(plan), work / "plan.json")
    for name, cards in plan.card_sets().items():
        _run_step(work, Step(name, ["simulate", *cards.arguments(), "--out", work / name]))
    _write_once(work / "training.csv", lambda path: _without_test(work / "training" / "labels.csv", path))
    _write_once(work / "fronts.csv", lambda path: _fronts(work / "fresh" / "labels.csv", path))
    if FRONTS.is_dir():
        _write_once(work / "real.csv", _real_fronts)
    results = {step.name: _run_step(work, step) for step in steps(plan, work)}
    size = results["export"]["bytes"]
    if size > MAX_MODEL_BYTES:
        raise CannotBuild(f"the model takes {size:,} bytes, more than {MAX_MODEL_BYTES:,}; choose smaller encoders")
    card = _model_card(plan, results)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "model.pt") as part:
        shutil.copyfile(work / "model.pt", part)
    write_card(out, card)
    return card


def _run_step(work: Path, step: Step) -> dict[str, Any]:
    """Run the step, unless it is finished, and return its JSON."""
    path = work / f"{step.name}.json"
    part = path.with_suffix(".part")
    if not path.is_file():
        # `simulate` has no option --data.
        data = [] if step.arguments[0] == "simulate" else ["--data", work / "data"]
        arguments = [str(argument) for argument in (*step.arguments, *data, "--json", part)]
        print(shlex.join(["launch.py", *arguments]), flush=True)
        subprocess.run([sys.executable, str(PROGRAM / "launch.py"), *arguments], check=True)
        if "stopped" in read_json(part):
            raise CannotBuild(f"{step.name} was stopped; run the same command again to resume it")
        part.replace(path)
    return read_json(path)


def _write_once(path: Path, write: Callable[[Path], None]) -> None:
    if not path.is_file():
        with atomic_write(path) as part:
            write(part)


def _without_test(labels: Path, path: Path) -> None:
    """Assign the test cards of the default split to training: the fresh cards are the test set."""
    pairs = pairs_from_manifest(labels).pairs
    write_manifest(path, [replace(pair, split="train") if pair.split == "test" else pair for pair in pairs])


def _fronts(labels: Path, path: Path) -> None:
    write_manifest(path, [replace(pair, back=None) for pair in read_manifest(labels).pairs])


def _real_fronts(path: Path) -> None:
    """Write a reproducible subset of the real fronts, stratified by grade."""
    write_fronts_manifest(path)
    pairs = sorted(read_manifest(path).pairs, key=lambda pair: (pair.grade or 0, hash_order(pair.card_id, 0)))
    by_grade = groupby(pairs, lambda pair: pair.grade)
    write_manifest(path, [pair for _, group in by_grade for pair in islice(group, MAX_REAL_FRONTS_PER_GRADE)])


def _model_card(plan: StarterPlan, results: dict[str, dict[str, Any]]) -> ModelCard:
    validation, fresh = results["train"], plan.fresh
    source = "pairs drawn by simulate --mix {0.mix} --noise {0.noise:g} --seed {0.seed}"
    return ModelCard(
        sha256=results["export"]["sha256"],
        learned_from=TRAINED_ON,
        data=[
            f"Training and validation: {plan.training.pairs} {source.format(plan.training)}; "
            f"{validation['n']} of them for validation.",
            f"Calibration: {plan.calibration.pairs} {source.format(plan.calibration)}.",
            f"Test: {fresh.pairs} {source.format(fresh)}, a seed not used for training.",
        ],
        recipe=plan.recipe,
        changes=plan.settings,
        commands=["python -m tools.build_starter --work DIR"],
        measured=[
            EvaluationResult(
                on=f"{results['evaluate']['n']} fresh simulated cards, front and back",
                figures=_metrics(results["evaluate"]),
            ),
            EvaluationResult(on="the fronts of the same cards", figures=_metrics(results["fronts"])),
            EvaluationResult(
                on=f"the same cards {plan.coarse.height} pixels high, too small to measure wear",
                figures=_metrics(results["small"]),
            ),
            *(
                [EvaluationResult(on=f"real fronts: {REAL_PICTURES}", figures=_metrics(results["real"]))]
                if "real" in results
                else []
            ),
            EvaluationResult(
                on="the validation cards (optimistic: they chose the epoch)", figures=_metrics(validation)
            ),
        ],
        agreement=results["export"]["agreement"],
        licence=LICENSE,
        limits=limits(results),
    )


def limits(results: dict[str, dict[str, Any]]) -> list[str]:
    """Limits of the model, from the results of the `evaluate` steps by name."""
    tens = f"Separating 10s from 9s: {format_metric(results['evaluate'], 'auc_9_10')}, where 0.5 is chance."
    return [_real_cards_limit(results), *LIMITS, tens, _coverage_limit(results)]


def _real_cards_limit(results: dict[str, dict[str, Any]]) -> str:
    unknown = "How well it grades real cards in good pictures has not been measured"
    if "real" not in results:
        return f"{unknown}."
    return f"{unknown}; on {results['real']['n']} {REAL_PICTURES}: {format_metric(results['real'], 'qwk')}."


def _coverage_limit(results: dict[str, dict[str, Any]]) -> str:
    def coverage(step: str) -> str:
        low, high = results[step]["coverage_low"], results[step]["coverage_high"]
        return f"{results[step]['coverage']:.0%}" + ("" if low is None else f" ({low:.0%} to {high:.0%})")

    conditions = {"fronts": "without the back", "small": "in pictures too small to measure wear"}
    coverages = [f"of {coverage(step)} {condition}" for step, condition in conditions.items()]
    if "real" in results:
        coverages.append(f"of {coverage('real')} of the small real fronts")
    return (
        f"Its ranges are calibrated to contain the true grade {how_often(COVERAGE)}, on cards with both sides in "
        f"pictures that show wear. They contained the true grade of {coverage('evaluate')} of such cards, "
        f"{', '.join(coverages[:-1])} and {coverages[-1]}."
    )


def _metrics(result: dict[str, Any]) -> dict[str, Any]:
    """Drop the paths of this machine, and the test openings: no card of these sets is from a sealed test."""
    return {key: value for key, value in result.items() if not isinstance(value, str) and key != "test_openings"}


def main() -> None:
    """Build the starter with the default plan."""
    parser = argparse.ArgumentParser(prog="python -m tools.build_starter", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the pictures, the run and the results")
    parser.add_argument("--out", type=Path, default=MODEL.parent, help="folder for model.pt and card.json")
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    card = build(StarterPlan(), options.work.absolute(), options.out.absolute())
    print(card.summary())


if __name__ == "__main__":
    main()
