"""User errors become messages on the page; other exceptions propagate."""

import gradio as gr
import pytest

from app.errors import USER_ERRORS
from app.screens.error_messages import show_user_errors


@pytest.mark.parametrize("kind", USER_ERRORS)
def test_a_user_error_becomes_its_message_on_the_page(kind):
    @show_user_errors
    def handler():
        raise kind("lay the card flat")

    with pytest.raises(gr.Error) as raised:
        handler()
    assert raised.value.message == "lay the card flat"
    assert isinstance(raised.value.__cause__, kind)


@pytest.mark.parametrize("kind", [ValueError, KeyError, RuntimeError, OSError])
def test_any_other_error_propagates(kind):
    @show_user_errors
    def handler():
        raise kind("a fault")

    with pytest.raises(kind, match="a fault"):
        handler()


def test_a_decorated_handler_keeps_its_parameters_result_and_name():
    @show_user_errors
    def add(first: int, *, second: int) -> int:
        """Add."""
        return first + second

    assert add(1, second=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Add.")
