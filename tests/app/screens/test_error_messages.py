"""What a person can mend is one sentence on the page; a fault of the program stays a fault."""

import gradio as gr
import pytest

from app.errors import MENDABLE
from app.screens.error_messages import plainly


@pytest.mark.parametrize("kind", MENDABLE)
def test_a_mendable_error_becomes_its_sentence_on_the_page(kind):
    @plainly
    def handler():
        raise kind("lay the card flat")

    with pytest.raises(gr.Error) as shown:
        handler()
    assert shown.value.message == "lay the card flat"
    assert isinstance(shown.value.__cause__, kind)


@pytest.mark.parametrize("kind", [ValueError, KeyError, RuntimeError, OSError])
def test_any_other_error_is_let_through(kind):
    @plainly
    def handler():
        raise kind("a fault")

    with pytest.raises(kind, match="a fault"):
        handler()


def test_what_a_handler_takes_gives_and_is_called_stays_as_it_was():
    @plainly
    def add(one: int, *, two: int) -> int:
        """Add."""
        return one + two

    assert add(1, two=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Add.")
