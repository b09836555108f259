"""User errors, and a full disk, as messages on the page; any other exception is a bug and propagates."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gradio as gr

from app.errors import user_message

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def show_user_errors(handler: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a Gradio handler: raise its user errors as `gr.Error` with their message, which Gradio shows as HTML."""

    @wraps(handler)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            raise gr.Error(html.escape(message, quote=False), print_exception=False) from error

    return wrapper
