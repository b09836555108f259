"""Terminal output of a training run, and stopping it by a signal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.runs.worker import StopSignal, epoch_line
from app.terminal import ProgressMeter, print_message
from engine.events import EpochDone, Event, Finished, Notice, Progress, Stopped


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns True once Ctrl-C or a shutdown has asked the process to stop."""
    signal = StopSignal()
    with signal.handle_signals():
        yield lambda: signal.requested


def print_events(events: Iterator[Event]) -> dict[str, Any]:
    """Print a run's events to the terminal; returns the result that `train` prints."""
    meter = ProgressMeter()
    for event in events:
        if isinstance(event, Progress):
            meter(f"{event.step}, epoch {event.epoch}" if event.epoch else event.step, event.done, event.total)
        elif isinstance(event, Notice):
            print_message(event.text)
        elif isinstance(event, EpochDone):
            print_message(epoch_line(event))
        elif isinstance(event, Stopped):
            return {"stopped": True, "epoch": event.epoch, "checkpoint": str(event.checkpoint or "")}
        elif isinstance(event, Finished):
            return {"model": str(event.model.absolute()), **event.summary}
    raise AssertionError("a run must end with Stopped or Finished")
