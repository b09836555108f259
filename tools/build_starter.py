"""Build the starter model: `python -m tools.build_starter --work DIR`.

It is trained on real and simulated cards (`tools.real_cards`), with --simulated-only on simulated cards alone. Runs a
sequence of Loupe commands, each in a separate process, and stores the JSON of each step in the work folder. If called
again after an interruption, finished steps are skipped and the training runs are resumed. Finally the model and its
card are copied to `engine/starter`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from app.models.calibration_report import how_often
from benchmarks.accuracy.real_fronts import FRONTS, write_fronts_manifest
from engine.cards.folds import hash_order
from engine.cards.pairs import read_manifest, write_manifest
from engine.evaluation.conformal import COVERAGE
from engine.inference.model_card import EvaluationResult, ModelCard, format_metric
from engine.inference.model_card import write as write_card
from engine.starter import MODEL
from engine.storage.atomic import atomic_write
from evidence.cached_json import require_same_plan
from evidence.real_sources import require_real_pictures
from labeling.snapshot import pairs_from_manifest
from tools.build_steps import CannotBuild, Step, evaluate_step, model_of, run_step, train_step
from tools.real_cards import RealTraining, calibrated_model, train_on_real_cards

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
    fresh        test cards, with another seed not used for training
    coarse       the test cards in pictures too small to measure wear
    calibration  calibration cards of a model of simulated cards alone, with a seed not used for training
    real         sizes and settings of the runs on real cards; None trains on simulated cards alone
    jobs         runs at once
    """

    training: CardSet = CardSet(pairs=300, seed=301, height=700)
    fresh: CardSet = CardSet(pairs=150, seed=790)
    coarse: CardSet = CardSet(pairs=150, seed=790, height=400)
    calibration: CardSet | None = None
    recipe: str = "photographs"
    settings: dict[str, Any] = field(default_factory=dict)
    real: RealTraining | None = field(default_factory=RealTraining)
    jobs: int = 2

    def card_sets(self) -> dict[str, CardSet]:
        """Card sets by the name of their folder."""
        sets = {"training": self.training, "calibration": self.calibration, "fresh": self.fresh, "coarse": self.coarse}
        return {name: cards for name, cards in sets.items() if cards is not None}


SIMULATED_ONLY = StarterPlan(
    training=CardSet(pairs=2400, seed=301),
    fresh=CardSet(pairs=300, seed=790),
    coarse=CardSet(pairs=300, seed=790, height=400),
    calibration=CardSet(pairs=400, seed=302),
    recipe="loupe",
    settings={"back_encoder": "resnet18", "image_size": 160, "phase2_epochs": 16, "precision": "bf16"},
    real=None,
)


TRAINED_ON = "simulated cards"
TRAINED_ON_REAL = "296 Pokemon cards in slabs and simulated cards"
THUMBNAILS = "small pictures of slabbed fronts (150 x 200 pixels)"
LICENSE = (
    "MIT: every picture was drawn by engine/simulate of this repository, in the fonts that come with matplotlib; the "
    "weights were initialized at random"
)
REAL_LICENSE = (
    "The real pictures are public pictures of graded cards, sold or listed online, without a stated license; none is "
    "included. The simulated ones were drawn by engine/simulate (MIT). The initial weights are those of "
    "EfficientNet-Lite for ImageNet (Apache-2.0)."
)
MAX_REAL_FRONTS_PER_GRADE = 30
LIMITS = [
    "It was trained only on the wear, the card designs and the cameras of the simulator.",
    "Its probabilities assume that all grades are equally frequent.",
    "It was trained once, with one seed; how much another training run would differ is unknown.",
]
DATASETS = [
    "Training: 296 real Pokemon cards, front and back, 25 to 33 of each grade, photographed in their slabs, from the "
    "public set Pokemon-Grading-2026.",
    "Calibration: the 256 of the real cards that are not sealed, each predicted by a model trained without it; 250 "
    "small fronts of PSA-graded Pokemon cards (about 298 x 400 pixels, from listings); 250 thumbnails of baseball "
    "cards (150 x 200 pixels) from the public set PSA-Grades-Baseball, without the label.",
    "Exchanged sides are recognized by the mean colors of card backs (engine/detection/back_designs.npy), taken from "
    "the backs of the same 296 cards.",
]
REAL_LIMITS = [
    "No raw card photographed on a table or in the hand, no scan and no other game was among its real cards: for these "
    "its range may miss the grade more often.",
    "Its probabilities assume that all grades are equally frequent.",
    "It was trained once, with one seed; how much another training run would differ is unknown.",
]


