"""Labeling queue: unlabelled cards first, or filtered by grade."""

from __future__ import annotations

from dataclasses import dataclass

from db.label_queue import step
from db.schema import Card
from db.session import Session


@dataclass(frozen=True)
class QueueFilter:
    """Filter of the queue: cards of one grade, cards without a label, or (by default) all."""

    grade: float | None = None
    unlabelled_only: bool = False


ALL_CARDS = QueueFilter()


def first_card(session: Session, *, filter: QueueFilter = ALL_CARDS) -> Card | None:
    """The first card, or None if no card passes the filter."""
    return step(session, after=None, grade=filter.grade, unlabelled_only=filter.unlabelled_only)


def next_card(session: Session, *, after: int, filter: QueueFilter = ALL_CARDS) -> Card | None:
    """The card after the one with row id `after`, or None at the end.

    Without a filter, call it before the label of `after` is written: a label moves its card in the order. With a filter
    the order is by id.
    """
    return step(session, after=after, grade=filter.grade, unlabelled_only=filter.unlabelled_only)


def previous_card(session: Session, *, after: int, filter: QueueFilter = ALL_CARDS) -> Card | None:
    """The card before the one with row id `after`, or None at the beginning."""
    return step(session, after=after, grade=filter.grade, unlabelled_only=filter.unlabelled_only, backwards=True)
