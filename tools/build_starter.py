"""How the starter model is made: `python -m tools.build_starter --work DIR`, from nothing but simulated cards.

A sequence of the program's own commands, each in a process of its own. What a step has printed is kept in the work
folder; called again after a stop, what is done is not done again, and a run is gone on with where it was saved.
Last, the model and its card are put where the program looks for them.
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
from benchmarks.accuracy.real_fronts import FRONTS, manifest_of_fronts
from engine.cards.pairs import read_manifest, write_manifest
from engine.cards.stable_hash import lot
from engine.evaluation.intervals import COVERAGE
from engine.experiments.run_folder import holds_run
from engine.inference.model_card import Card, Measured, figure
from engine.inference.model_card import write as write_card
from engine.starter import MODEL
from engine.storage.atomic import aside
from evidence.cached_json import read, same_plan
from labeling.snapshot import pairs_from_manifest

MOST_BYTES = 34_000_000


@dataclass(frozen=True)
class Cards:
    """A set of simulated cards."""

    pairs: int
    seed: int
    mix: str = "uniform"
    noise: float = 0.0
    height: int = 1050

    def words(self) -> list[str]:
        """As `simulate` is told."""
        return [word for key, value in asdict(self).items() for word in (f"--{key}", str(value))]


@dataclass(frozen=True)
class Plan:
    """All that the starter is made from.

    training     what it learns from, and what its epoch is chosen by
    calibration  a seed that nothing is trained on: by its cards the model learns how sure it may be
    fresh        another such seed: on its cards it is measured
    coarse       the same cards in pictures too small to measure wear on
    """

    training: Cards = Cards(pairs=2400, seed=301)
    calibration: Cards = Cards(pairs=400, seed=302)
    fresh: Cards = Cards(pairs=300, seed=790)
    coarse: Cards = Cards(pairs=300, seed=790, height=400)
    recipe: str = "loupe"
    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "back_encoder": "resnet18",
            "image_size": 160,
            "phase2_epochs": 16,
            "precision": "bf16",
        }
    )

    def sets(self) -> dict[str, Cards]:
        """The cards by the folder that they are drawn into."""
        names = ("training", "calibration", "fresh", "coarse")
        return {name: getattr(self, name) for name in names}


LEARNED_FROM = "simulated cards"
REAL_WORDS = "small pictures of slabbed fronts (150 x 200 pixels)"
LICENCE = (
    "MIT: every picture was drawn by engine/simulate of this repository, in the fonts that come with matplotlib; the "
    "weights started from random numbers"
)
# Of each grade, from what is told of where the pictures lie; without them nothing is said of real cards.
REAL_FRONTS = 30
LIMITS = [
    "It knows the wear, the designs and the cameras that engine/simulate draws, and no others.",
    "Its probabilities are those of a deck in which every grade is as frequent.",
    "It was trained once, with one seed: how much another training would differ is not known.",
]


@dataclass(frozen=True)
class Step:
    """One command, and the file in the work folder that its JSON goes to."""

    name: str
    words: Sequence[str | Path]


class CannotMake(SystemExit):
    """The starter cannot be made this way; the message, which ends the program, says why."""


def steps(plan: Plan, work: Path) -> list[Step]:
    """The commands after the cards are drawn, in order; each may use what those before have written."""
    run, whole, model, fresh = work / "starter", work / "whole.pt", work / "model.pt", work / "fresh" / "labels.csv"
    settings = [word for key, value in plan.settings.items() for word in ("--set", f"{key}={value}")]
    told = ["--recipe", plan.recipe, "--manifest", work / "training.csv", "--out", run, *settings]
    held_out = ["--manifest", work / "calibration" / "labels.csv", "--split", "all"]
    return [
        Step("train", ["train", "--resume", run] if holds_run(run) else ["train", *told]),
        Step("calibrate", ["calibrate", "--model", run / "model.pt", "--out", whole, *held_out]),
        Step("export", ["export", "model", "--bits", "8", "--model", whole, "--out", model, "--manifest", fresh]),
        Step("evaluate", [*_judged(model, fresh), "--predictions", work / "fresh.csv"]),
        Step("fronts", _judged(model, work / "fronts.csv")),
        Step("small", _judged(model, work / "coarse" / "labels.csv")),
        *([Step("real", _judged(model, work / "real.csv"))] if (work / "real.csv").is_file() else []),
    ]


def _judged(model: Path, manifest: Path) -> list[str | Path]:
    return ["evaluate", "--model", model, "--manifest", manifest, "--split", "all"]


def make(plan: Plan, work: Path, out: Path) -> Card:
    """Make the starter, or go on making it; writes model.pt and its card into `out`. Raises CannotMake."""
    if str(plan.settings.get("pretrained", "none")) != "none":
        raise CannotMake("the starter learns from simulated cards alone; leave pretrained away")
    work.mkdir(parents=True, exist_ok=True)
    same_plan(asdict(plan), work / "plan.json")
    for name, cards in plan.sets().items():
        _done(work, Step(name, ["simulate", *cards.words(), "--out", work / name]))
    _once(work / "training.csv", lambda path: _without_test(work / "training" / "labels.csv", path))
    _once(work / "fronts.csv", lambda path: _fronts(work / "fresh" / "labels.csv", path))
    if FRONTS.is_dir():
        _once(work / "real.csv", _real_fronts)
    said = {step.name: _done(work, step) for step in steps(plan, work)}
    size = said["export"]["bytes"]
    if size > MOST_BYTES:
        raise CannotMake(f"the model takes {size:,} bytes, more than {MOST_BYTES:,}; choose smaller encoders")
    card = _card(plan, work, said)
    out.mkdir(parents=True, exist_ok=True)
    with aside(out / "model.pt") as part:
        shutil.copyfile(work / "model.pt", part)
    write_card(out, card)
    return card


def _done(work: Path, step: Step) -> dict[str, Any]:
    """What the step's command printed, now or before."""
    kept = work / f"{step.name}.json"
    if not kept.is_file():
        # `simulate` draws into its folder and knows no data folder.
        data = [] if step.words[0] == "simulate" else ["--data", work / "data"]
        words = [str(word) for word in (*step.words, *data, "--json", kept.with_suffix(".part"))]
        print(shlex.join(["launch.py", *words]), flush=True)
        subprocess.run([sys.executable, str(PROGRAM / "launch.py"), *words], check=True)
        said = read(kept.with_suffix(".part"))
        if "stopped" in said:
            raise CannotMake(f"{step.name} was stopped; the same command goes on with it")
        kept.with_suffix(".part").replace(kept)
    return read(kept)


