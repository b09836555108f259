"""A measured side on the page: its card laid flat, eight lines to drag, and the numbers that follow them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

PARTS = Path(__file__).with_suffix("")


def line_editor(side: str) -> gr.HTML:
    """The component of one side; its value is what `app.screens.line_editor_state.value_of` makes, its `submit` asks to save it."""
    return gr.HTML(
        value=None,
        html_template=_part(".html"),
        css_template=_part(".css"),
        js_on_load=_part(".js"),
        server_functions=[numbers_of_lines],
        elem_id=f"{side}-lines",
    )


def numbers_of_lines(value: dict[str, Any]) -> dict[str, Any]:
    """The numbers of lines as they lie in the browser; asked while they are dragged."""
    from app.screens import line_editor_state as asked

    return asked.numbers_of_lines(value)


def _part(suffix: str) -> str:
    return PARTS.with_suffix(suffix).read_text(encoding="utf-8")
