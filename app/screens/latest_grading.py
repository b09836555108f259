"""The latest grading of a page: what an earlier one still computes is not shown.

Gradio's own `cancels` is not used: until the server has stopped a cancelled event, the page ignores further presses of
its button, and then takes the event for failed.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

Part = TypeVar("Part")
POLL_S, MAX_DELIVERY_S = 0.01, 5.0


@dataclass
class LatestGrading:
    """The number of a page's latest grading, 0 before the first one."""

    number: int = 0
    in_delivery: bool = False

    def begin(self, updates: Iterable[dict[Part, Any]], nothing: dict[Part, Any]) -> Iterator[dict[Part, Any]]:
        """Number a new grading; yields its updates until another one begins or `give_up` is called.

        Each yielded update has all that came before it too: of two that arrive at once, the page applies the last only.

        nothing  the update that changes nothing, yielded last by a grading that was dropped, because Gradio sends the
                 last one a second time
        """
        self.number = number = self.number + 1
        all_so_far: dict[Part, Any] = {}
        try:
            for update in updates:
                all_so_far |= update
                # True before the number is compared: `give_up` changes the number first, then waits.
                self.in_delivery = True
                if number != self.number:
                    break
                yield dict(all_so_far)
                self.in_delivery = False
        except Exception:
            if number == self.number:
                raise
            traceback.print_exc()  # a bug, but not of the pictures that the page shows now
        finally:
            self.in_delivery = False
        if number != self.number:
            yield nothing

    def give_up(self) -> None:
        """Drop the grading under way; returns when its last update is on its way to the page, before what follows."""
        self.number += 1
        began = time.monotonic()
        while self.in_delivery and time.monotonic() - began < MAX_DELIVERY_S:
            time.sleep(POLL_S)
