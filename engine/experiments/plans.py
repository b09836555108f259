"""What was said of a run before it ran, kept in its folder, and the verdict that follows from it. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.events import EpochDone
from engine.experiments.lineage import Changes
from engine.experiments.run_folder import holds_run
from engine.storage.atomic import aside
from engine.storage.jsonl import Journal
from engine.thresholds import Threshold

PLAN = "ledger.json"  # what the run was to show, and whether it did
EPOCHS = "epochs.jsonl"  # each epoch's figures; of two lines on one epoch the later holds


@dataclass(frozen=True)
class Plan:
    """What was said of a run before it ran.

    parent      a recipe's name, "run 3", or a run's folder: what it is compared with
    changes     the settings that differ from the parent's: key -> (parent's, own)
    bundle      why several changes are made at once, where they are
    hypothesis  what the changes are thought to do
    expect      what should hold if that is so
    fail        what makes the run a failure, whatever else it shows
    """

    parent: str = ""
    changes: Changes = field(default_factory=dict)
    bundle: str = ""
    hypothesis: str = ""
    expect: tuple[Threshold, ...] = ()
    fail: tuple[Threshold, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives the same plan back."""
        return {
            "parent": self.parent,
            "changes": {key: list(pair) for key, pair in self.changes.items()},
            "bundle": self.bundle,
            "hypothesis": self.hypothesis,
            "expect": [str(threshold) for threshold in self.expect],
            "fail": [str(threshold) for threshold in self.fail],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Plan:
        """Read what `as_json` gave."""
        return cls(
            parent=values["parent"],
            changes={key: (before, own) for key, (before, own) in values["changes"].items()},
            bundle=values["bundle"],
            hypothesis=values["hypothesis"],
            expect=tuple(map(Threshold.parse, values["expect"])),
            fail=tuple(map(Threshold.parse, values["fail"])),
        )


Word = Literal["failed", "as expected", "not as expected", "not failed", "open", "nothing was expected"]


@dataclass(frozen=True)
class Check:
    """One threshold asked: the value that was found, None where its epoch was not reached, and whether it holds."""

    threshold: Threshold
    value: float | None
    holds: bool | None


@dataclass(frozen=True)
class Verdict:
    """A run against its plan."""

    word: Word
    expect: tuple[Check, ...]
    fail: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        asked = {"expect": self.expect, "fail": self.fail}
        return {"word": self.word} | {
            name: [{"threshold": str(one.threshold), "value": one.value, "holds": one.holds} for one in checks]
            for name, checks in asked.items()
        }


def judge(plan: Plan, epochs: Mapping[int, Mapping[str, Any]], saved: Mapping[str, Any] | None) -> Verdict:
    """Whether a run did what its plan said.

    epochs  by number, each epoch's figures with its `val_loss`
    saved   those of the saved epoch, None where the run has not ended

    One failure threshold that holds makes it "failed"; else one expectation that does not hold makes it "not as
    expected"; else one that could not be asked leaves it "open".
    """

    def check(threshold: Threshold) -> Check:
        figures = (saved if threshold.epoch is None else epochs.get(threshold.epoch)) or {}
        return Check(threshold, figures.get(threshold.metric), threshold.holds(figures))

    expect, fail = tuple(map(check, plan.expect)), tuple(map(check, plan.fail))
    if any(one.holds for one in fail):
        word: Word = "failed"
    elif any(one.holds is False for one in expect):
        word = "not as expected"
    elif any(one.holds is None for one in (*expect, *fail)):
        word = "open"
    else:
        word = "as expected" if expect else "not failed" if fail else "nothing was expected"
    return Verdict(word, expect, fail)


def record(folder: Path, plan: Plan) -> None:
    """Write a plan into a run's folder before the run; once a run was started there, what stands is kept as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (holds_run(folder) and (folder / PLAN).exists()):
        _write(folder / PLAN, plan.as_json())


def plan_of(folder: Path) -> Plan | None:
    """The plan in a run's folder, None where none was recorded."""
    if not (folder / PLAN).exists():
        return None
    return Plan.from_json(json.loads((folder / PLAN).read_text(encoding="utf-8")))


def note_epoch(folder: Path, done: EpochDone) -> None:
    """Add an epoch's figures to the run's folder and judge it so far; of an epoch told again the later counts."""
    scalars = {name: value for name, value in done.figures.items() if not isinstance(value, list)}
    Journal(folder / EPOCHS).add([{"epoch": done.epoch, "train_loss": done.train_loss, **scalars}])
    # A run that ends early, by its own rule or a kill, is judged as far as it came.
    settle(folder, None)


def epochs_of(folder: Path) -> dict[int, dict[str, Any]]:
    """The figures of a run's epochs, by number; a torn line is passed over, since its epoch is told again."""
    return {figures["epoch"]: figures for figures in Journal(folder / EPOCHS).lines()}


def settle(folder: Path, summary: Mapping[str, Any] | None) -> dict[str, Any]:
    """Judge a run, write the verdict beside its plan, and give it as {"verdict": ...}; {} where nothing was planned.

    summary  the figures of the saved epoch, None while the run goes on
    """
    plan = plan_of(folder)
    if plan is None:
        return {}
    verdict = judge(plan, epochs_of(folder), summary).as_json()
    _write(folder / PLAN, {**plan.as_json(), "verdict": verdict})
    return {"verdict": verdict}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    with aside(path) as part:
        part.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
