"""Events of the engine as lines of text and as the result of a command, for the terminal and the log of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from app.terminal import ProgressMeter, print_message
from engine.events import EpochDone, Event, Finished, Notice, Progress, Saved, Stopped

Reported = Notice | Progress | EpochDone | Saved
Last = TypeVar("Last")


def event_line(event: object) -> str:
    """One line of text for an event of interest to the user; "" for any other."""
    if isinstance(event, Notice):
        return event.text
    if isinstance(event, Saved):
        return f"saved {event.path.name} in epoch {event.epoch}"
    if not isinstance(event, EpochDone):
        return ""
    score = event.metrics["qwk"]
    return (
        f"epoch {event.epoch}: train loss {event.train_loss:.4f}, val loss {event.val_loss:.4f}, "
        f"val QWK {'undefined' if score is None else f'{score:.4f}'}, rate {event.learning_rate:.2e}, "
        f"{event.pairs_per_second:.1f} pairs/s, {event.data_wait_share:.0%} waiting for data"
    )


def run_result(event: Stopped | Finished) -> dict[str, Any]:
    """Result that `train` prints, from the last event of a run."""
    if isinstance(event, Stopped):
        return {"stopped": True, "epoch": event.epoch, "checkpoint": str(event.checkpoint or "")}
    return {"model": str(event.model.absolute()), **event.summary}


def print_events(events: Iterator[Reported | Last]) -> Last:
    """Print progress and notices to the terminal, and the epochs of a run; returns the last event, the result."""
    meter = ProgressMeter()
    for event in events:
        if isinstance(event, Progress):
            meter(f"{event.step}, epoch {event.epoch}" if event.epoch else event.step, event.done, event.total)
        elif isinstance(event, Notice | EpochDone):
            print_message(event_line(event))
        elif not isinstance(event, Saved):
            return event
    raise AssertionError("the events must end with a result")


def print_run(events: Iterator[Event]) -> dict[str, Any]:
    """Print a run's events to the terminal; returns the result that `train` prints."""
    last = print_events(events)
    assert isinstance(last, Stopped | Finished)
    return run_result(last)
