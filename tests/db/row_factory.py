"""Rows of pictures and cards for tests; the program adds many at once, by an import."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.schema import Card, Picture


def add_picture(session: Session, *, path: Path | str, **values) -> Picture:
    picture = Picture(path=str(path), **values)
    session.add(picture)
    session.flush()
    return picture


def all_pictures(session: Session) -> Sequence[Picture]:
    return session.scalars(select(Picture).order_by(Picture.id)).all()


def add_card(session: Session, *, name: str, group_name: str = "", **values) -> Card:
    """Without a group, its name is its group."""
    card = Card(name=name, group_name=group_name or name, **values)
    session.add(card)
    session.flush()
    return card


def card_by_name(session: Session, *, name: str) -> Card | None:
    return session.scalar(select(Card).where(Card.name == name))
