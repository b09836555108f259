"""Changes of many cards at once that one undo takes back: labels, and cards moved to the bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from app.labels.undo import Changes
from app.markdown import counted
from app.settings import UserError
from db import card_bin, labels
from db.schema import LabelEvent
from db.session import Session

# Cards changed in one transaction: others who label wait no longer than about a quarter of a second.
MAX_CARDS_AT_ONCE = 2000
NOTHING = "there is nothing on this page to undo"

Kind = Literal["label", "remove", "bin"]


@dataclass(frozen=True)
class BulkAct:
    """An act that was carried out in parts.

    number  of the act on its page
    parts   of `Changes` that belong to it
    binned  row ids of the cards that it moved to the bin
    """

    number: int
    kind: Kind
    parts: int = 0
    binned: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Numbers of cards that an act, or a part of it, has changed and has left as they are.

    left  numbers of cards that are still to be taken back
    """

    changed: int
    unchanged: int = 0
    left: int = 0


@dataclass(frozen=True)
class BulkActs:
    """The acts of a page, the last one last, and the label changes among them."""

    acts: tuple[BulkAct, ...] = ()
    changes: Changes = field(default_factory=Changes)

    def label(
        self,
        session: Session,
        card_ids: Sequence[int],
        *,
        number: int,
        grade: float | None,
        qualifier: str | None,
        author: str,
    ) -> tuple[Outcome, BulkActs]:
        """Give cards a label, or remove it with neither grade nor qualifier; a card with that label stays as it is.

        Returns what was changed and the acts that are in effect after the commit. The parts of one act have one number.
        """
        before = labels.label_values(session, card_ids=card_ids)
        wanted = (grade, qualifier, False)
        others = {card_id: value for card_id, value in before.items() if value != wanted}
        given = {"grade": grade, "qualifier": qualifier, "source": "person", "author": author}
        events = [LabelEvent(card_id=card_id, **given) for card_id in others]
        labels.add_labels(session, events=events)
        outcome = Outcome(len(events), len(before) - len(events))
        if not events:
            return outcome, self
        changes = self.changes.with_labels((others[event.card_id], event) for event in events)
        kind: Kind = "remove" if (grade, qualifier) == (None, None) else "label"
        earlier, act = self._act(number, kind)
        return outcome, BulkActs((*earlier, replace(act, parts=act.parts + 1)), changes)

    def move_to_bin(self, session: Session, card_ids: Sequence[int], *, number: int) -> tuple[Outcome, BulkActs]:
        """Move cards to the bin; returns as `label`."""
        there = tuple(labels.label_values(session, card_ids=card_ids))
        card_bin.move_to_bin(session, card_ids=there)
        if not there:
            return Outcome(0), self
        earlier, act = self._act(number, "bin")
        return Outcome(len(there)), replace(self, acts=(*earlier, replace(act, binned=(*act.binned, *there))))

    def undo(self, session: Session, *, author: str) -> tuple[Outcome, BulkActs]:
        """Take back the last act, or the last part of it; `left` is 0 with the last part. Raises UserError."""
        if not self.acts:
            raise UserError(NOTHING)
        *earlier, act = self.acts
        if act.kind == "bin":
            some, rest = act.binned[-MAX_CARDS_AT_ONCE:], act.binned[:-MAX_CARDS_AT_ONCE]
            restored = card_bin.restore(session, card_ids=some)
            outcome = Outcome(restored, len(some) - restored, len(rest))
            remaining = replace(act, binned=rest)
            changes = self.changes
        else:
            cards = len(self.changes.done[-1]) if self.changes.done else 0
            undone, changes = self.changes.undo(session, author)
            changed = 0 if isinstance(undone, str) else len(undone)
            left = sum(map(len, changes.done[-(act.parts - 1) :])) if act.parts > 1 else 0
            outcome, remaining = Outcome(changed, cards - changed, left), replace(act, parts=act.parts - 1)
        return outcome, BulkActs((*earlier, *([remaining] if outcome.left else [])), changes)

    @property
    def next_undo(self) -> str:
        """The act that an undo takes back, in words; "" without one."""
        return (
            {"label": "the grade", "remove": "the removed labels", "bin": "the cards in the bin"}[self.acts[-1].kind]
            if self.acts
            else ""
        )

    def _act(self, number: int, kind: Kind) -> tuple[tuple[BulkAct, ...], BulkAct]:
        """The acts before the one with this number, and that act, new if this is its first part."""
        if self.acts and (self.acts[-1].number, self.acts[-1].kind) == (number, kind):
            return self.acts[:-1], self.acts[-1]
        return self.acts, BulkAct(number, kind)


def outcome_text(kind: Kind, wanted: str, outcome: Outcome) -> str:
    """A sentence on what an act has done: "41 cards are 9 Mint now; 3 were that before."."""
    one = outcome.changed == 1
    cards = counted(outcome.changed)
    done = {
        "label": f"{cards} {'is' if one else 'are'} {wanted} now",
        "remove": f"{cards} {'has' if one else 'have'} no label now",
        "bin": f"{cards} {'is' if one else 'are'} in the bin now",
    }[kind]
    same = {"label": "had that label before", "remove": "had none before", "bin": "were there before"}[kind]
    head = f"{done}; {outcome.unchanged} {same}." if outcome.unchanged else f"{done}."
    return f"{head} The Collection tab shows the bin." if kind == "bin" else head


def undone_text(outcome: Outcome) -> str:
    """A sentence on what an undo has done."""
    head = f"Undone: {counted(outcome.changed)} {'is' if outcome.changed == 1 else 'are'} as before."
    if not outcome.unchanged:
        return head
    stay = "stays" if outcome.unchanged == 1 else "stay"
    return f"{head} {counted(outcome.unchanged)} with another change since {stay} so."
