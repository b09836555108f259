"""User input for the experiment plan of a run: parent, hypothesis and criteria."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.runs.run_json import known_run
from app.settings import UserError
from app.terminal import print_message
from db.session import Database
from engine import config as configuration
from engine.config import Config
from engine.experiments import lineage, run_folder
from engine.experiments.plans import ExperimentPlan
from engine.recipes import RECIPES, recipe_config
from engine.thresholds import parse_conditions


@dataclass(frozen=True)
class PlanInput:
    """The plan as entered, before parsing.

    parent  a run's number, a run folder or a recipe; empty: the recipe of the run
    bundle  the reason for several changes at once
    expect  success criteria, as in qwk>=0.74@27,val_loss<=3.3@27
    fail    failure criteria
    """

    parent: str = ""
    bundle: str = ""
    hypothesis: str = ""
    expect: str = ""
    fail: str = ""


def build_plan(plan_input: PlanInput, config: Config, recipe: str, database: Database | None = None) -> ExperimentPlan:
    """Parse the input into a plan; the rules of `stop_if` are added to the failure criteria.

    Raises UserError for an unknown parent, BadThreshold for a malformed criterion.
    """
    name, parent = _parent(plan_input.parent.strip() or recipe, database)
    return ExperimentPlan(
        parent=name,
        changes=lineage.changes(config, parent),
        bundle=plan_input.bundle.strip(),
        hypothesis=plan_input.hypothesis.strip(),
        expect=parse_conditions(plan_input.expect),
        fail=tuple(dict.fromkeys((*parse_conditions(plan_input.fail), *parse_conditions(config.stop_if)))),
    )


def warn_about_idle_changes(plan: ExperimentPlan, config: Config) -> None:
    """Print a warning for each changed setting that has no effect in this configuration."""
    for sentence in lineage.ineffective(plan.changes, config):
        print_message(f"warning: {sentence}")


def undeclared_bundle_warning(plan: ExperimentPlan) -> str | None:
    """A warning if the plan changes several things at once without a declared reason, else None."""
    return lineage.bundle_warning(plan.changes, plan.parent, plan.bundle)


def _parent(name: str, database: Database | None) -> tuple[str, Config]:
    if name in RECIPES:
        return name, recipe_config(name)
    number = name.removeprefix("run ")
    if number.isdecimal() and database is not None:
        with database.reading() as session:
            run = known_run(session, int(number), "choose a parent among the runs that the Train tab lists")
        return f"run {run.id}", configuration.from_saved(run.config)
    if run_folder.holds_run(Path(name)):
        return str(Path(name).absolute()), run_folder.load(Path(name))[0]
    raise UserError(f"the parent {name!r} is not a run number, a run folder or a recipe ({', '.join(RECIPES)})")
