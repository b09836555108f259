"""Queries for labels: an append-only history of events, and the current label of each card.

The current label is the latest one given by a person, or else the latest imported one: by row id, not by time, because
clocks can step back. The card refers to it and keeps what else the queue asks of its history, so that no query looks
through the histories of all cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from db.query_parts import query_parts
from db.schema import Base, Card, LabelEvent, LabelSource

_CARDS = Base.metadata.tables["cards"]
_FACTS = (
    update(_CARDS)
    .where(_CARDS.c.id == bindparam("of_card"))
    .values(
        label_id=bindparam("label"),
        is_reviewed=bindparam("reviewed"),
        lowest_grade=bindparam("lowest"),
        highest_grade=bindparam("highest"),
    )
)


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
    blind: bool = False,
) -> LabelEvent:
    """Record a label event. Neither grade nor qualifier: the label is withdrawn and the card unlabelled again.

    returned  the grading company gave this grade
    unsure    the card is to be looked at again later
    blind     the labeler did not see the earlier labels
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
        blind=blind,
    )
    add_labels(session, events=[event])
    return event


def add_labels(session: Session, *, events: Iterable[LabelEvent]) -> None:
    """Record many label events in one statement, and what their cards keep of their histories."""
    events = list(events)
    session.add_all(events)
    session.flush()
    card_ids = sorted({event.card_id for event in events})
    for part in query_parts(card_ids):
        _keep_facts(session, part)


def _keep_facts(session: Session, card_ids: Sequence[int]) -> None:
    """Find the current label of some cards, who has seen them, and the extremes of each labeler's last grade."""
    columns = (LabelEvent.card_id, LabelEvent.id, LabelEvent.source, LabelEvent.author, LabelEvent.grade)
    query = select(*columns).where(LabelEvent.card_id.in_(card_ids)).order_by(LabelEvent.id)
    current: dict[int, tuple[bool, int]] = {}
    last_grades: dict[int, dict[tuple[str, str], float | None]] = {card_id: {} for card_id in card_ids}
    for card_id, event_id, source, author, grade in session.execute(query):
        current[card_id] = max(current.get(card_id, (False, 0)), (source == "person", event_id))
        last_grades[card_id][source, author] = grade
    rows = []
    for card_id, (is_reviewed, event_id) in current.items():
        grades = [grade for grade in last_grades[card_id].values() if grade is not None]
        extremes = {"lowest": min(grades, default=None), "highest": max(grades, default=None)}
        rows.append({"of_card": card_id, "label": event_id, "reviewed": is_reviewed, **extremes})
    if rows:
        session.connection().execute(_FACTS, rows)


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


def last_event_ids(session: Session, *, card_ids: Sequence[int]) -> dict[int, int]:
    """The row id of the last label event of each of some cards; a card without any event has no entry."""
    last: dict[int, int] = {}
    for part in query_parts(card_ids):
        some = LabelEvent.card_id.in_(part)
        query = select(LabelEvent.card_id, func.max(LabelEvent.id)).where(some).group_by(LabelEvent.card_id)
        last |= {row[0]: row[1] for row in session.execute(query)}
    return last


def label_values(session: Session, *, card_ids: Sequence[int]) -> dict[int, tuple[float | None, str | None, bool]]:
    """Grade, qualifier and doubt of the current label of some cards, by row id; without those in the bin."""
    columns = select(Card.id, LabelEvent.grade, LabelEvent.qualifier, LabelEvent.unsure)
    query = columns.join_from(Card, LabelEvent, LabelEvent.id == Card.label_id, isouter=True)
    found: dict[int, tuple[float | None, str | None, bool]] = {}
    for part in query_parts(card_ids):
        some = query.where(Card.deleted_at.is_(None), Card.id.in_(part))
        for card_id, grade, qualifier, unsure in session.execute(some):
            found[card_id] = (grade, qualifier, bool(unsure))
    return found


def named_events(session: Session) -> Sequence[Row[str, LabelEvent]]:
    """(name, event) of all label events of the cards outside the bin: card by card, oldest first."""
    query = select(Card.name, LabelEvent).join(Card, Card.id == LabelEvent.card_id).where(Card.deleted_at.is_(None))
    return session.execute(query.order_by(Card.id, LabelEvent.id)).all()


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
