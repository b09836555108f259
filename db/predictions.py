"""Queries for the models' predictions of cards, by which the labeling queue ranks them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, delete, func, select
from sqlalchemy.orm import Session

from db.schema import Card, CardPrediction, LabelEvent


def add_predictions(session: Session, *, predictions: Sequence[CardPrediction]) -> None:
    """Record predictions; a card keeps the one that it has of a model: two processes may have asked about it."""
    for prediction in predictions:
        known = prediction_of(session, model_sha256=prediction.model_sha256, card_id=prediction.card_id)
        if known is None:
            session.add(prediction)
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


def labelled_predictions(
    session: Session, *, model_sha256: str
) -> Sequence[Row[int, float | None, str | None, bytes | None]]:
    """(card id, grade, qualifier, probabilities) of the cards outside the bin with a label that a model has graded."""
    columns = select(Card.id, LabelEvent.grade, LabelEvent.qualifier, CardPrediction.probabilities)
    query = columns.join(LabelEvent, LabelEvent.id == Card.label_id).join(
        CardPrediction, CardPrediction.card_id == Card.id
    )
    is_meant = (CardPrediction.model_sha256 == model_sha256, CardPrediction.probabilities.is_not(None))
    return session.execute(query.where(*is_meant, Card.deleted_at.is_(None)).order_by(Card.id)).all()


def asked_models(session: Session) -> list[str]:
    """SHA-256 of the models that were asked about cards, the one that was asked last first."""
    last = func.max(CardPrediction.id)
    return list(
        session.scalars(select(CardPrediction.model_sha256).group_by(CardPrediction.model_sha256).order_by(last.desc()))
    )


def prediction_of(session: Session, *, model_sha256: str, card_id: int) -> tuple[bytes | None, str] | None:
    """Probabilities and problem of one card; None if the model was not asked about it."""
    columns = select(CardPrediction.probabilities, CardPrediction.problem)
    row = session.execute(
        columns.where(CardPrediction.model_sha256 == model_sha256, CardPrediction.card_id == card_id)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def forget(session: Session, *, card_id: int) -> None:
    """Delete all predictions of a card whose pictures are others now."""
    session.execute(delete(CardPrediction).where(CardPrediction.card_id == card_id))