def build(plan: StarterPlan, work: Path, out: Path) -> ModelCard:
    """Build the starter, or resume building it; writes model.pt and card.json to `out`. Raises CannotBuild."""
    if plan.real is None and str(plan.settings.get("pretrained", "none")) != "none":
        raise CannotBuild("this starter is trained on simulated cards alone; remove the setting pretrained")
    if plan.real is not None:
        require_real_pictures()
    work.mkdir(parents=True, exist_ok=True)
    require_same_plan(asdict(plan), work / "plan.json")
    for name, cards in plan.card_sets().items():
        run_step(work, Step(name, ["simulate", *cards.arguments(), "--out", work / name]))
    results = _train_on_simulated(plan, work) if plan.real is None else _train_on_real(plan, plan.real, work)
    fresh = work / "fresh" / "labels.csv"
    _write_once(work / "fronts.csv", lambda path: _fronts(fresh, path))
    export: list[str | Path] = ["export", "model", "--bits", "8"]
    export += ["--model", work / "whole.pt", "--out", work / "model.pt", "--manifest", fresh]
    evaluations = {"evaluate": fresh, "fronts": work / "fronts.csv", "small": work / "coarse" / "labels.csv"}
    if plan.real is None and FRONTS.is_dir():
        _write_once(work / "real.csv", _real_fronts)
        evaluations["real"] = work / "real.csv"
    steps = [
        Step("export", export),
        *(evaluate_step(work, name, work / "model.pt", manifest) for name, manifest in evaluations.items()),
    ]
    results |= {step.name: run_step(work, step) for step in steps}
    size = results["export"]["bytes"]
    if size > MAX_MODEL_BYTES:
        raise CannotBuild(f"the model takes {size:,} bytes, more than {MAX_MODEL_BYTES:,}; choose smaller encoders")
    card = _model_card(plan, results)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "model.pt") as part:
        shutil.copyfile(work / "model.pt", part)
    write_card(out, card)
    return card


def _train_on_simulated(plan: StarterPlan, work: Path) -> dict[str, Any]:
    """Train and calibrate on simulated cards; writes whole.pt."""
    manifest = work / "training.csv"
    _write_once(manifest, lambda path: _without_test(work / "training" / "labels.csv", path))
    train = run_step(work, train_step(work, "starter", plan.recipe, manifest, plan.settings))
    calibrate: list[str | Path] = ["calibrate", "--model", model_of(work, "starter"), "--out", work / "whole.pt"]
    calibrate += ["--manifest", work / "calibration" / "labels.csv", "--split", "all"]
    return {"train": train, "calibrate": run_step(work, Step("calibrate", calibrate))}


def _train_on_real(plan: StarterPlan, real: RealTraining, work: Path) -> dict[str, Any]:
    """Train on real and simulated cards and calibrate on predictions of real cards; writes whole.pt."""
    results = train_on_real_cards(real, plan.recipe, work / "training" / "labels.csv", work, plan.jobs)
    return {**results, "calibrations": calibrated_model(real, work, work / "whole.pt")}


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


def _model_card(plan: StarterPlan, results: dict[str, Any]) -> ModelCard:
    real = plan.real is not None
    return ModelCard(
        sha256=results["export"]["sha256"],
        learned_from=TRAINED_ON_REAL if real else TRAINED_ON,
        data=_datasets(plan, results),
        recipe=plan.recipe,
        changes=plan.settings,
        commands=["python -m tools.build_starter --work DIR" + ("" if real else " --simulated-only")],
        measured=[*(_on_real_cards(results) if real else ()), *_on_simulated_cards(plan, results)],
        agreement=results["export"]["agreement"],
        licence=REAL_LICENSE if real else LICENSE,
        limits=real_limits(results) if real else limits(results),
    )


