"""Order of the cards in the labeling queue, and one step forwards or backwards in it."""

from __future__ import annotations

from sqlalchemy import case, select, tuple_
from sqlalchemy.orm import Session

from db.labels import ranked_labels
from db.schema import Card


def step(
    session: Session,
    *,
    after: int | None,
    grade: float | None = None,
    unlabelled_only: bool = False,
    backwards: bool = False,
) -> Card | None:
    """The next card after `after` (backwards: the previous one), or None at the end.

    after             a card's row id; None: the first card of the order (backwards: the last)
    grade             only cards with this grade, ordered by id
    unlabelled_only   only cards with neither grade nor qualifier, ordered by id
    By default all cards, the unlabelled first, both parts ordered by id, so that a label moves only its own card.
    """
    label = ranked_labels()
    labelled = label.c.grade.is_not(None) | label.c.qualifier.is_not(None)
    order = (
        select(Card.id, label.c.grade, case((labelled, 1), else_=0).label("labelled"))
        .join_from(Card, label, (label.c.card_id == Card.id) & (label.c.rank == 1), isouter=True)
        .cte("label_order")
    )
    query = select(Card).join(order, order.c.id == Card.id).where(Card.deleted_at.is_(None))
    key = [order.c.labelled, order.c.id]
    if grade is not None:
        query, key = query.where(order.c.grade == grade), [order.c.id]
    if unlabelled_only:
        query, key = query.where(order.c.labelled == 0), [order.c.id]
    if after is not None:
        position = session.execute(select(*key).where(order.c.id == after)).one()
        query = query.where(tuple_(*key) < tuple_(*position) if backwards else tuple_(*key) > tuple_(*position))
    return session.scalar(query.order_by(*[column.desc() if backwards else column for column in key]).limit(1))
