"""Line editor component: a flat card to zoom into, with its findings, eight draggable lines and their centering."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

PARTS = Path(__file__).with_suffix("")
CARD_VIEW = PARTS.with_name("card_view.js")


def line_editor(side: str) -> gr.HTML:
    """The component of one side; its value is a `LineEditorState` as JSON. Its `submit` event saves the lines."""
    return gr.HTML(
        value=None,
        html_template=_part(".html"),
        css_template=_part(".css"),
        # One script, so that the view and the lines over it share their variables.
        js_on_load=CARD_VIEW.read_text(encoding="utf-8") + _part(".js"),
        server_functions=[numbers_of_lines],
        elem_id=f"{side}-lines",
    )


def numbers_of_lines(value: Any) -> dict[str, Any]:
    """The centering of the lines in the browser; called by line_editor.js while they are dragged."""
    from app.screens import line_editor_state

    return line_editor_state.numbers_of_lines(value).model_dump()


def _part(suffix: str) -> str:
    return PARTS.with_suffix(suffix).read_text(encoding="utf-8")
