"""Queries for the bin: move cards into it, take them out, and delete those in it for good."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from db.append_only import EMPTIES_BIN
from db.query_parts import query_parts
from db.schema import Card, CardPrediction, Grading, LabelClaim, LabelEvent, LinesEvent, Picture, utc_now


def move_to_bin(session: Session, *, card_ids: Sequence[int]) -> int:
    """Move cards to the bin; returns the number of those that were not in it."""
    moved = update(Card).where(Card.deleted_at.is_(None)).values(deleted_at=utc_now()).returning(Card.id)
    return sum(len(session.scalars(moved.where(Card.id.in_(part))).all()) for part in query_parts(card_ids))


def restore(session: Session, *, card_ids: Sequence[int] | None = None) -> int:
    """Take cards out of the bin, by default all; returns their number."""
    restored = update(Card).where(Card.deleted_at.is_not(None)).values(deleted_at=None).returning(Card.id)
    if card_ids is None:
        return len(session.scalars(restored).all())
    return sum(len(session.scalars(restored.where(Card.id.in_(part))).all()) for part in query_parts(card_ids))


def cards_in_bin(session: Session) -> list[int]:
    """Row ids of the cards in the bin."""
    return list(session.scalars(select(Card.id).where(Card.deleted_at.is_not(None))))


def empty_bin(session: Session, *, card_ids: Sequence[int]) -> list[Picture]:
    """Delete those of the cards that are in the bin, with their gradings, labels and lines.

    Returns the pictures that no card has now; their rows are deleted too, their files are not.
    """
    in_bin = select(Card).where(Card.deleted_at.is_not(None), Card.id.in_(card_ids))
    cards = session.scalars(in_bin).all()
    card_ids = [card.id for card in cards]
    pictures = {picture.id: picture for card in cards for picture in card.pictures}
    shared = select(Card).where(or_(Card.front_id.in_(pictures), Card.back_id.in_(pictures)))
    still_used = {
        picture_id
        for card in session.scalars(shared.where(Card.id.not_in(card_ids)))
        for picture_id in (card.front_id, card.back_id)
    }
    unused = [picture for picture in pictures.values() if picture.id not in still_used]
    options = {EMPTIES_BIN: True, "synchronize_session": False}
    for statement in (
        delete(Grading).where(Grading.card_id.in_(card_ids)),
        delete(CardPrediction).where(CardPrediction.card_id.in_(card_ids)),
        delete(LabelClaim).where(LabelClaim.card_id.in_(card_ids)),
        delete(LabelEvent).where(LabelEvent.card_id.in_(card_ids)),
        # While the cards are still there: the triggers let lines go with them only.
        delete(LinesEvent).where(LinesEvent.picture_sha256.in_([picture.sha256 for picture in unused])),
        delete(Card).where(Card.id.in_(card_ids)),
        delete(Picture).where(Picture.id.in_([picture.id for picture in unused])),
    ):
        session.execute(statement, execution_options=options)
    session.expunge_all()
    return unused
