"""State that the browser keeps over a reload of the page and a restart of the server, and the form of the Train tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.screens import plan_form, settings_form
from engine import recipes

# Gradio would draw a new one at each start, and could not read what it kept before. Nothing kept here is a secret.
KEY = "loupe"


def kept_state(name: str) -> gr.BrowserState:
    """A state in the browser's storage; None until it is set. What comes back may be anything: check it.

    Render it outside the tabs: within a tab that is not open yet, it is None.
    """
    return gr.BrowserState(None, storage_key=f"loupe-{name}", secret=KEY, render=False)


def form_to_keep(recipe: str, settings: Sequence[Any], plan: Sequence[Any]) -> dict[str, Any]:
    """The form as the browser keeps it: settings by name, for a later version may have others."""
    return {
        "recipe": recipe,
        "settings": dict(zip(settings_form.names(), settings, strict=True)),
        "plan": list(plan),
    }


def kept_form(
    kept: Any, models: Sequence[tuple[str, str]], parents: Sequence[tuple[str, str]]
) -> tuple[str, list[Any], list[Any]]:
    """Recipe, settings and plan as the browser has kept them; what does not fit is that of the recipe.

    models   (text, path) of the models that a run may start from
    parents  (text, value) of the runs and recipes that it may be compared with
    """
    values = kept if isinstance(kept, dict) else {}
    name = values.get("recipe")
    recipe = name if isinstance(name, str) and name in recipes.RECIPES else recipes.DEFAULT
    usual = settings_form.values(recipes.recipe_config(recipe))
    by_name = values["settings"] if isinstance(values.get("settings"), dict) else {}
    settings = [
        value if (value := by_name.get(key)) is not None and settings_form.fits(key, value, models) else default
        for key, default in zip(settings_form.names(), usual, strict=True)
    ]
    return recipe, settings, plan_form.kept_values(values.get("plan"), parents)
