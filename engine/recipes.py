"""Named recipes: each a config, its parent, and the question it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine import config
from engine.config import BadConfig, Config

DEFAULT = "loupe"


@dataclass(frozen=True)
class Recipe:
    """A named config: the parent's with `changes`. `tests` is the question it answers, shown in the Train tab."""

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
        "The first recorded run: two large encoders, weak regularization, a long first phase on the backs only.",
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
        "Do smaller encoders, strong dropout and a low learning rate fix the overfitting of the original?",
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
        "Both sides from the start, moderate regularization: the best recorded run (validation QWK .7633).",
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
        "Four changes at once: weaker EMD, label smoothing, mixup and capped class weights. Which of them hurt?",
        {"alpha_emd": 0.4, "label_smoothing": 0.1, "mixup_alpha": 0.3, "class_weight_cap": 10.0},
    ),
    Recipe(
        "label_smoothing",
        "baseline",
        "Does label smoothing alone reduce overconfidence without lowering QWK?",
        {"label_smoothing": 0.1},
    ),
    Recipe(
        "ordinal",
        "baseline",
        "Do ordinal (cumulative) logits without class weights beat ten separate classes?",
        {"loss": "ordinal", "class_weights": "none"},
    ),
    Recipe(
        "smoothing_capped",
        "label_smoothing",
        "Label smoothing with class weights capped at 10: do very rare grades weigh too much?",
        {"class_weight_cap": 10.0},
    ),
    Recipe(
        "smoothing_emd_05",
        "label_smoothing",
        "Label smoothing with an EMD weight of .5: is .7 too much with smoothed labels?",
        {"alpha_emd": 0.5},
    ),
    Recipe(
        "smoothing_15",
        "label_smoothing",
        "Label smoothing of .15: does stronger smoothing improve calibration?",
        {"label_smoothing": 0.15},
    ),
    Recipe(
        "focal",
        "baseline",
        "Focal loss with gamma 2: does more weight on hard cards help the rare grades?",
        {"focal_gamma": 2.0},
    ),
    Recipe(
        "loupe",
        "ordinal",
        "Recommended: reads the pictures and the measurements of the card, with a cosine schedule; hides sides and "
        "measurements at random.",
        {
            "use_measurements": True,
            "measurement_dropout": 0.2,
            "auxiliary_targets": False,
            "schedule": "cosine",
            "side_dropout": 0.1,
        },
    ),
    Recipe(
        "photographs",
        "ordinal",
        "For real photographs and few cards: ImageNet weights, card-shaped input, and strongly varied photographs. "
        "Does the model then learn the wear instead of the photograph?",
        {
            "front_encoder": "efficientnet_lite0",
            "back_encoder": "efficientnet_lite0",
            "pretrained": "imagenet",
            "image_size": "704x512",
            "channels": "rgb",
            "feature_stage": "penultimate",
            "pooling": "rim",
            "attention": "none",
            "frozen_layers": "encoders",
            "cached_views": 3,
            "lr_phase2": 1e-3,
            "vary_photograph": True,
            "auxiliary_targets": False,
            "use_measurements": True,
            "measurement_dropout": 0.15,
            "pixel_dropout": 0.2,
            "side_dropout": 0.3,
            "dropout": 0.4,
            "weight_decay": 1e-2,
            "ema_decay": 0.99,
            "schedule": "cosine",
            "phase2_epochs": 40,
            "precision": "bf16",
        },
    ),
)


def recipe(name: str) -> Recipe:
    """Recipe of that name. Raises BadConfig, listing the recipes, if there is none."""
    if name not in RECIPES:
        raise BadConfig(f"there is no recipe {name!r}; the recipes are {', '.join(RECIPES)}")
    return RECIPES[name]


def recipe_config(name: str, changes: dict[str, Any] | None = None) -> Config:
    """Full config of a recipe: the changes of its ancestors, of the recipe, then `changes`. Raises BadConfig."""
    return config.build({**_all_changes(recipe(name)), **(changes or {})})


def _all_changes(recipe: Recipe) -> dict[str, Any]:
    inherited = _all_changes(RECIPES[recipe.parent]) if recipe.parent else {}
    return {**inherited, **recipe.changes}
