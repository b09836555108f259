"""Training history as a Markdown page: a table of all runs, then the plan and the result of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.markdown import escape, table
from db import runs
from db.schema import Epoch, Run
from db.session import Database
from engine import config as configuration
from engine import recipes
from engine.config import BadConfig
from engine.evaluation.model_selection import CHOSEN_BY, select_best
from engine.events import epoch_metrics
from engine.experiments import lineage
from engine.experiments.plans import Check, ExperimentPlan, Verdict, judge

NOT_STATED = "not stated"


@dataclass(frozen=True)
class RunHistory:
    """A run with its epochs, its plan and its verdict."""

    run: Run
    epochs: Sequence[Epoch]

    @cached_property
    def plan(self) -> ExperimentPlan:
        """The stored plan; for runs from before plans existed, one made from their settings."""
        if self.run.plan:
            return ExperimentPlan.model_validate(self.run.plan)
        return ExperimentPlan(parent=self.run.recipe, changes=_changed_settings(self.run) or {})

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict from the recorded epochs, also for a run that ended early."""
        return verdict_of(self.run, self.epochs)


def verdict_of(run: Run, epochs: Sequence[Epoch]) -> Verdict:
    """Evaluate a run against its plan, with the epochs recorded so far."""
    plan = ExperimentPlan.model_validate(run.plan) if run.plan else ExperimentPlan()
    metrics = {row.epoch: epoch_metrics(row.metrics, row.val_loss, row.learning_rate) for row in epochs}
    return judge(plan, metrics, run.summary)


def history_page(database: Database) -> tuple[str, int]:
    """The history of all runs, oldest first, as Markdown, and the number of runs."""
    with database.reading() as session:
        rows = list(reversed(runs.runs(session)))
        histories = [RunHistory(run, runs.epochs(session, run_id=run.id)) for run in rows]
    page = [
        "# Training history",
        "",
        *_table(histories),
        *(line for history in histories for line in _run_section(history)),
    ]
    return "\n".join([*page, *_recipes(histories)]), len(rows)


def _table(histories: Sequence[RunHistory]) -> list[str]:
    rows = [
        (
            *(history.run.id, escape(history.run.recipe), escape(history.plan.parent), _change_count(history.plan)),
            *(len(history.epochs), _best(history.epochs), history.run.state, history.verdict.outcome),
        )
        for history in histories
    ]
    return table(["run", "recipe", "parent", "changes", "epochs", "best val QWK", "state", "verdict"], rows)


def _change_count(plan: ExperimentPlan) -> str:
    count = lineage.count(plan.changes)
    return str(count) if count < 2 else f"{count}, {'declared' if plan.bundle else 'undeclared'}"


def _run_section(history: RunHistory) -> list[str]:
    run, plan = history.run, history.plan
    recipe = recipes.RECIPES.get(run.recipe)
    lines = [
        f"## Run {run.id}: {escape(run.recipe)} ({run.created_at:%Y-%m-%d})",
        "",
        f"- **Problem.** {recipe.tests if recipe else NOT_STATED}",
        f"- **Change** against {escape(plan.parent)}: {escape(lineage.describe(plan.changes))}.{_bundle(plan)}",
        f"- **Hypothesis.** {escape(plan.hypothesis or NOT_STATED)}",
        f"- **Expectation.** {criteria_text(plan)}",
        f"- **Result.** {_result(history)}",
        f"- **Verdict.** {history.verdict.outcome}{_reasons(history.verdict)}",
    ]
    return [*lines, ""]


def _bundle(plan: ExperimentPlan) -> str:
    if lineage.count(plan.changes) < 2:
        return ""
    if plan.bundle:
        return f" Several changes at once, because: {escape(plan.bundle)}. Their effects cannot be separated."
    return " Several changes at once, not declared: their effects cannot be separated."


def criteria_text(plan: ExperimentPlan) -> str:
    """The success and failure criteria of a plan as text."""
    expect = ", ".join(map(str, plan.expect)) or NOT_STATED
    return f"{expect}; failed if {', or '.join(map(str, plan.fail))}" if plan.fail else expect


def _result(history: RunHistory) -> str:
    run = history.run
    parts = [f"{run.state} after {len(history.epochs)} epochs", f"best validation QWK {_best(history.epochs)}"]
    best = best_epoch(history.epochs)
    if best is not None:
        parts += _best_epoch_metrics(best, run.summary or {})
    # Losses of different objectives have different units, so they appear only with their run and not in the table.
    return "; ".join(parts) + (f". {escape(run.message)}" if run.message else "") + "."


def _best_epoch_metrics(best: Epoch, summary: Mapping[str, Any]) -> list[str]:
    parts = []
    if summary.get("qwk_low") is not None:
        parts.append(f"interval {summary['qwk_low']:.4f} to {summary['qwk_high']:.4f}, n = {summary['n']}")
    train = best.metrics.get("train_qwk")
    if train is not None and best.qwk is not None:
        parts.append(f"training QWK then {train:.4f} (gap {train - best.qwk:.4f})")
    parts.append(f"losses {best.train_loss:.4f} in training, {best.val_loss:.4f} in validation")
    parts.append(f"rate {best.learning_rate:.1e} in that epoch")
    return parts


def _reasons(verdict: Verdict) -> str:
    checks = [*verdict.expect, *verdict.fail]
    return f" ({'; '.join(map(_check, checks))})" if checks else ""


def _check(check: Check) -> str:
    if check.holds is None:
        return f"{check.condition} could not be evaluated"
    return f"{check.condition} {'holds' if check.holds else 'does not hold'}: {check.value:.4g}"


def _recipes(histories: Sequence[RunHistory]) -> list[str]:
    """The recipes of the runs and their parents, with the settings that each changes."""
    names: dict[str, None] = {}
    for history in histories:
        name: str | None = history.run.recipe
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
        lines.append(f"- `{name}` from `{recipe.parent}`: {lineage.describe(changed)}. {recipe.tests}")
    return [*lines, ""]


def settings_changes(run: Run) -> str:
    """The settings of a run that differ from its recipe, as "key = value (recipe's)", or "nothing"."""
    changed = _changed_settings(run)
    return "unknown to this version" if changed is None else lineage.describe(changed)


def _changed_settings(run: Run) -> lineage.Changes | None:
    try:
        return lineage.changes(configuration.from_saved(run.config), recipes.recipe_config(run.recipe))
    except BadConfig:
        return None


def best_epoch(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch whose model the run saved; None without epochs, and for an older run without any QWK."""
    return select_best(epochs, lambda epoch: {**epoch.metrics, "qwk": epoch.qwk})


def _best(epochs: Sequence[Epoch]) -> str:
    best = best_epoch(epochs)
    return f"{score_text(best)} at epoch {best.epoch}" if best else "undefined"


def score_text(epoch: Epoch) -> str:
    """QWK of the saved epoch, with the score it was chosen by if that is another."""
    qwk = "undefined" if epoch.qwk is None else f"{epoch.qwk:.4f}"
    if epoch.metrics.get(CHOSEN_BY) != "rps":
        return qwk
    return f"{qwk} (chosen by ranked probability score, {epoch.metrics['rps']:.4f})"
