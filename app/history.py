"""The runs and a model's figures as pages a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from db import runs
from db.schema import Epoch, Run
from db.session import Database
from engine import config as configuration
from engine import recipes
from engine.checkpoint import load, sha256
from engine.config import BadConfig


def history_page(database: Database) -> tuple[str, int]:
    """Every run, oldest first, in Markdown: what it tested, what differed, what came out; and how many there are."""
    with database.reading() as session:
        rows = list(reversed(runs.runs(session, limit=10_000)))
        epochs = {run.id: runs.epochs(session, run_id=run.id) for run in rows}
    table = ["| run | recipe | state | epochs | best val QWK |", "|---|---|---|---|---|"]
    table += [
        f"| {run.id} | {run.recipe} | {run.state} | {len(epochs[run.id])} | {_best(epochs[run.id])} |" for run in rows
    ]
    stories = [_story(run, epochs[run.id]) for run in rows]
    return "\n".join(["# Training history", "", *table, "", *stories]), len(rows)


def _story(run: Run, epochs: Sequence[Epoch]) -> str:
    recipe = recipes.RECIPES.get(run.recipe)
    lines = [f"## Run {run.id}: {run.recipe}", ""]
    if recipe:
        lines += [f"- Asked: {recipe.tests}", f"- Parent: {recipe.parent or 'none'}"]
    lines += [
        f"- Changed against the recipe: {changes(run)}",
        f"- Ended: {run.state}. {run.message}".rstrip(". ") + ".",
    ]
    lines += [f"- Best validation QWK: {_best(epochs)}", ""]
    return "\n".join(lines)


def changes(run: Run) -> str:
    """A run's settings that differ from its recipe's, as "key = value (recipe's)", or "nothing"."""
    try:
        differing = configuration.difference(configuration.build(run.config), recipes.recipe_config(run.recipe))
    except BadConfig:
        return "unknown to this version"
    return ", ".join(f"{key} = {own} ({parents})" for key, (parents, own) in differing.items()) or "nothing"


def _best(epochs: Sequence[Epoch]) -> str:
    defined = [(epoch.qwk, epoch.epoch) for epoch in epochs if epoch.qwk is not None]
    return f"{max(defined)[0]:.4f} at epoch {max(defined)[1]}" if defined else "undefined"


def model_page(path: Path) -> str:
    """A model file's own figures in Markdown."""
    content = load(path)
    summary: dict[str, Any] = content["summary"]
    scalars = {key: value for key, value in summary.items() if not isinstance(value, list)}
    lines = [f"# Model {content['name']}", "", f"- File: {path.name}, SHA-256 {sha256(path)}"]
    lines += [f"- Trained on: {content['trained_on']}", "", "Validation split, at the saved epoch:", ""]
    lines += [
        f"- {key}: {value:.4f}" if isinstance(value, float) else f"- {key}: {value}" for key, value in scalars.items()
    ]
    lines += ["", "Confusion, a row a true grade 1 to 10, a column a predicted grade:", "", "```"]
    lines += [" ".join(f"{count:5d}" for count in row) for row in summary["confusion"]]
    return "\n".join([*lines, "```", ""])
