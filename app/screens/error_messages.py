"""User errors as messages on the page; any other exception is a bug and propagates."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gradio as gr

from app.errors import USER_ERRORS

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def show_user_errors(handler: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a Gradio handler: raise its user errors as `gr.Error` with their message."""

    @wraps(handler)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return handler(*args, **kwargs)
        except USER_ERRORS as error:
            raise gr.Error(str(error), print_exception=False) from error

    return wrapper