def _once(path: Path, write: Callable[[Path], None]) -> None:
    if not path.is_file():
        with aside(path) as part:
            write(part)


def _without_test(labels: Path, path: Path) -> None:
    """The program's own split, its test cards given to training: the fresh cards are the test."""
    pairs = pairs_from_manifest(labels).pairs
    write_manifest(path, [replace(pair, split="train") if pair.split == "test" else pair for pair in pairs])


def _fronts(labels: Path, path: Path) -> None:
    write_manifest(path, [replace(pair, back=None) for pair in read_manifest(labels).pairs])


def _real_fronts(path: Path) -> None:
    """The same few of each grade every time."""
    manifest_of_fronts(path)
    ordered = sorted(read_manifest(path).pairs, key=lambda pair: (pair.grade or 0, lot(pair.card_id, 0)))
    grades = groupby(ordered, lambda pair: pair.grade)
    write_manifest(path, [pair for _, of_grade in grades for pair in islice(of_grade, REAL_FRONTS)])


def _card(plan: Plan, work: Path, said: dict[str, dict[str, Any]]) -> Card:
    trained, fresh = said["train"], plan.fresh
    words = "pairs drawn by simulate --mix {0.mix} --noise {0.noise:g} --seed {0.seed}"
    return Card(
        sha256=said["export"]["sha256"],
        learned_from=LEARNED_FROM,
        data=[
            f"To learn from, and to choose the epoch by: {plan.training.pairs} {words.format(plan.training)}; "
            f"{trained['n']} of them chose the epoch.",
            f"To learn how sure it may be: {plan.calibration.pairs} {words.format(plan.calibration)}.",
            f"To be measured on: {fresh.pairs} {words.format(fresh)}, a seed that nothing was trained on.",
        ],
        recipe=plan.recipe,
        changes=plan.settings,
        commands=["python -m tools.build_starter --work DIR"],
        measured=[
            Measured(
                on=f"{said['evaluate']['n']} fresh simulated cards, front and back", figures=_figures(said["evaluate"])
            ),
            Measured(on="the fronts of the same cards alone", figures=_figures(said["fronts"])),
            Measured(
                on=f"the same cards {plan.coarse.height} pixels high, too few to measure wear on",
                figures=_figures(said["small"]),
            ),
            *([Measured(on=f"real fronts: {REAL_WORDS}", figures=_figures(said["real"]))] if "real" in said else []),
            Measured(on="the simulated cards that chose the epoch, which flatters", figures=_figures(trained)),
        ],
        agreement=said["export"]["agreement"],
        licence=LICENCE,
        limits=limits(said),
    )


def limits(said: dict[str, dict[str, Any]]) -> list[str]:
    """What the model does not know, from what `evaluate` said of it, by step."""
    tens = f"How well it tells a 10 from a 9: {figure(said['evaluate'], 'auc_9_10')}, where 0.5 is chance."
    return [_of_real_cards(said), *LIMITS, tens, _of_ranges(said)]


def _of_real_cards(said: dict[str, dict[str, Any]]) -> str:
    unknown = "No real card was shown to it, and how well it grades good pictures of real cards has not been measured"
    if "real" not in said:
        return f"{unknown}."
    return f"{unknown}; on {said['real']['n']} {REAL_WORDS} it reaches {figure(said['real'], 'qwk')}."


def _of_ranges(said: dict[str, dict[str, Any]]) -> str:
    """What its ranges come to on cards unlike those that they were learned on."""

    def held(step: str) -> str:
        low, high = said[step]["coverage_low"], said[step]["coverage_high"]
        return f"{said[step]['coverage']:.0%}" + ("" if low is None else f" ({low:.0%} to {high:.0%})")

    on = {"fronts": "where the back was missing", "small": "in pictures too small to measure wear on"}
    others = [f"of {held(step)} {words}" for step, words in on.items()]
    if "real" in said:
        others.append(f"of {held('real')} of those small real fronts")
    return (
        f"Its ranges are to hold {how_often(COVERAGE)} and were learned on whole cards in pictures that show wear. "
        f"They held the true grade of {held('evaluate')} of such cards, {', '.join(others[:-1])} and {others[-1]}."
    )


def _figures(said: dict[str, Any]) -> dict[str, Any]:
    """Without the paths of the machine that made it, and without openings: its cards hold no sealed test."""
    return {key: value for key, value in said.items() if not isinstance(value, str) and key != "test_openings"}


def main() -> None:
    """Make the starter by the plan above."""
    parser = argparse.ArgumentParser(prog="python -m tools.build_starter", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="pictures, the run and what each step said")
    parser.add_argument("--out", type=Path, default=MODEL.parent, help="where model.pt and card.json go")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    card = make(Plan(), chosen.work.absolute(), chosen.out.absolute())
    print(card.in_short())


if __name__ == "__main__":
    main()
