"""Experiment plans: the hypothesis and success criteria of a run, and the verdict on them. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from engine.config import current_names
from engine.events import EpochDone
from engine.experiments.lineage import Changes
from engine.experiments.run_folder import holds_run
from engine.storage.atomic import write_text
from engine.storage.jsonl import JsonLinesFile
from engine.thresholds import MetricCondition

PLAN = "ledger.json"  # the plan and its verdict
EPOCHS = "epochs.jsonl"  # the metrics of each epoch; if an epoch has two lines, the later one is valid


def _parsed(condition: Any) -> Any:
    return MetricCondition.parse(condition) if isinstance(condition, str) else condition


# Written as text, such as qwk>=0.74@27.
Condition = Annotated[MetricCondition, BeforeValidator(_parsed), PlainSerializer(str)]


class ExperimentPlan(BaseModel):
    """Plan of a run, declared before it starts.

    parent      the baseline: a recipe's name, "run 3", or a run folder
    changes     settings that differ from the parent's: key -> (parent's value, own value)
    bundle      reason for several changes at once, if there are several
    hypothesis  expected effect of the changes
    expect      conditions that must be met if the hypothesis is right
    fail        conditions that make the run a failure
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    parent: str = ""
    changes: Annotated[Changes, BeforeValidator(current_names)] = {}
    bundle: str = ""
    hypothesis: str = ""
    expect: tuple[Condition, ...] = ()
    fail: tuple[Condition, ...] = ()


Outcome = Literal["failed", "as expected", "not as expected", "not failed", "open", "no criteria"]


class Check(BaseModel):
    """Result of one condition: the metric's value and the truth of the condition; None if its epoch was not reached."""

    condition: Condition = Field(serialization_alias="threshold")
    value: float | None
    holds: bool | None


class Verdict(BaseModel):
    """Result of a plan: the outcome, and the result of each condition."""

    outcome: Outcome = Field(serialization_alias="word")
    expect: tuple[Check, ...]
    fail: tuple[Check, ...]


def judge(plan: ExperimentPlan, epochs: Mapping[int, Mapping[str, Any]], saved: Mapping[str, Any] | None) -> Verdict:
    """Evaluate the conditions of a plan.

    epochs  metrics of each epoch, with `val_loss`, by epoch number
    saved   metrics of the saved epoch, None if the run has not ended

    The outcome is "failed" if a failure condition is met; else "not as expected" if an expectation is not met; else
    "open" if a condition cannot be evaluated yet.
    """

    def check(condition: MetricCondition) -> Check:
        metrics = (saved if condition.epoch is None else epochs.get(condition.epoch)) or {}
        return Check(condition=condition, value=metrics.get(condition.metric), holds=condition.holds(metrics))

    expect, fail = tuple(map(check, plan.expect)), tuple(map(check, plan.fail))
    if any(result.holds for result in fail):
        outcome: Outcome = "failed"
    elif any(result.holds is False for result in expect):
        outcome = "not as expected"
    elif any(result.holds is None for result in (*expect, *fail)):
        outcome = "open"
    else:
        outcome = "as expected" if expect else "not failed" if fail else "no criteria"
    return Verdict(outcome=outcome, expect=expect, fail=fail)


def write_plan(folder: Path, plan: ExperimentPlan) -> None:
    """Write a plan into a run folder before the run; the plan of a run that was already started is not replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (holds_run(folder) and (folder / PLAN).exists()):
        _write(folder / PLAN, plan.model_dump(mode="json"))


def read_plan(folder: Path) -> ExperimentPlan | None:
    """Plan in a run folder, None if there is none."""
    if not (folder / PLAN).exists():
        return None
    return ExperimentPlan.model_validate_json((folder / PLAN).read_text(encoding="utf-8"))


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
    verdict = judge(plan, read_epochs(folder), summary).model_dump(mode="json", by_alias=True)
    _write(folder / PLAN, {**plan.model_dump(mode="json"), "verdict": verdict})
    return {"verdict": verdict}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
