"""What a terminal is told of a run while it trains, and how it is stopped there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.runs.worker import StopSignal, epoch_line
from app.terminal import Meter, say
from engine.events import EpochDone, Event, Finished, Notice, Progress, Stopped


@contextmanager
def listening() -> Iterator[Callable[[], bool]]:
    """Whether ctrl-C or a shutdown asked what runs meanwhile to stop."""
    stop = StopSignal()
    with stop.listening():
        yield lambda: stop.asked


def follow(events: Iterator[Event]) -> dict[str, Any]:
    """Tell a run's events on the terminal; returns what `train` prints."""
    meter = Meter()
    for event in events:
        if isinstance(event, Progress):
            meter(f"{event.step}, epoch {event.epoch}" if event.epoch else event.step, event.done, event.total)
        elif isinstance(event, Notice):
            say(event.text)
        elif isinstance(event, EpochDone):
            say(epoch_line(event))
        elif isinstance(event, Stopped):
            return {"stopped": True, "epoch": event.epoch, "checkpoint": str(event.checkpoint or "")}
        elif isinstance(event, Finished):
            return {"model": str(event.model.absolute()), **event.summary}
    raise AssertionError("a run ends with Stopped or Finished")