def _datasets(plan: StarterPlan, results: dict[str, Any]) -> list[str]:
    source = "pairs drawn by simulate --mix {0.mix} --noise {0.noise:g} --seed {0.seed}"
    training = f"{plan.training.pairs} {source.format(plan.training)}"
    test = f"Test: {plan.fresh.pairs} {source.format(plan.fresh)}, a seed not used for training."
    if plan.calibration is None:
        simulated = 10 * plan.real.simulated_per_grade if plan.real else plan.training.pairs
        return [*DATASETS, f"Training: {simulated} of {training}.", test]
    return [
        f"Training and validation: {training}; {results['train']['n']} of them for validation.",
        f"Calibration: {plan.calibration.pairs} {source.format(plan.calibration)}.",
        test,
    ]


def _on_real_cards(results: dict[str, Any]) -> list[EvaluationResult]:
    def result(on: str, step: str) -> EvaluationResult:
        return EvaluationResult(on=on, figures=_metrics(results[step]))

    def out_of_fold(on: str, given: str) -> EvaluationResult:
        return EvaluationResult(on=on, figures=results["calibrations"][given])

    return [
        out_of_fold("256 real Pokemon cards, front and back, each by a model trained without it", "pair"),
        out_of_fold("the fronts of these cards alone", "front"),
        out_of_fold("the backs of these cards alone", "back"),
        result("the same cards, by a model trained on other sources of pictures only", "without-pairs"),
        result("small fronts of Pokemon cards, by a model trained on other sources only", "pairs-only-fronts"),
        result("thumbnails of baseball cards, by a model trained on other sources only", "pairs-only-thumbnails"),
    ]


def _on_simulated_cards(plan: StarterPlan, results: dict[str, Any]) -> list[EvaluationResult]:
    on = {
        "evaluate": f"{results['evaluate']['n']} fresh simulated cards, front and back",
        "fronts": "the fronts of these simulated cards" if plan.real else "the fronts of the same cards",
        "small": f"the same cards {plan.coarse.height} pixels high, too small to measure wear",
        "real": f"real fronts: {THUMBNAILS}",
        "train": "the validation cards (optimistic: they chose the epoch)",
    }
    return [EvaluationResult(on=on[step], figures=_metrics(results[step])) for step in on if step in results]


def limits(results: dict[str, Any]) -> list[str]:
    """Limits of a model of simulated cards, from the results of the `evaluate` steps by name."""
    return [_real_cards_limit(results), *LIMITS, _tens_limit(results["evaluate"]), _coverage_limit(results)]


def real_limits(results: dict[str, Any]) -> list[str]:
    """Limits of a model of real cards, from the results of the steps by name."""
    pair, elsewhere = results["calibrations"]["pair"], results["without-pairs"]
    return [
        f"On cards photographed like those it was trained on, {pair['exact']:.0%} of its grades are right and "
        f"{pair['within_one']:.0%} within one grade.",
        "On other photographs it is much worse: a model that had not seen this kind of picture got only "
        f"{elsewhere['within_one']:.0%} of these cards within one grade. Your photographs are another kind too.",
        f"Its range is meant to contain the true grade {how_often(COVERAGE)}; it did for {pair['coverage']:.0%} of "
        f"these cards, with a mean width of {pair['mean_width']:.1f} grades.",
        _tens_limit(pair),
        *REAL_LIMITS,
    ]


def _tens_limit(figures: dict[str, Any]) -> str:
    return f"Separating 10s from 9s: {format_metric(figures, 'auc_9_10')}, where 0.5 is chance."


def _real_cards_limit(results: dict[str, dict[str, Any]]) -> str:
    unknown = "How well it grades real cards in good pictures has not been measured"
    if "real" not in results:
        return f"{unknown}."
    return f"{unknown}; on {results['real']['n']} {THUMBNAILS}: {format_metric(results['real'], 'qwk')}."


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


def main(
    work: Annotated[Path, typer.Option(help="Folder for the pictures, the run and the results.")],
    out: Annotated[Path, typer.Option(help="Folder for model.pt and card.json.")] = MODEL.parent,
    simulated_only: Annotated[bool, typer.Option("--simulated-only", help="Train on simulated cards alone.")] = False,
) -> None:
    """Build the starter model and its card, and print the card."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    plan = SIMULATED_ONLY if simulated_only else StarterPlan()
    print(build(plan, work.absolute(), out.absolute()).summary())


if __name__ == "__main__":
    typer.run(main)
