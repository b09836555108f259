"""What each card has been called: an append-only history, and the label that holds now.

The label that holds is a person's latest word, or else the latest import.
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
    note: str = "",
) -> LabelEvent:
    """Record a judgement. Neither grade nor qualifier: the label is taken back, the card is unlabelled again."""
    event = LabelEvent(card_id=card_id, grade=grade, qualifier=qualifier, source=source, note=note)
    add_labels(session, events=[event])
    return event


def add_labels(session: Session, *, events: Iterable[LabelEvent]) -> None:
    """Record many judgements in one statement."""
    session.add_all(events)
    session.flush()


def ranked_labels() -> Subquery:
    """Every event as (id, card_id, grade, qualifier, place); place 1 is the one that holds for its card.

    Order is by id, not by time: clocks step back, ids do not.
    """
    word_of_person = case((LabelEvent.source == "person", 0), else_=1)
    place = func.row_number().over(partition_by=LabelEvent.card_id, order_by=(word_of_person, LabelEvent.id.desc()))
    columns = (LabelEvent.id, LabelEvent.card_id, LabelEvent.grade, LabelEvent.qualifier)
    return select(*columns, place.label("place")).subquery()


def current_labels(session: Session) -> dict[int, LabelEvent]:
    """The label that holds for each card, by the card's row id; a card without any event has no entry."""
    ranked = ranked_labels()
    holding = select(LabelEvent).join(ranked, ranked.c.id == LabelEvent.id).where(ranked.c.place == 1)
    return {event.card_id: event for event in session.scalars(holding)}


def current_label(session: Session, *, card_id: int) -> LabelEvent | None:
    """The label that holds for one card."""
    word_of_person = case((LabelEvent.source == "person", 0), else_=1)
    events = select(LabelEvent).where(LabelEvent.card_id == card_id)
    return session.scalar(events.order_by(word_of_person, LabelEvent.id.desc()).limit(1))


def label_history(session: Session, *, card_id: int) -> Sequence[LabelEvent]:
    """All that was ever said about one card, oldest first."""
    return session.scalars(select(LabelEvent).where(LabelEvent.card_id == card_id).order_by(LabelEvent.id)).all()


def last_imports(session: Session, *, card_ids: Sequence[int]) -> dict[int, LabelEvent]:
    """The latest import event of each of some cards, whatever a person said since."""
    last = (
        select(func.max(LabelEvent.id))
        .where(LabelEvent.source == "import", LabelEvent.card_id.in_(card_ids))
        .group_by(LabelEvent.card_id)
    )
    return {event.card_id: event for event in session.scalars(select(LabelEvent).where(LabelEvent.id.in_(last)))}


def count_by_grade(session: Session) -> dict[float | None, int]:
    """How many cards hold each grade; None counts those without, unlabelled or given none. Sums to all cards."""
    label = ranked_labels()
    holds = (label.c.card_id == Card.id) & (label.c.place == 1)
    grades = select(label.c.grade, func.count(Card.id)).join_from(Card, label, holds, isouter=True)
    return {row[0]: row[1] for row in session.execute(grades.group_by(label.c.grade))}
