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
    return _raise_user_errors(handler, lambda message: html.escape(message, quote=False))


def answer_user_errors(handler: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate an endpoint of the API: as `show_user_errors`, but the message is plain text."""
    return _raise_user_errors(handler, str)


def _raise_user_errors(
    handler: Callable[Parameters, Result], written: Callable[[str], str]
) -> Callable[Parameters, Result]:
    @wraps(handler)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            raise gr.Error(written(message), print_exception=False) from error

    return wrapper
