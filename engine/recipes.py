"""The named recipes: each a config, its parent, and what it sets out to test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine import config
from engine.config import BadConfig, Config

DEFAULT = "loupe"


@dataclass(frozen=True)
class Recipe:
    """A named config. `changes` stand on top of the parent's; `tests` says in one sentence what is asked of it."""

    name: str
    parent: str | None
    tests: str
    changes: dict[str, Any]


def _recipes(*recipes: Recipe) -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in recipes}


RECIPES = _recipes(
    Recipe(
        "original",
        None,
        "The first recorded run: two large encoders, little regularisation, a long first phase on the back alone.",
        {
            "front_encoder": "resnet34",
            "back_encoder": "resnet34",
            "phase1_epochs": 10,
            "phase2_epochs": 30,
            "dropout": 0.10,
            "weight_decay": 1e-4,
        },
    ),
    Recipe(
        "over_regularised",
        "original",
        "Do smaller encoders, strong dropout and a low rate cure the over-fitting of the original?",
        {
            "front_encoder": "resnet18",
            "back_encoder": "resnet18",
            "lr_phase1": 1e-4,
            "lr_phase2": 1e-4,
            "dropout": 0.40,
            "weight_decay": 5e-4,
        },
    ),
    Recipe(
        "baseline",
        "over_regularised",
        "Both sides from the start, moderate regularisation: the history's best run (val QWK .7633).",
        {
            "back_encoder": "resnet34",
            "phase1_epochs": 0,
            "phase2_epochs": 50,
            "lr_phase1": 3e-4,
            "lr_phase2": 3e-4,
            "dropout": 0.25,
            "weight_decay": 2e-4,
        },
    ),
    Recipe(
        "four_at_once",
        "baseline",
        "Four changes together: weaker EMD, smoothing, mixup and capped weights. Which of them did the harm?",
        {"alpha_emd": 0.4, "label_smoothing": 0.1, "mixup_alpha": 0.3, "class_weight_cap": 10.0},
    ),
    Recipe(
        "label_smoothing",
        "baseline",
        "Does label smoothing alone curb over-confidence without costing QWK?",
        {"label_smoothing": 0.1},
    ),
    Recipe(
        "ordinal",
        "baseline",
        "Do monotone cumulative logits, with no class weights, beat ten separate classes?",
        {"loss": "ordinal", "class_weights": "none"},
    ),
    Recipe(
        "smoothing_capped",
        "label_smoothing",
        "Smoothing with the class weights capped at 10: do a few very rare grades pull too hard?",
        {"class_weight_cap": 10.0},
    ),
    Recipe(
        "smoothing_emd_05",
        "label_smoothing",
        "Smoothing with a weaker EMD of .5: was .7 too much beside smoothed labels?",
        {"alpha_emd": 0.5},
    ),
    Recipe(
        "smoothing_15",
        "label_smoothing",
        "Stronger smoothing of .15: is there more calibration to be had?",
        {"label_smoothing": 0.15},
    ),
    Recipe(
        "focal",
        "baseline",
        "Focal loss with gamma 2: does attention to hard cards help the rare grades?",
        {"focal_gamma": 2.0},
    ),
    Recipe(
        "loupe",
        "ordinal",
        "Ours: the ordinal recipe told what was measured, along a cosine; sides and measurements may be missing.",
        {
            "measured_inputs": True,
            "measured_dropout": 0.2,
            "measured_targets": False,
            "schedule": "cosine",
            "side_dropout": 0.1,
        },
    ),
)


def recipe(name: str) -> Recipe:
    """The recipe of that name; raises BadConfig naming the known ones."""
    if name not in RECIPES:
        raise BadConfig(f"recipe {name!r} is not known; the recipes are {', '.join(RECIPES)}")
    return RECIPES[name]


def recipe_config(name: str, changes: dict[str, Any] | None = None) -> Config:
    """A recipe's full config: its ancestors' changes, then its own, then `changes`. Raises BadConfig."""
    return config.build({**_inherited(recipe(name)), **(changes or {})})


def _inherited(own: Recipe) -> dict[str, Any]:
    above = _inherited(RECIPES[own.parent]) if own.parent else {}
    return {**above, **own.changes}
