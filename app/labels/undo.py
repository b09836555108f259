"""Undo and redo of labels: an event that gives a card the label it had before, for the history only grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from db import labels
from db.schema import LabelEvent
from db.session import Session

# Changes of one page that it remembers; older ones stay as they are.
MAX_CHANGES = 200_000
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


# Changes that were made together and are taken back together.
_Act = tuple[_Change, ...]


@dataclass(frozen=True)
class Changes:
    """The labels that a page has given and taken back, the last act last."""

    done: tuple[_Act, ...] = ()
    undone: tuple[_Act, ...] = ()

    def with_label(self, before: LabelEvent | None, event: LabelEvent) -> Changes:
        """The changes after a new label; what was undone before cannot be given again."""
        return self.with_labels([(_label(before), event)])

    def with_labels(self, changed: Iterable[tuple[Label, LabelEvent]]) -> Changes:
        """The changes after one act that gave many cards a label: each card's label before it, and the new event."""
        act = tuple(_Change(event.card_id, before, _label(event), event.id) for before, event in changed)
        done = (*self.done, act)
        while len(done) > 1 and sum(map(len, done)) > MAX_CHANGES:
            done = done[1:]
        return Changes(done)

    def undo(self, session: Session, author: str) -> tuple[list[int] | str, Changes]:
        """Give the cards of the last act the labels before it.

        Returns the row ids of the cards, or why none is undone, and the changes that are in effect after the commit.
        A card that has got another label since keeps it.
        """
        if not self.done:
            return NOTHING, self
        *others, act = self.done
        events = _new_events(session, act, {change.card_id: change.before for change in act}, author, "undo")
        if not events:
            return CHANGED_SINCE, Changes(tuple(others), self.undone)
        undone = (*_after(self.undone, events), _follow(act, events))
        return list(events), Changes(_after(others, events), undone)

    def redo(self, session: Session, author: str) -> tuple[list[int] | str, Changes]:
        """Give the labels of the act that was undone last again; returns as `undo`."""
        if not self.undone:
            return NOTHING_AGAIN, self
        *others, act = self.undone
        events = _new_events(session, act, {change.card_id: change.after for change in act}, author, "redo")
        if not events:
            return CHANGED_SINCE, Changes(self.done, tuple(others))
        done = (*_after(self.done, events), _follow(act, events))
        return list(events), Changes(done, _after(others, events))


def _new_events(
    session: Session, act: _Act, label_of: Mapping[int, Label], author: str, note: str
) -> dict[int, LabelEvent]:
    """Record labels for the cards of an act, by card; without those that have got another label since."""
    last_events = labels.last_event_ids(session, card_ids=[change.card_id for change in act])
    events = {}
    for card_id in (change.card_id for change in act if last_events.get(change.card_id) == change.last_event):
        grade, qualifier, unsure = label_of[card_id]
        given: dict[str, Any] = {"grade": grade, "qualifier": qualifier, "unsure": unsure}
        events[card_id] = LabelEvent(card_id=card_id, source="person", author=author, note=note, **given)
    labels.add_labels(session, events=events.values())
    return events


def _after(acts: Iterable[_Act], events: Mapping[int, LabelEvent]) -> tuple[_Act, ...]:
    """The acts, their cards with the new last events: they can be undone and redone after these."""
    return tuple(
        tuple(
            replace(change, last_event=events[change.card_id].id) if change.card_id in events else change
            for change in act
        )
        for act in acts
    )


def _follow(act: _Act, events: Mapping[int, LabelEvent]) -> _Act:
    """The changes of an act that were taken back, with the new last events of their cards."""
    [followed] = _after([tuple(change for change in act if change.card_id in events)], events)
    return followed


def _label(event: LabelEvent | None) -> Label:
    return (None, None, False) if event is None else (event.grade, event.qualifier, event.unsure)
