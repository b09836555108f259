"""Labeling desk component: a card to zoom into, and the buttons and keys of every decision about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from app.labels.queue_orders import CHOSEN
from app.screens.html_component import html_component
from app.screens.private_paths import PrivatePaths
from app.screens.security import is_local
from engine.cards.grades import NO_GRADES, QUALIFIERS


def label_desk(
    functions: Sequence[Callable[[Any], Any]], value: dict[str, Any], private_paths: PrivatePaths
) -> gr.HTML:
    """The component; its value is that of `desk_value`, its functions are those of LabelDesk.

    private_paths  of the server, which their answers do not name
    """
    hidden = without_paths(functions, private_paths)
    return html_component(__file__, "label-desk", value=value, server_functions=hidden)


def without_paths(functions: Sequence[Callable[[Any], Any]], private_paths: PrivatePaths) -> list[Callable[[Any], Any]]:
    """The functions of a component, whose answers do not name private paths to other machines."""
    return [_without_paths(function, private_paths) for function in functions]


def _without_paths(function: Callable[[Any], Any], private_paths: PrivatePaths) -> Callable[[Any], Any]:
    def answer(value: Any) -> Any:
        request = LocalContext.request.get(None)
        return private_paths.hide_in(function(value), is_local=request is None or is_local(request))

    answer.__name__ = function.__name__
    return answer


def desk_value(entry: str, version: str, *, has_login: bool) -> dict[str, Any]:
    """Value of the desk's script: the queue to open, which it opens again when `version` changes."""
    return {
        "entry": entry,
        "version": version,
        "qualifiers": list(QUALIFIERS.items()),
        "no_grades": list(NO_GRADES.items()),
        "has_login": has_login,
        "chosen_entry": CHOSEN,
    }
