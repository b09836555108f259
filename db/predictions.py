"""Queries for the models' predictions of cards, by which the labeling queue ranks them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.schema import Card, CardPrediction


def add_predictions(session: Session, *, predictions: Sequence[CardPrediction]) -> None:
    """Record predictions; each card has at most one of a model."""
    session.add_all(predictions)
    session.flush()


def cards_without_prediction(session: Session, *, model_sha256: str) -> Sequence[Card]:
    """The cards outside the bin that this model has not been asked about, by id."""
    asked = select(CardPrediction.card_id).where(CardPrediction.model_sha256 == model_sha256)
    query = select(Card).where(Card.deleted_at.is_(None), Card.id.not_in(asked)).order_by(Card.id)
    return session.scalars(query).all()


def predictions_of(session: Session, *, model_sha256: str) -> dict[int, tuple[bytes | None, str]]:
    """Probabilities and problem of every card that this model was asked about, by the card's row id."""
    columns = (CardPrediction.card_id, CardPrediction.probabilities, CardPrediction.problem)
    query = select(*columns).where(CardPrediction.model_sha256 == model_sha256)
    return {card_id: (probabilities, problem) for card_id, probabilities, problem in session.execute(query)}
