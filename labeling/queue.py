"""What a labeler sees next: the unlabelled cards first; a filter leafs through one grade, above all a rare one."""

from __future__ import annotations

from dataclasses import dataclass

from db.label_queue import step
from db.schema import Card
from db.session import Session


@dataclass(frozen=True)
class QueueFilter:
    """Which cards to leaf through: those that hold one grade, those without a label, or (by default) all."""

    grade: float | None = None
    unlabelled_only: bool = False


ALL_CARDS = QueueFilter()


def first_card(session: Session, *, filter: QueueFilter = ALL_CARDS) -> Card | None:
    """The first card, None where the filter lets none through."""
    return step(session, after=None, grade=filter.grade, unlabelled_only=filter.unlabelled_only)


def next_card(session: Session, *, after: int, filter: QueueFilter = ALL_CARDS) -> Card | None:
    """The card after the one with row id `after`, None at the end.

    Among all cards, ask before the label of `after` is written: a label moves its card to another place in the
    order. With a filter the order is by id and it does not matter.
    """
    return step(session, after=after, grade=filter.grade, unlabelled_only=filter.unlabelled_only)


def previous_card(session: Session, *, after: int, filter: QueueFilter = ALL_CARDS) -> Card | None:
    """The card before the one with row id `after`, None at the beginning."""
    return step(session, after=after, grade=filter.grade, unlabelled_only=filter.unlabelled_only, backwards=True)
