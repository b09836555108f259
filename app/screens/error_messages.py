"""Errors written for the user become a message on the page; any other is a fault of the program and stays one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gradio as gr

from app.errors import MENDABLE

Given = ParamSpec("Given")
Result = TypeVar("Result")


def plainly(handler: Callable[Given, Result]) -> Callable[Given, Result]:
    """The handler, its mendable errors shown as one sentence."""

    @wraps(handler)
    def handled(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return handler(*args, **kwargs)
        except MENDABLE as error:
            raise gr.Error(str(error), print_exception=False) from error

    return handled
