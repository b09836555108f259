"""Queries for labels: an append-only history of events, and the current label of each card.

The current label is the latest one given by a person, or else the latest imported one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Subquery, case, func, select
from sqlalchemy.orm import Session

from db.schema import Card, LabelEvent, LabelSource


def add_label(
    session: Session,
    *,
    card_id: int,
    grade: float | None,
    qualifier: str | None = None,
    source: LabelSource,
    author: str = "",
    note: str = "",
    returned: bool = False,
) -> LabelEvent:
    """Record a label event. Neither grade nor qualifier: the label is withdrawn and the card unlabelled again.

    returned  the grading company gave this grade
    """
    event = LabelEvent(
        card_id=card_id,
        grade=grade,
        qualifier=qualifier,
        source=source,
        author=author,
        note=note,
        returned=returned,
    )
    add_labels(session, events=[event])
    return event


def add_labels(session: Session, *, events: Iterable[LabelEvent]) -> None:
    """Record many label events in one statement."""
    session.add_all(events)
    session.flush()


def ranked_labels() -> Subquery:
    """All events as (id, card_id, grade, qualifier, rank); rank 1 is the current label of its card.

    Ordered by id, not by time: clocks can step back, ids cannot.
    """
    person_first = case((LabelEvent.source == "person", 0), else_=1)
    rank = func.row_number().over(partition_by=LabelEvent.card_id, order_by=(person_first, LabelEvent.id.desc()))
    columns = (LabelEvent.id, LabelEvent.card_id, LabelEvent.grade, LabelEvent.qualifier)
    return select(*columns, rank.label("rank")).subquery()


def current_labels(session: Session) -> dict[int, LabelEvent]:
    """The current label of each card, by the card's row id; a card without any event, or in the bin, has no entry."""
    ranked = ranked_labels()
    current = select(LabelEvent).join(ranked, ranked.c.id == LabelEvent.id).where(ranked.c.rank == 1)
    current = current.join(Card, Card.id == LabelEvent.card_id).where(Card.deleted_at.is_(None))
    return {event.card_id: event for event in session.scalars(current)}


def current_label(session: Session, *, card_id: int) -> LabelEvent | None:
    """The current label of a card."""
    person_first = case((LabelEvent.source == "person", 0), else_=1)
    events = select(LabelEvent).where(LabelEvent.card_id == card_id)
    return session.scalar(events.order_by(person_first, LabelEvent.id.desc()).limit(1))


def label_history(session: Session, *, card_id: int) -> Sequence[LabelEvent]:
    """All label events of a card, oldest first."""
    return session.scalars(select(LabelEvent).where(LabelEvent.card_id == card_id).order_by(LabelEvent.id)).all()


def events_by_card(session: Session) -> dict[int, list[LabelEvent]]:
    """All label events, oldest first, by the row id of their card."""
    by_card: dict[int, list[LabelEvent]] = {}
    for event in session.scalars(select(LabelEvent).order_by(LabelEvent.id)):
        by_card.setdefault(event.card_id, []).append(event)
    return by_card


def last_labels(session: Session, *, card_ids: Sequence[int], source: LabelSource) -> dict[int, LabelEvent]:
    """The latest event of one source for each of some cards, regardless of later labels of the other source."""
    last = (
        select(func.max(LabelEvent.id))
        .where(LabelEvent.source == source, LabelEvent.card_id.in_(card_ids))
        .group_by(LabelEvent.card_id)
    )
    return {event.card_id: event for event in session.scalars(select(LabelEvent).where(LabelEvent.id.in_(last)))}


def count_by_grade(session: Session) -> dict[float | None, int]:
    """Number of cards per current grade; None counts the cards without a grade. Sums to all cards outside the bin."""
    label = ranked_labels()
    is_current = (label.c.card_id == Card.id) & (label.c.rank == 1)
    grades = select(label.c.grade, func.count(Card.id)).join_from(Card, label, is_current, isouter=True)
    counted = grades.where(Card.deleted_at.is_(None)).group_by(label.c.grade)
    return {row[0]: row[1] for row in session.execute(counted)}


def returned_labels(session: Session) -> dict[int, list[LabelEvent]]:
    """The grades that came back from the grading company, oldest first, by card; without cards in the bin.

    A withdrawn one has neither grade nor qualifier.
    """
    query = select(LabelEvent).join(Card, Card.id == LabelEvent.card_id)
    query = query.where(LabelEvent.returned, Card.deleted_at.is_(None)).order_by(LabelEvent.id)
    by_card: dict[int, list[LabelEvent]] = {}
    for event in session.scalars(query):
        by_card.setdefault(event.card_id, []).append(event)
    return by_card
