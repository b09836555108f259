"""The recipes trained end to end on the real pairs: what the history's runs reach on the cards they were meant for.

Run 3 and 6 of the history and our recipe are trained on all five folds, the others on the first. ResNets start from
random weights: ImageNet's come by download only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.commands.cross_validate import fold_config, set_up_folds, train_folds
from engine.cards.pairs import CardPair
from engine.evaluation import predictions
from engine.evaluation.predictions import Predictions
from engine.experiments.plans import ExperimentPlan
from engine.experiments.run_folder import fold_folders
from engine.recipes import RECIPES, recipe_config
from evidence.cached_json import load_or_compute, require_same_plan, write_json
from evidence.figures import metrics_over_seeds, qwk_differences
from evidence.real_sources import open_and_sealed_pairs, require_real_pictures
from evidence.steps.real_pairs import FOLDS, SEEDS

ALL_FOLDS = ("baseline", "ordinal", "loupe")
# The starter's recipe, whose runs `tools.build_starter` trains.
FROZEN = "photographs"
# Three minutes a fold on two cores.
SETTINGS = {"image_size": "192x128", "precision": "bf16", "device": "cpu", "kept_epoch": "last", "seed": SEEDS[0]}
EPOCHS = 12


def run(folder: Path) -> dict[str, Any]:
    """Train and evaluate the recipes, or resume doing so; returns the content of real_recipes.json."""
    require_real_pictures()
    parts = folder / "real_recipes"
    require_same_plan({"settings": SETTINGS, "epochs": EPOCHS, "folds": FOLDS}, parts / "plan.json")
    pairs = [replace(pair, split="train") for pair in open_and_sealed_pairs()[0]]
    names = [*ALL_FOLDS, *(name for name in RECIPES if name not in (*ALL_FOLDS, FROZEN))]
    for name in names:
        folds = FOLDS if name in ALL_FOLDS else 1
        load_or_compute(parts / f"{name}.json", lambda name=name, folds=folds: _train(parts, name, folds, pairs))
    by_recipe = {name: predictions.read(parts / name / predictions.FILE_NAME) for name in names}
    starter = folder / "starter"
    frozen = Predictions.concatenate(predictions.read(starter / f"fold{fold}-pair.csv") for fold in range(FOLDS))
    results = {
        "settings": {**SETTINGS, "epochs": EPOCHS},
        "recipes": {
            name: {"n": len(predicted.cards), "metrics": metrics_over_seeds([predicted])}
            for name, predicted in by_recipe.items()
        },
        "frozen less": qwk_differences({name: ([frozen], [predicted]) for name, predicted in by_recipe.items()}),
    }
    write_json(folder / "real_recipes.json", results)
    return results


def _train(parts: Path, name: str, folds: int, pairs: Sequence[CardPair]) -> dict[str, Any]:
    """Train the first folds of a recipe; raises SystemExit if it was stopped."""
    out = parts / name
    if not fold_folders(out):
        set_up_folds(out, fold_config(recipe_config(name, _settings(name))), pairs, ExperimentPlan(), FOLDS)
    result = train_folds(out, folds, parts / "cache")
    if result.get("stopped"):
        raise SystemExit(f"{name} was stopped; the same command resumes it")
    return result


def _settings(name: str) -> dict[str, Any]:
    """The shared settings, and the epochs divided between the phases as in the recipe."""
    recipe = recipe_config(name)
    first = round(EPOCHS * recipe.phase1_epochs / recipe.epochs)
    return {**SETTINGS, "phase1_epochs": first, "phase2_epochs": EPOCHS - first}
