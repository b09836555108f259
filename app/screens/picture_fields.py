"""The order in which the picture fields of the Grade tab are filled: one picture, or one press, after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from app.screens.html_component import html_component

BEGIN = "(...values) => { window.loupe.pictures.begin(); return values; }"
END = "() => window.loupe.pictures.end()"


def picture_fields() -> gr.HTML:
    """The component that keeps the order; it shows a sentence about a picture that did not arrive or has no place."""
    return html_component(__file__, "picture-fields")


def filling(
    trigger: Callable[..., Any], function: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]
) -> Any:
    """Connect an event whose answer fills or empties the fields; returns it.

    The page keeps the next picture waiting from the event's start until its answer is drawn, or it failed.
    """
    event = trigger(function, inputs, outputs, js=BEGIN, show_progress="hidden")
    event.then(None, js=END)
    return event
