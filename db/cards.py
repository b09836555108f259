"""Queries for pictures and cards: add, find by content or name, list, count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from db.query_parts import query_parts
from db.schema import Card, Picture


@dataclass(frozen=True)
class Counts:
    """Number of pictures and of cards."""

    pictures: int
    cards: int


def add_pictures(session: Session, *, pictures: Iterable[Picture]) -> None:
    """Add many pictures in one statement and assign their ids."""
    session.add_all(pictures)
    session.flush()


def pictures_by_sha(session: Session, *, sha256s: Iterable[str]) -> dict[str, Picture]:
    """The stored pictures among some hashes, by hash."""
    pictures = session.scalars(select(Picture).where(Picture.sha256.in_(list(sha256s))))
    return {picture.sha256: picture for picture in pictures}


def paths_by_sha(session: Session) -> dict[str, str]:
    """The paths of all stored pictures, by hash."""
    return {row[0]: row[1] for row in session.execute(select(Picture.sha256, Picture.path))}


def picture_files(session: Session) -> Sequence[Row[int, str, str, int | None, str | None]]:
    """(id, sha256, path, size_bytes, file_version) of all stored pictures."""
    columns = (Picture.id, Picture.sha256, Picture.path, Picture.size_bytes, Picture.file_version)
    return session.execute(select(*columns)).all()


def update_files(session: Session, *, files: Mapping[int, tuple[str, int | None, str | None]]) -> None:
    """Set path, size and version of picture files, by row id."""
    values = [
        {"id": picture_id, "path": path, "size_bytes": size, "file_version": version}
        for picture_id, (path, size, version) in files.items()
    ]
    if values:
        session.execute(update(Picture), values)


def add_cards(session: Session, *, cards: Iterable[Card]) -> None:
    """Add many cards in one statement and assign their ids."""
    session.add_all(cards)
    session.flush()


def get(session: Session, *, card_id: int) -> Card | None:
    """The card with this row id."""
    return session.get(Card, card_id)


def find_card(session: Session, *, front_id: int | None, back_id: int | None) -> Card | None:
    """The oldest card that may be shown by these pictures (see `matching_cards`)."""
    sides = [side for side in (front_id, back_id) if side is not None]
    cards = cards_of_pictures(session, picture_ids=sides)
    return next(iter(matching_cards(cards, front_id=front_id, back_id=back_id)), None)


def card_of_files(session: Session, *, front: str | None, back: str | None) -> Card | None:
    """Find a card by the SHA-256 of its picture files, as `find_card`; None if a file is not stored."""
    hashes = [sha for sha in (front, back) if sha is not None]
    ids = {sha: picture.id for sha, picture in pictures_by_sha(session, sha256s=hashes).items()}
    if len(ids) < len({*hashes}):
        return None
    front_id, back_id = (None if sha is None else ids[sha] for sha in (front, back))
    return find_card(session, front_id=front_id, back_id=back_id)


def matching_cards(cards: Iterable[Card], *, front_id: int | None, back_id: int | None) -> list[Card]:
    """The cards that may be shown by these pictures: the exact match, or cards with one side missing or added.

    A card with a different picture on either side is a different card, even if the other side is the same.
    """
    compatible = [card for card in cards if _fits(card.front_id, front_id) and _fits(card.back_id, back_id)]
    matches = [
        card for card in compatible if front_id == card.front_id is not None or back_id == card.back_id is not None
    ]
    exact = [card for card in matches if (card.front_id, card.back_id) == (front_id, back_id)]
    return exact or matches


def _fits(stored_id: int | None, requested_id: int | None) -> bool:
    return stored_id is None or requested_id is None or stored_id == requested_id


def cards_of_pictures(session: Session, *, picture_ids: Sequence[int]) -> Sequence[Card]:
    """All cards with one of these pictures on either side, oldest first."""
    condition = or_(Card.front_id.in_(picture_ids), Card.back_id.in_(picture_ids))
    return session.scalars(select(Card).where(condition).order_by(Card.id)).all()


def cards_by_name(session: Session, *, names: Sequence[str]) -> dict[str, Card]:
    """The stored cards among some names, by name."""
    return {card.name: card for card in session.scalars(select(Card).where(Card.name.in_(names)))}


def all_cards(session: Session) -> Sequence[Card]:
    """All cards with their pictures, oldest first, without those in the bin."""
    return session.scalars(select(Card).where(Card.deleted_at.is_(None)).order_by(Card.id)).all()


def fronts(session: Session, *, after: int = 0) -> Sequence[Row[int, str, str, str | None]]:
    """(card id, phash of the front, group_name, fixed_split) of every card with a front and an id above `after`."""
    columns = select(Card.id, Picture.phash, Card.group_name, Card.fixed_split)
    return session.execute(columns.join(Picture, Card.front_id == Picture.id).where(Card.id > after)).all()


class LinkColumns(NamedTuple):
    """A card with what may link it to others: its group, fixed split, certificate and pictures; None without a side."""

    card_id: int
    name: str
    group_name: str
    fixed_split: str | None
    cert: str
    front_path: str | None
    front_sha256: str | None
    front_phash: str | None
    back_path: str | None
    back_sha256: str | None


def link_columns(session: Session) -> list[LinkColumns]:
    """Return the cards outside the bin, oldest first."""
    front, back = aliased(Picture), aliased(Picture)
    of_card = (Card.id, Card.name, Card.group_name, Card.fixed_split, Card.cert)
    of_sides = (front.path, front.sha256, front.phash, back.path, back.sha256)
    query = select(*of_card, *of_sides).where(Card.deleted_at.is_(None)).order_by(Card.id)
    query = query.join(front, front.id == Card.front_id, isouter=True).join(back, back.id == Card.back_id, isouter=True)
    return [LinkColumns._make(row) for row in session.execute(query)]


def ids_of_names(session: Session, *, names: Sequence[str]) -> list[int]:
    """Row ids of the cards outside the bin with these names, in the order of the names."""
    ids: dict[str, int] = {}
    for part in query_parts(names):
        some = Card.name.in_(part)
        found = session.execute(select(Card.name, Card.id).where(some, Card.deleted_at.is_(None)))
        ids |= {row.name: row.id for row in found}
    return [ids[name] for name in names if name in ids]


def has_cards(session: Session) -> bool:
    """True if there is a card outside the bin."""
    return session.scalar(select(Card.id).where(Card.deleted_at.is_(None)).limit(1)) is not None


def counts(session: Session) -> Counts:
    """Count pictures, and cards without those in the bin."""
    pictures = select(func.count(Picture.id)).scalar_subquery()
    columns = select(pictures, func.count(Card.id))
    return Counts(*session.execute(columns.where(Card.deleted_at.is_(None))).one())
