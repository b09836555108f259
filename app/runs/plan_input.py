"""What a person says of a run before it runs, as a plan: its parent, what differs, what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.settings import Trouble
from app.terminal import say
from db import runs
from db.session import Database
from engine import config as configuration
from engine.config import Config
from engine.experiments import lineage, run_folder
from engine.experiments.plans import Plan
from engine.recipes import RECIPES, recipe_config
from engine.thresholds import parse_all


@dataclass(frozen=True)
class Said:
    """As entered; `parent` is a run's number, a run's folder or a recipe, and empty means the recipe at hand."""

    parent: str = ""
    bundle: str = ""
    hypothesis: str = ""
    expect: str = ""
    fail: str = ""


def plan_of(said: Said, config: Config, recipe: str, database: Database | None = None) -> Plan:
    """The plan that the words make, the rules of `stop_if` among its failures.

    Raises Trouble for a parent that is not there, BadThreshold for a bad threshold.
    """
    name, parent = _parent(said.parent.strip() or recipe, database)
    return Plan(
        parent=name,
        changes=lineage.changes(config, parent),
        bundle=said.bundle.strip(),
        hypothesis=said.hypothesis.strip(),
        expect=parse_all(said.expect),
        fail=tuple(dict.fromkeys((*parse_all(said.fail), *parse_all(config.stop_if)))),
    )


def say_of_changes(plan: Plan, config: Config) -> None:
    """Say on the terminal which of a plan's changes change nothing."""
    for sentence in lineage.idle(plan.changes, config):
        say(f"warning: {sentence}")


def warning(plan: Plan) -> str | None:
    """What is wrong with a plan of several changes that is not declared a bundle, else None."""
    return lineage.bundle_warning(plan.changes, plan.parent, plan.bundle)


def _parent(name: str, database: Database | None) -> tuple[str, Config]:
    if name in RECIPES:
        return name, recipe_config(name)
    number = name.removeprefix("run ")
    if number.isdecimal() and database is not None:
        with database.reading() as session:
            run = runs.get(session, run_id=int(number))
        if run is None:
            raise Trouble(f"there is no run {number} to be the parent; the Train tab lists the runs")
        return f"run {run.id}", configuration.build(run.config)
    if run_folder.holds_run(Path(name)):
        return str(Path(name).absolute()), run_folder.told(Path(name))[0]
    raise Trouble(f"the parent {name!r} is no recipe ({', '.join(RECIPES)}), no run's number and no run's folder")
