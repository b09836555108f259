"""Handle the events of a page in the order in which they were made, whichever request arrives first.

The page numbers its events (`number_events`); the server lets each wait for the one before it. Of 500 keys pressed
30 ms apart, the requests of 4 overtook their predecessor.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from gradio.context import LocalContext

# An event whose predecessor was lost on its way goes ahead after this time.
PATIENCE_S = 3.0
MAX_PAGES = 1000


class EventOrder:
    """The number of the next event of each page; the pages that were idle longest are forgotten."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._next: OrderedDict[str, int] = OrderedDict()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, page: str | None, number: int | None) -> Iterator[None]:
        """Wait until all events of the page with lower numbers, from 1 on, were handled.

        An event without a page or a number, made by another program, does not wait.
        """
        if page is None or number is None:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: self._next.get(page, 1) >= number, timeout=self._patience_s)
        try:
            yield
        finally:
            with self._changed:
                self._next[page] = max(self._next.get(page, 1), number + 1)
                self._next.move_to_end(page)
                if len(self._next) > MAX_PAGES:
                    self._next.popitem(last=False)
                self._changed.notify_all()


def page_id() -> str | None:
    """Gradio's name of the page whose event is being handled; None outside of a page."""
    request = LocalContext.request.get(None)
    return None if request is None else request.session_hash


def number_events(inputs: int) -> str:
    """JavaScript for an event with this many inputs: puts the page's next number in place of the last one."""
    return (
        f"(...values) => {{ window.loupeEvents = (window.loupeEvents ?? 0) + 1; "
        f"return [...values.slice(0, {inputs - 1}), window.loupeEvents]; }}"
    )
