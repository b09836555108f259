"""Question about a run that equals another one: start it nevertheless?"""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.markdown import escape
from app.runs.jobs import EqualRun


class EqualRunQuestion:
    """The question and the button that answers it, both hidden until an equal run was about to start."""

    def __init__(self, name: str) -> None:
        """Add both to the Gradio layout being built; `name` begins their ids."""
        self._text = gr.Markdown(visible=False, elem_id=f"{name}-question")
        self.again = gr.Button("Start it nevertheless", visible=False, elem_id=f"{name}-again")

    @property
    def outputs(self) -> list[Any]:
        """The widgets that the updates concern."""
        return [self._text, self.again]

    def asked(self, equal: EqualRun) -> dict[Any, Any]:
        """Updates that ask."""
        text = f"{str(equal)[:1].upper()}{str(equal)[1:]}."
        return {self._text: gr.update(value=escape(text), visible=True), self.again: gr.update(visible=True)}

    def hidden(self) -> dict[Any, Any]:
        """Updates that hide the question."""
        return {self._text: gr.update(visible=False), self.again: gr.update(visible=False)}
