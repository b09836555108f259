"""Page whose handlers get only values that its components can hold, and only files that were uploaded to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

UNUSABLE = "The page sent a value that cannot be used; reload the page"


class CheckedBlocks(gr.Blocks):
    """Gradio's Blocks; an unusable value from a browser ends in one sentence, and no value makes it fetch a URL."""

    async def preprocess_data(self, block_fn: Any, inputs: Any, state: Any, explicit_call: bool = False) -> Any:
        """Convert the values of an event for its handler. Raises gr.Error if one cannot be used."""
        # Gradio would download what a URL names.
        if not all(map(_fits, block_fn.inputs, inputs)) or any("://" in path for path in _paths(inputs)):
            raise gr.Error(UNUSABLE, print_exception=False)
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        # Whatever Gradio's components raise for a value of the wrong kind, and for a path outside the upload folder.
        except (gr.Error, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise gr.Error(UNUSABLE, print_exception=False) from error


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
        return not isinstance(value, list | dict)
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
