"""Line editor component: a flat card to zoom into, with its findings, eight draggable lines and their centering."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.screens.html_component import html_component

CARD_VIEW = Path(__file__).with_name("card_view.js")


def line_editor(side: str) -> gr.HTML:
    """The component of one side; its value is a `LineEditorState` as JSON. Its `submit` event saves the lines."""
    # One script, so that the view and the lines over it share their variables.
    view = CARD_VIEW.read_text(encoding="utf-8")
    return html_component(__file__, f"{side}-lines", first_script=view, server_functions=[numbers_of_lines])


def numbers_of_lines(value: Any) -> dict[str, Any]:
    """The centering of the lines in the browser; called by line_editor.js while they are dragged."""
    from app.screens import line_editor_state

    return line_editor_state.numbers_of_lines(value).model_dump()
