"""Experiment plans: the hypothesis and success criteria of a run, and the verdict on them. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.config import current_names
from engine.events import EpochDone
from engine.experiments.lineage import Changes
from engine.experiments.run_folder import holds_run
from engine.storage.atomic import write_text
from engine.storage.jsonl import JsonLinesFile
from engine.thresholds import MetricCondition

PLAN = "ledger.json"  # the plan and its verdict
EPOCHS = "epochs.jsonl"  # the metrics of each epoch; if an epoch has two lines, the later one is valid


@dataclass(frozen=True)
class ExperimentPlan:
    """Plan of a run, declared before it starts.

    parent      the baseline: a recipe's name, "run 3", or a run folder
    changes     settings that differ from the parent's: key -> (parent's value, own value)
    bundle      reason for several changes at once, if there are several
    hypothesis  expected effect of the changes
    expect      conditions that must be met if the hypothesis is right
    fail        conditions that make the run a failure
    """

    parent: str = ""
    changes: Changes = field(default_factory=dict)
    bundle: str = ""
    hypothesis: str = ""
    expect: tuple[MetricCondition, ...] = ()
    fail: tuple[MetricCondition, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Convert to plain values; `from_json` returns the same plan."""
        return {
            "parent": self.parent,
            "changes": {key: list(pair) for key, pair in self.changes.items()},
            "bundle": self.bundle,
            "hypothesis": self.hypothesis,
            "expect": [str(condition) for condition in self.expect],
            "fail": [str(condition) for condition in self.fail],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ExperimentPlan:
        """Build a plan from the values of `as_json`, written by this or an earlier version."""
        return cls(
            parent=values["parent"],
            changes={key: (parent, value) for key, (parent, value) in current_names(values["changes"]).items()},
            bundle=values["bundle"],
            hypothesis=values["hypothesis"],
            expect=tuple(map(MetricCondition.parse, values["expect"])),
            fail=tuple(map(MetricCondition.parse, values["fail"])),
        )


Outcome = Literal["failed", "as expected", "not as expected", "not failed", "open", "no criteria"]


@dataclass(frozen=True)
class Check:
    """Result of one condition: the metric's value and the truth of the condition; None if its epoch was not reached."""

    condition: MetricCondition
    value: float | None
    holds: bool | None


@dataclass(frozen=True)
class Verdict:
    """Result of a plan: the outcome, and the result of each condition."""

    outcome: Outcome
    expect: tuple[Check, ...]
    fail: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        """Convert to plain values."""
        checks_by_kind = {"expect": self.expect, "fail": self.fail}
        return {"word": self.outcome} | {
            kind: [{"threshold": str(check.condition), "value": check.value, "holds": check.holds} for check in checks]
            for kind, checks in checks_by_kind.items()
        }


def judge(plan: ExperimentPlan, epochs: Mapping[int, Mapping[str, Any]], saved: Mapping[str, Any] | None) -> Verdict:
    """Evaluate the conditions of a plan.

    epochs  metrics of each epoch, with `val_loss`, by epoch number
    saved   metrics of the saved epoch, None if the run has not ended

    The outcome is "failed" if a failure condition is met; else "not as expected" if an expectation is not met; else
    "open" if a condition cannot be evaluated yet.
    """

    def check(condition: MetricCondition) -> Check:
        metrics = (saved if condition.epoch is None else epochs.get(condition.epoch)) or {}
        return Check(condition, metrics.get(condition.metric), condition.holds(metrics))

    expect, fail = tuple(map(check, plan.expect)), tuple(map(check, plan.fail))
    if any(result.holds for result in fail):
        outcome: Outcome = "failed"
    elif any(result.holds is False for result in expect):
        outcome = "not as expected"
    elif any(result.holds is None for result in (*expect, *fail)):
        outcome = "open"
    else:
        outcome = "as expected" if expect else "not failed" if fail else "no criteria"
    return Verdict(outcome, expect, fail)


def write_plan(folder: Path, plan: ExperimentPlan) -> None:
    """Write a plan into a run folder before the run; the plan of a run that was already started is not replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (holds_run(folder) and (folder / PLAN).exists()):
        _write(folder / PLAN, plan.as_json())


def read_plan(folder: Path) -> ExperimentPlan | None:
    """Plan in a run folder, None if there is none."""
    if not (folder / PLAN).exists():
        return None
    return ExperimentPlan.from_json(json.loads((folder / PLAN).read_text(encoding="utf-8")))


def record_epoch(folder: Path, done: EpochDone) -> None:
    """Append the metrics of an epoch to the run folder and update the verdict; a repeated epoch overrides its first."""
    scalars = {name: value for name, value in done.all_metrics.items() if not isinstance(value, list)}
    JsonLinesFile(folder / EPOCHS).append([{"epoch": done.epoch, "train_loss": done.train_loss, **scalars}])
    # A run that ends early, by a stop_if rule or a kill, has a verdict on the epochs it completed.
    write_verdict(folder, None)


def read_epochs(folder: Path) -> dict[int, dict[str, Any]]:
    """Metrics of a run's epochs by epoch number; truncated lines are skipped, since their epoch is repeated."""
    return {metrics["epoch"]: metrics for metrics in JsonLinesFile(folder / EPOCHS).read()}


def write_verdict(folder: Path, summary: Mapping[str, Any] | None) -> dict[str, Any]:
    """Evaluate the plan of a run, add the verdict to its file and return {"verdict": ...}; {} if there is no plan.

    summary  metrics of the saved epoch, None before the run has finished
    """
    plan = read_plan(folder)
    if plan is None:
        return {}
    verdict = judge(plan, read_epochs(folder), summary).as_json()
    _write(folder / PLAN, {**plan.as_json(), "verdict": verdict})
    return {"verdict": verdict}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
