"""The runs as a page a person can read."""

from __future__ import annotations

from collections.abc import Sequence

from db import runs
from db.schema import Epoch, Run
from db.session import Database
from engine import config as configuration
from engine import recipes
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


def best_epoch(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch whose model a run keeps: of the best validation QWK, the first; None where none has a QWK."""
    defined = [epoch for epoch in epochs if epoch.qwk is not None]
    return max(defined, key=lambda epoch: (epoch.qwk, -epoch.epoch), default=None)


def _best(epochs: Sequence[Epoch]) -> str:
    best = best_epoch(epochs)
    return f"{best.qwk:.4f} at epoch {best.epoch}" if best else "undefined"
