"""Which card a labeler sees next: an order of all cards, and one step forwards or backwards in it."""

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
    """The card beside `after` in the order, or None at its end.

    after             a card's row id; None: the first card of the order (backwards: the last)
    grade             only cards that hold this grade, in the order of their ids
    unlabelled_only   only cards with neither grade nor qualifier, in the order of their ids
    By default all cards, the unlabelled first, each part in the order of its ids: a place that no label of another
    card moves.
    """
    label = ranked_labels()
    labelled = label.c.grade.is_not(None) | label.c.qualifier.is_not(None)
    order = (
        select(Card.id, label.c.grade, case((labelled, 1), else_=0).label("labelled"))
        .join_from(Card, label, (label.c.card_id == Card.id) & (label.c.place == 1), isouter=True)
        .cte("label_order")
    )
    wanted = select(Card).join(order, order.c.id == Card.id)
    key = [order.c.labelled, order.c.id]
    if grade is not None:
        wanted, key = wanted.where(order.c.grade == grade), [order.c.id]
    if unlabelled_only:
        wanted, key = wanted.where(order.c.labelled == 0), [order.c.id]
    if after is not None:
        here = session.execute(select(*key).where(order.c.id == after)).one()
        wanted = wanted.where(tuple_(*key) < tuple_(*here) if backwards else tuple_(*key) > tuple_(*here))
    return session.scalar(wanted.order_by(*[column.desc() if backwards else column for column in key]).limit(1))
