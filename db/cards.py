"""Pictures and cards: adding them, finding them again by content or by name, leafing through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.orm import Session

from db.schema import Card, Picture


@dataclass(frozen=True)
class Counts:
    """How much there is: pictures, cards, and of the cards those with both sides."""

    pictures: int
    cards: int
    both_sides: int


def add_picture(
    session: Session,
    *,
    path: Path,
    sha256: str,
    width: int,
    height: int,
    phash: str,
    quality: dict[str, Any] | None = None,
) -> Picture:
    """Add a picture file under the hash of its bytes (64 hex); phash is 16 hex, width and height are pixels."""
    picture = Picture(path=str(path), sha256=sha256, width=width, height=height, phash=phash, quality=quality)
    add_pictures(session, pictures=[picture])
    return picture


def add_pictures(session: Session, *, pictures: Iterable[Picture]) -> None:
    """Add many pictures in one statement; they have their ids afterwards."""
    session.add_all(pictures)
    session.flush()


def pictures_by_sha(session: Session, *, sha256s: Iterable[str]) -> dict[str, Picture]:
    """Those of some pictures that are known, by their hash."""
    found = session.scalars(select(Picture).where(Picture.sha256.in_(list(sha256s))))
    return {picture.sha256: picture for picture in found}


def known_sha256s(session: Session) -> set[str]:
    """The hashes of all known pictures."""
    return set(session.scalars(select(Picture.sha256)))


def add_card(
    session: Session,
    *,
    name: str,
    front_id: int | None = None,
    back_id: int | None = None,
    group_name: str = "",
    fixed_split: str | None = None,
    cert: str = "",
    game: str = "",
    notes: str = "",
    synthetic: bool = False,
) -> Card:
    """Add a card; without a group it is its own, under its name."""
    card = Card(
        name=name,
        front_id=front_id,
        back_id=back_id,
        group_name=group_name or name,
        fixed_split=fixed_split,
        cert=cert,
        game=game,
        notes=notes,
        synthetic=synthetic,
    )
    add_cards(session, cards=[card])
    return card


def add_cards(session: Session, *, cards: Iterable[Card]) -> None:
    """Add many cards in one statement; they have their ids afterwards."""
    session.add_all(cards)
    session.flush()


def get(session: Session, *, card_id: int) -> Card | None:
    """The card with this row id."""
    return session.get(Card, card_id)


def find_card(session: Session, *, front_id: int | None, back_id: int | None) -> Card | None:
    """The card that these pictures show, the oldest of several (see `matching_cards`)."""
    sides = [side for side in (front_id, back_id) if side is not None]
    cards = cards_of_pictures(session, picture_ids=sides)
    return next(iter(matching_cards(cards, front_id=front_id, back_id=back_id)), None)


def card_of_files(session: Session, *, front: str | None, back: str | None) -> Card | None:
    """As find_card, by the SHA-256 of the pictures' files; None too where a file is not known."""
    asked = [sha for sha in (front, back) if sha is not None]
    known = {sha: picture.id for sha, picture in pictures_by_sha(session, sha256s=asked).items()}
    if len(known) < len({*asked}):
        return None
    front_id, back_id = (None if sha is None else known[sha] for sha in (front, back))
    return find_card(session, front_id=front_id, back_id=back_id)


def matching_cards(cards: Iterable[Card], *, front_id: int | None, back_id: int | None) -> list[Card]:
    """The cards that these pictures may show: the one with exactly these, or else those with a side less or more.

    A card with another picture on either side is another card, even if the other side is the same.
    """
    fits = [card for card in cards if _fits(card.front_id, front_id) and _fits(card.back_id, back_id)]
    shared = [card for card in fits if front_id == card.front_id is not None or back_id == card.back_id is not None]
    exact = [card for card in shared if (card.front_id, card.back_id) == (front_id, back_id)]
    return exact or shared


def _fits(known: int | None, given: int | None) -> bool:
    return known is None or given is None or known == given


def cards_of_pictures(session: Session, *, picture_ids: Sequence[int]) -> Sequence[Card]:
    """All cards that show one of these pictures on either side, oldest first."""
    shows = or_(Card.front_id.in_(picture_ids), Card.back_id.in_(picture_ids))
    return session.scalars(select(Card).where(shows).order_by(Card.id)).all()


def card_by_name(session: Session, *, name: str) -> Card | None:
    """The card with this name (the manifest's card_id)."""
    return session.scalar(select(Card).where(Card.name == name))


def cards_by_name(session: Session, *, names: Sequence[str]) -> dict[str, Card]:
    """Those of some names that are taken, with their cards."""
    return {card.name: card for card in session.scalars(select(Card).where(Card.name.in_(names)))}


def all_cards(session: Session) -> Sequence[Card]:
    """Every card with its pictures, oldest first."""
    return session.scalars(select(Card).order_by(Card.id)).all()


def fronts(session: Session, *, after: int = 0) -> Sequence[Row[int, str, str, str | None]]:
    """(card id, phash of the front, group_name, fixed_split) of every card with a front and an id above `after`."""
    columns = select(Card.id, Picture.phash, Card.group_name, Card.fixed_split)
    return session.execute(columns.join(Picture, Card.front_id == Picture.id).where(Card.id > after)).all()


def counts(session: Session) -> Counts:
    """How many pictures and cards there are."""
    pictures = select(func.count(Picture.id)).scalar_subquery()
    both = func.count(Card.id).filter(Card.front_id.is_not(None), Card.back_id.is_not(None))
    return Counts(*session.execute(select(pictures, func.count(Card.id), both)).one())
