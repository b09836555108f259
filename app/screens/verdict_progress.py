"""Lines in the place of the verdict before there is one, as HTML. Imports nothing slow."""

from __future__ import annotations

from html import escape

# The page marks the verdict as busy while it holds this element, see page.py.
BUSY = '<span class="busy" aria-hidden="true"></span>'


def progress_html(text: str) -> str:
    """A line that says what is being done, with a moving bar."""
    return f'<p class="to-come">{BUSY}{escape(text)}</p>'


def message_html(head: str, sentence: str) -> str:
    """A heading and a sentence."""
    return f'<h2>{escape(head)}</h2><p class="advice">{escape(sentence)}</p>'
