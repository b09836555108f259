"""Queries for the collection: gradings of its cards, their titles and prices, and the costs of a submission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from db.schema import Card, CostsEntry, Grading


def add_grading(
    session: Session, *, card_id: int, model_name: str, model_sha256: str, report: Mapping[str, Any]
) -> Grading:
    """Record the grading of a card; the card is in the collection from then on. `report` is the JSON of `grade`."""
    prediction = {key: report[key] for key in ("grade", "expected", "probabilities", "interval", "abstained")}
    grading = Grading(
        card_id=card_id, model_name=model_name, model_sha256=model_sha256, prediction=prediction, report=dict(report)
    )
    session.add(grading)
    session.flush()
    return grading


def collection_cards(session: Session, *, in_bin: bool = False) -> Sequence[Card]:
    """The cards of the collection, oldest first: those outside the bin, or those in it."""
    is_kept = exists().where(Grading.card_id == Card.id)
    in_place = Card.deleted_at.is_not(None) if in_bin else Card.deleted_at.is_(None)
    return session.scalars(select(Card).where(is_kept, in_place).order_by(Card.id)).all()


def gradings_by_card(session: Session, *, card_ids: Sequence[int] | None = None) -> dict[int, list[Grading]]:
    """The gradings of each card, or of some, oldest first, without their reports."""
    by_card: dict[int, list[Grading]] = {}
    query = select(Grading) if card_ids is None else select(Grading).where(Grading.card_id.in_(card_ids))
    for grading in session.scalars(query.order_by(Grading.id)):
        by_card.setdefault(grading.card_id, []).append(grading)
    return by_card


def add_costs(session: Session, *, grading_fee: float, shipping: float, selling_fee: float) -> None:
    """Record the costs of a submission; `selling_fee` is a fraction of the sale price."""
    session.add(CostsEntry(grading_fee=grading_fee, shipping=shipping, selling_fee=selling_fee))
    session.flush()


def current_costs(session: Session) -> CostsEntry | None:
    """The costs entered last, or None."""
    return session.scalar(select(CostsEntry).order_by(CostsEntry.id.desc()).limit(1))
