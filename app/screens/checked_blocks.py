"""Page whose handlers get only values that its components can hold, and only files that were uploaded to it.

What it answers names no path of the server, and an error of the program is one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import gradio as gr

from app.screens.private_paths import PrivatePaths
from app.screens.security import is_local
from engine.storage.disk_space import disk_full_message

PROGRAM_ERROR = "The program made an error, which the terminal that runs Loupe shows"
UNUSABLE = "The page sent a value that cannot be used; reload the page"


class CheckedBlocks(gr.Blocks):
    """Gradio's Blocks; an unusable value from a browser ends in one sentence, and no value makes it fetch a URL."""

    def __init__(self, *, private_folders: Sequence[Path], **options: Any) -> None:
        """Begin the layout; `private_folders` are those whose files are named without their path."""
        super().__init__(**options)
        self._private_paths = PrivatePaths(private_folders)
        # Of the event that is being handled; a program without a request is one of this machine.
        self._is_local = ContextVar("is_local", default=True)

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None, *more: Any, **options: Any
    ) -> dict[str, Any]:
        """Handle an event. Raises gr.Error."""
        self._is_local.set(request is None or is_local(request))
        try:
            return await super().process_api(block_fn, inputs, state, request, *more, **options)
        except gr.Error as error:
            error.message = self._private_paths.hide(str(error.message), is_local=self._is_local.get())
            raise
        except Exception as error:
            # Its own text may be anything; Gradio writes it with the traceback to the terminal.
            raise gr.Error(PROGRAM_ERROR) from error

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """Convert the results of a handler for the page."""
        values = await super().postprocess_data(block_fn, predictions, state)
        # The values of a choice come back from the page, also from what its browser keeps.
        return [
            value
            if isinstance(component, gr.Dropdown | gr.BrowserState)
            else self._private_paths.hide_in(value, is_local=self._is_local.get())
            for component, value in zip(block_fn.outputs, values, strict=True)
        ]

    async def preprocess_data(self, block_fn: Any, inputs: Any, state: Any, explicit_call: bool = False) -> Any:
        """Convert the values of an event for its handler. Raises gr.Error if one cannot be used."""
        # Gradio would download what a URL names.
        if not all(map(_fits, block_fn.inputs, inputs)) or any("://" in path for path in _paths(inputs)):
            raise gr.Error(UNUSABLE, print_exception=False)
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        # Whatever Gradio's components raise for a value of the wrong kind, and for a path outside the upload folder.
        except (gr.Error, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError) as error:
            raise gr.Error(disk_full_message(error) or UNUSABLE, print_exception=False) from error


def _fits(component: Any, value: Any) -> bool:
    """True if a value is of the kind of its component; Gradio passes most others on to the handler."""
    if value is None:
        return True
    if isinstance(component, gr.Checkbox):
        return isinstance(value, bool)
    if isinstance(component, gr.Number):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(component, gr.Textbox):
        return isinstance(value, str)
    if isinstance(component, gr.Dropdown):
        items = value if component.multiselect and isinstance(value, list) else [value]
        return not any(isinstance(item, list | dict) for item in items)
    return True


def _paths(value: Any) -> Iterator[str]:
    """The paths of all files within a value."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if isinstance(path := item.get("path"), str):
                yield path
            pending += item.values()
        elif isinstance(item, list):
            pending += item
