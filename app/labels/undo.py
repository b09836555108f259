"""Undo and redo of labels: an event that gives a card the label it had before, for the history only grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from db import labels
from db.schema import LabelEvent
from db.session import Session

# Of one page; older changes stay as they are.
MAX_CHANGES = 1000
NOTHING = "There is no label of this page to undo."
NOTHING_AGAIN = "There is no label of this page to give again."
CHANGED_SINCE = "Not undone: the card has got another label since, from someone else or another page."

# Grade, qualifier, and whether the labeler was unsure; neither grade nor qualifier without a label.
Label = tuple[float | None, str | None, bool]


@dataclass(frozen=True)
class _Change:
    """A label event of the page: the card, its label before and after it, and the row id of the card's last event."""

    card_id: int
    before: Label
    after: Label
    last_event: int


@dataclass(frozen=True)
class Changes:
    """The labels that a page has given and taken back, the last one last."""

    done: tuple[_Change, ...] = ()
    undone: tuple[_Change, ...] = ()

    def with_label(self, before: LabelEvent | None, event: LabelEvent) -> Changes:
        """The changes after a new label; what was undone before cannot be given again."""
        change = _Change(event.card_id, _label(before), _label(event), event.id)
        return Changes((*self.done, change)[-MAX_CHANGES:])

    def undo(self, session: Session, author: str) -> tuple[int | str, Changes]:
        """Give the card of the last label the one before.

        Returns the card's row id, or why it is not undone, and the changes that are in effect after the commit.
        """
        if not self.done:
            return NOTHING, self
        *others, change = self.done
        event = _new_event(session, change, change.before, author, "undo")
        if event is None:
            return CHANGED_SINCE, Changes(tuple(others), self.undone)
        return change.card_id, Changes(_after(others, event), (*_after(self.undone, event), _follow(change, event)))

    def redo(self, session: Session, author: str) -> tuple[int | str, Changes]:
        """Give the label that was undone last again; returns as `undo`."""
        if not self.undone:
            return NOTHING_AGAIN, self
        *others, change = self.undone
        event = _new_event(session, change, change.after, author, "redo")
        if event is None:
            return CHANGED_SINCE, Changes(self.done, tuple(others))
        return change.card_id, Changes((*_after(self.done, event), _follow(change, event)), _after(others, event))


def _new_event(session: Session, change: _Change, label: Label, author: str, note: str) -> LabelEvent | None:
    """Record the label for the card of a change; None if the card has got another label since."""
    events = labels.label_history(session, card_id=change.card_id)
    if not events or events[-1].id != change.last_event:
        return None
    grade, qualifier, unsure = label
    return labels.add_label(
        session,
        card_id=change.card_id,
        grade=grade,
        qualifier=qualifier,
        source="person",
        author=author,
        note=note,
        unsure=unsure,
    )


def _after(changes: Iterable[_Change], event: LabelEvent) -> tuple[_Change, ...]:
    """The changes, those of the event's card with its new last event: they can be undone and redone after it."""
    return tuple(_follow(change, event) if change.card_id == event.card_id else change for change in changes)


def _follow(change: _Change, event: LabelEvent) -> _Change:
    return replace(change, last_event=event.id)


def _label(event: LabelEvent | None) -> Label:
    return (None, None, False) if event is None else (event.grade, event.qualifier, event.unsure)
