"""Settings form of the Train tab: one widget per config key, with its bounds and help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gradio as gr
from gradio.components import Component

from engine import config

MAX_TEXT = 10_000  # signs
# The other settings are in a collapsed section.
MAIN_SETTINGS = tuple(config.fields(config.MAIN))


def names() -> list[str]:
    """All config keys in the order of the form."""
    return [*MAIN_SETTINGS, *(name for name in config.fields() if name not in MAIN_SETTINGS)]


def draw() -> list[Component]:
    """Add all widgets to the Gradio layout being built; returns them in the order of `names`."""
    widgets = []
    with gr.Row(elem_classes="settings"):
        widgets += [_widget(name) for name in MAIN_SETTINGS]
    with gr.Accordion("All settings", open=False, elem_id="all-settings"), gr.Row(elem_classes="settings"):
        widgets += [_widget(name) for name in names()[len(MAIN_SETTINGS) :]]
    return widgets


def pretrained(widgets: list[Component]) -> gr.Dropdown:
    """The widget for the initial weights: the named ones, and models of this data folder, see `starting_weights`."""
    return cast(gr.Dropdown, widgets[names().index("pretrained")])


def worn_copies(widgets: list[Component]) -> list[Any]:
    """The section of all settings, and the widget in it for the worn copies per grade."""
    widget = widgets[names().index("synthetic_wear_per_grade")]
    section: Any = widget
    while not isinstance(section, gr.Accordion):
        section = section.parent
    return [section, widget]


def starting_weights(models: list[tuple[str, str]]) -> dict[str, Any]:
    """Choices of that widget: the named weights, then the models as (text, path)."""
    return gr.update(choices=[*((name, name) for name in config.WEIGHTS), *models])


def values(settings: config.Config) -> list[Any]:
    """The values of a config in the order of `names`."""
    return [getattr(settings, name) for name in names()]


def fits(name: str, value: Any, models: Sequence[tuple[str, str]]) -> bool:
    """True if the widget of a setting can hold a value; whether it is allowed, `read` says. `models` as above."""
    if options := config.choices(name):
        return value in options
    if name == "pretrained":
        return value in config.WEIGHTS or value in [path for _, path in models]
    annotation = config.fields()[name].annotation
    if annotation is bool:
        return isinstance(value, bool)
    if annotation in (str, int | str):
        return isinstance(value, str) and len(value) <= MAX_TEXT
    return isinstance(value, int | float) and not isinstance(value, bool)


def read(values: tuple[Any, ...] | list[Any]) -> config.Config:
    """Build the config of the widgets' values. Raises BadConfig naming the first bad value.

    Files are named on the command line only: the page may be open on another machine, whose user must not read here.
    """
    settings = dict(zip(names(), values, strict=True))
    for name, value in settings.items():
        if value is None:
            raise config.BadConfig(f"{name} is empty; enter a value")
    if settings["teachers"]:
        raise config.BadConfig("teachers are files of this machine; start such a run with launch.py train --set")
    return config.build(settings)


def _widget(name: str) -> Component:
    field = config.fields()[name]
    description = " ".join((field.description or "").split())
    label = field.title or name.replace("_", " ").capitalize()
    common: dict[str, Any] = {"label": label, "info": f"{name}: {description}", "elem_id": f"set-{name}"}
    common["min_width"] = 200
    if options := config.choices(name):
        return gr.Dropdown(list(options), value=field.default, **common)
    if name == "pretrained":
        return gr.Dropdown(list(config.WEIGHTS), value=field.default, **common)
    if field.annotation is bool:
        return gr.Checkbox(value=field.default, **common)
    if field.annotation in (str, int | str):
        return gr.Textbox(value=str(field.default), **common)
    is_integer = field.annotation is int
    return gr.Number(value=field.default, precision=0 if is_integer else None, step=1 if is_integer else 0.01, **common)
