"""The settings form, drawn from the config: a widget a key, with its bounds and help."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr
from annotated_types import MultipleOf
from gradio.components import Component
from pydantic.fields import FieldInfo

from engine import config

# What most runs change; the rest stands folded away below.
FIRST = ("front_encoder", "back_encoder", "image_size", "batch_size", "phase2_epochs", "max_pairs")


def names() -> list[str]:
    """Every key in the order the form shows them."""
    return [*FIRST, *(name for name in config.fields() if name not in FIRST)]


def draw() -> list[Component]:
    """All widgets, in the order of `names`, laid out where this is called."""
    widgets = []
    with gr.Row(elem_classes="settings"):
        widgets += [_widget(name) for name in FIRST]
    with gr.Accordion("All settings", open=False), gr.Row(elem_classes="settings"):
        widgets += [_widget(name) for name in names()[len(FIRST) :]]
    return widgets


def pretrained(widgets: list[Component]) -> gr.Dropdown:
    """The widget that says whose weights a run begins with: it offers some, and takes any path; one is a download."""
    return cast(gr.Dropdown, widgets[names().index("pretrained")])


def starting_weights(models: list[tuple[str, str]]) -> dict[str, Any]:
    """What that widget offers: the weights that have a name, then models, (text, path) each."""
    return gr.update(choices=[*((name, name) for name in config.WEIGHTS), *models])


def values(settings: config.Config) -> list[Any]:
    """A config's values in the order of `names`."""
    return [getattr(settings, name) for name in names()]


def read(entered: tuple[Any, ...] | list[Any]) -> config.Config:
    """The config that the widgets' values make. Raises BadConfig naming the first that does not fit."""
    given = dict(zip(names(), entered, strict=True))
    for name, value in given.items():
        if value is None:
            raise config.BadConfig(f"{name} is empty; give a value")
    return config.build(given)


def _widget(name: str) -> Component:
    field = config.fields()[name]
    told = " ".join((field.description or "").split())
    common: dict[str, Any] = {"label": name, "info": told, "elem_id": f"set-{name}", "min_width": 200}
    if options := config.choices(name):
        return gr.Dropdown(list(options), value=field.default, **common)
    if name == "pretrained":
        return gr.Dropdown(list(config.WEIGHTS), value=field.default, allow_custom_value=True, **common)
    if field.annotation is bool:
        return gr.Checkbox(value=field.default, **common)
    if field.annotation is str:
        return gr.Textbox(value=field.default, **common)
    whole = field.annotation is int
    return gr.Number(value=field.default, precision=0 if whole else None, step=_step(field, whole), **common)


def _step(field: FieldInfo, whole: bool) -> float:
    """How far one press of an arrow key goes; the bounds themselves are checked when the form is read, in words."""
    multiple = [bound.multiple_of for bound in field.metadata if isinstance(bound, MultipleOf)]
    if multiple:
        return float(multiple[0])  # type: ignore[arg-type]  # the config's multiples are numbers
    return 1 if whole else 0.01
