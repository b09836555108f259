"""The runs as a page a person can read: a changelog of training, run by run, what was asked and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from db import runs
from db.schema import Epoch, Run
from db.session import Database
from engine import config as configuration
from engine import recipes
from engine.config import BadConfig
from engine.evaluation.model_selection import best_of
from engine.events import figures_of
from engine.experiments import lineage
from engine.experiments.plans import Check, Plan, Verdict, judge

NOT_SAID = "not said"


@dataclass(frozen=True)
class Told:
    """A run with its epochs, and what follows from them."""

    run: Run
    epochs: Sequence[Epoch]

    @cached_property
    def plan(self) -> Plan:
        """What was said before; of runs from before plans were kept, what their settings tell."""
        return Plan.from_json(self.run.plan) if self.run.plan else Plan(self.run.recipe, _differing(self.run) or {})

    @cached_property
    def verdict(self) -> Verdict:
        """Judged by the rows, so that a run that ended early is judged by what it reached."""
        return verdict_of(self.run, self.epochs)


def verdict_of(run: Run, epochs: Sequence[Epoch]) -> Verdict:
    """A run against its plan, as far as it has come."""
    plan = Plan.from_json(run.plan) if run.plan else Plan()
    asked = {each.epoch: figures_of(each.metrics, each.val_loss, each.learning_rate) for each in epochs}
    return judge(plan, asked, run.summary)


def history_page(database: Database) -> tuple[str, int]:
    """Every run, oldest first, in Markdown, with a table of them all; and how many there are."""
    with database.reading() as session:
        rows = list(reversed(runs.runs(session)))
        told = [Told(run, runs.epochs(session, run_id=run.id)) for run in rows]
    page = ["# Training history", "", *_table(told), "", *(line for each in told for line in _story(each))]
    return "\n".join([*page, *_recipes(told)]), len(rows)


def _table(told: Sequence[Told]) -> list[str]:
    head = ["| run | recipe | parent | changes | epochs | best val QWK | state | verdict |", "|---" * 8 + "|"]
    return head + [
        f"| {one.run.id} | {one.run.recipe} | {one.plan.parent} | {_how_many(one.plan)} | {len(one.epochs)} | "
        f"{_best(one.epochs)} | {one.run.state} | {one.verdict.word} |"
        for one in told
    ]


def _how_many(plan: Plan) -> str:
    number = lineage.count(plan.changes)
    return str(number) if number < 2 else f"{number}, {'a bundle' if plan.bundle else 'undeclared'}"


def _story(told: Told) -> list[str]:
    run, plan = told.run, told.plan
    recipe = recipes.RECIPES.get(run.recipe)
    lines = [
        f"## Run {run.id}: {run.recipe} ({run.created_at:%Y-%m-%d})",
        "",
        f"- **Problem.** {recipe.tests if recipe else NOT_SAID}",
        f"- **Change** against {plan.parent}: {lineage.in_words(plan.changes)}.{_bundle(plan)}",
        f"- **Hypothesis.** {plan.hypothesis or NOT_SAID}",
        f"- **Expectation.** {asked(plan)}",
        f"- **Result.** {_result(told)}",
        f"- **Verdict.** {told.verdict.word}{_reasons(told.verdict)}",
    ]
    return [*lines, ""]


def _bundle(plan: Plan) -> str:
    if lineage.count(plan.changes) < 2:
        return ""
    if plan.bundle:
        return f" A bundle, because: {plan.bundle}. None of the changes can be credited by itself."
    return " Several changes at once, not declared: none of them can be credited or blamed."


def asked(plan: Plan) -> str:
    """What is expected of a run, and what would make it a failure."""
    expect = ", ".join(map(str, plan.expect)) or NOT_SAID
    return f"{expect}; failed if {', or '.join(map(str, plan.fail))}" if plan.fail else expect


def _result(told: Told) -> str:
    run = told.run
    parts = [f"{run.state} after {len(told.epochs)} epochs", f"best validation QWK {_best(told.epochs)}"]
    best = best_epoch(told.epochs)
    if best is not None:
        parts += _figures(best, run.summary or {})
    # Two objectives have two units: a loss is told of its own run alone, and stands in no table.
    return "; ".join(parts) + (f". {run.message}" if run.message else "") + "."


def _figures(best: Epoch, summary: Mapping[str, Any]) -> list[str]:
    said = []
    if summary.get("qwk_low") is not None:
        said.append(f"interval {summary['qwk_low']:.4f} to {summary['qwk_high']:.4f}, n = {summary['n']}")
    train = best.metrics.get("train_qwk")
    if train is not None and best.qwk is not None:
        said.append(f"training QWK then {train:.4f} (gap {train - best.qwk:.4f})")
    said.append(f"losses {best.train_loss:.4f} in training, {best.val_loss:.4f} in validation")
    said.append(f"rate {best.learning_rate:.1e} in that epoch")
    return said


def _reasons(verdict: Verdict) -> str:
    asked = [*verdict.expect, *verdict.fail]
    return f" ({'; '.join(map(_check, asked))})" if asked else ""


def _check(check: Check) -> str:
    if check.holds is None:
        return f"{check.threshold} could not be asked"
    return f"{check.threshold} {'holds' if check.holds else 'does not hold'}: {check.value:.4g}"


def _recipes(told: Sequence[Told]) -> list[str]:
    """The recipes that were run, and those they come from, with what each changes against its parent."""
    names: dict[str, None] = {}
    for one in told:
        name: str | None = one.run.recipe
        while name in recipes.RECIPES:
            names.setdefault(name)
            name = recipes.RECIPES[name].parent
    if not names:
        return []
    lines = ["## Recipes", ""]
    for name in names:
        recipe = recipes.RECIPES[name]
        if recipe.parent is None:
            lines.append(f"- `{name}`, the first. {recipe.tests}")
            continue
        changed = lineage.changes(recipes.recipe_config(name), recipes.recipe_config(recipe.parent))
        lines.append(f"- `{name}` from `{recipe.parent}`: {lineage.in_words(changed)}. {recipe.tests}")
    return [*lines, ""]


def changes(run: Run) -> str:
    """A run's settings that differ from its recipe's, as "key = value (recipe's)", or "nothing"."""
    differing = _differing(run)
    return "unknown to this version" if differing is None else lineage.in_words(differing)


def _differing(run: Run) -> lineage.Changes | None:
    try:
        return lineage.changes(configuration.build(run.config), recipes.recipe_config(run.recipe))
    except BadConfig:
        return None


def best_epoch(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch whose model a run keeps; None where none has a QWK."""
    return best_of(epochs, attrgetter("qwk"))


def _best(epochs: Sequence[Epoch]) -> str:
    best = best_epoch(epochs)
    return f"{best.qwk:.4f} at epoch {best.epoch}" if best else "undefined"
