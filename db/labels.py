"""Queries for labels: an append-only history of events, and the current label of each card.

The current label is the latest one given by a person, or else the latest imported one: by row id, not by time, because
clocks can step back. The card refers to it, so that no query looks through the histories of all cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Boolean, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from db.schema import Base, Card, LabelEvent, LabelSource

CARDS = Base.metadata.tables["cards"]


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
    unsure: bool = False,
) -> LabelEvent:
    """Record a label event. Neither grade nor qualifier: the label is withdrawn and the card unlabelled again.

    returned  the grading company gave this grade
    unsure    the card is to be looked at again later
    """
    event = LabelEvent(
        card_id=card_id,
        grade=grade,
        qualifier=qualifier,
        source=source,
        author=author,
        note=note,
        returned=returned,
        unsure=unsure,
    )
    add_labels(session, events=[event])
    return event


def add_labels(session: Session, *, events: Iterable[LabelEvent]) -> None:
    """Record many label events in one statement, and the current label of their cards."""
    events = list(events)
    session.add_all(events)
    session.flush()
    by_person = select(LabelEvent.id).where(LabelEvent.id == CARDS.c.label_id, LabelEvent.source == "person").exists()
    is_person = bindparam("is_person", type_=Boolean())
    point = update(CARDS).where(CARDS.c.id == bindparam("of_card"), or_(is_person, ~by_person))
    rows = [{"of_card": event.card_id, "is_person": event.source == "person", "new": event.id} for event in events]
    if rows:
        session.connection().execute(point.values(label_id=bindparam("new")), rows)


def current_labels(session: Session) -> dict[int, LabelEvent]:
    """The current label of each card, by the card's row id; a card without any event, or in the bin, has no entry."""
    current = select(LabelEvent).join(Card, Card.label_id == LabelEvent.id).where(Card.deleted_at.is_(None))
    return {event.card_id: event for event in session.scalars(current)}


def current_label(session: Session, *, card_id: int) -> LabelEvent | None:
    """The current label of a card."""
    return session.scalar(select(LabelEvent).join(Card, Card.label_id == LabelEvent.id).where(Card.id == card_id))


def label_history(session: Session, *, card_id: int) -> Sequence[LabelEvent]:
    """All label events of a card, oldest first."""
    return session.scalars(select(LabelEvent).where(LabelEvent.card_id == card_id).order_by(LabelEvent.id)).all()


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
    grades = select(LabelEvent.grade, func.count(Card.id)).join_from(
        Card, LabelEvent, LabelEvent.id == Card.label_id, isouter=True
    )
    counted = grades.where(Card.deleted_at.is_(None)).group_by(LabelEvent.grade)
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
