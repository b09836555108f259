"""The cards that pass a filter of the labeling queue, and what its orders are made from, in a few wide queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Row, case, delete, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.query_parts import query_parts
from db.schema import Card, CardPrediction, LabelClaim, LabelEvent, LabelSource, Picture, utc_now

CLAIM_DURATION = timedelta(minutes=5)


@dataclass(frozen=True)
class CardFilter:
    """Conditions that a card must meet; None or "" for any.

    grade            of its current label
    unlabelled_only  neither grade nor qualifier
    qualifier_only   a qualifier in place of a grade, such as AUTHENTIC
    unsure_only      the labeler was unsure and will look at it again
    source, author   of its current label; the source "none": it never had a label
    game             the manifest's column, such as the set
    quality          worse verdict of its pictures
    sides            both pictures, or the front or the back alone
    since            its current label is from then or later
    text             is in its name, title, certificate or notes, or in the label's note
    """

    grade: float | None = None
    unlabelled_only: bool = False
    qualifier_only: bool = False
    unsure_only: bool = False
    source: LabelSource | Literal["none"] | None = None
    author: str = ""
    game: str = ""
    quality: str = ""
    sides: Literal["", "both", "front", "back"] = ""
    since: datetime | None = None
    text: str = ""


class QueueRow(NamedTuple):
    """A card of the queue with its current label, and what its history says.

    label_id           None without any label event
    is_reviewed        a person has given one
    lowest, highest    last grades of each person and of the imports
    """

    card_id: int
    name: str
    grade: float | None
    qualifier: str | None
    label_id: int | None
    is_reviewed: bool
    lowest: float | None
    highest: float | None


def filtered_cards(session: Session, filter: CardFilter) -> Sequence[Row[int, str, str | None]]:
    """(id, group_name, fixed_split) of the cards that pass a filter; those without a label first, then by id."""
    is_labelled = LabelEvent.grade.is_not(None) | LabelEvent.qualifier.is_not(None)
    query = (
        select(Card.id, Card.group_name, Card.fixed_split)
        .join_from(Card, LabelEvent, LabelEvent.id == Card.label_id, isouter=True)
        .where(Card.deleted_at.is_(None), *_conditions(filter, is_labelled))
        .order_by(case((is_labelled, 1), else_=0), Card.id)
    )
    if filter.quality:
        query, verdict = with_verdict(query)
        query = query.where(verdict == filter.quality)
    return session.execute(query).all()


def _conditions(filter: CardFilter, is_labelled: ColumnElement[bool]) -> Iterator[ColumnElement[bool]]:
    if filter.grade is not None:
        yield LabelEvent.grade == filter.grade
    if filter.unlabelled_only:
        yield ~is_labelled
    if filter.unsure_only:
        yield LabelEvent.unsure.is_(True)
    if filter.qualifier_only:
        yield LabelEvent.grade.is_(None) & LabelEvent.qualifier.is_not(None)
    if filter.source == "none":
        yield LabelEvent.id.is_(None)
    elif filter.source:
        yield LabelEvent.source == filter.source
    if filter.author:
        yield LabelEvent.author == filter.author
    if filter.game:
        yield Card.game == filter.game
    if filter.sides:
        yield Card.front_id.is_(None) if filter.sides == "back" else Card.front_id.is_not(None)
        yield Card.back_id.is_(None) if filter.sides == "front" else Card.back_id.is_not(None)
    if filter.since is not None:
        yield LabelEvent.created_at >= filter.since
    if filter.text:
        texts = (Card.name, Card.title, Card.cert, Card.notes, LabelEvent.note)
        yield or_(*(column.icontains(filter.text, autoescape=True) for column in texts))


def with_verdict(query: Any) -> tuple[Any, ColumnElement[str]]:
    """A query of cards, joined with their pictures, and the worse verdict on the quality of these; NULL without any."""
    front, back = aliased(Picture), aliased(Picture)
    query = query.join(front, front.id == Card.front_id, isouter=True).join(back, back.id == Card.back_id, isouter=True)
    verdicts = [side.quality["verdict"].as_string() for side in (front, back)]
    worst_first = ("refuse", "usable", "good")
    return query, case(*((or_(*(side == verdict for side in verdicts)), verdict) for verdict in worst_first))


def choices(session: Session) -> dict[str, list[str]]:
    """The games and the labelers among which a filter chooses."""
    games = session.scalars(select(Card.game).where(Card.deleted_at.is_(None), Card.game != "").distinct())
    authors = (
        select(LabelEvent.author).join(Card, Card.label_id == LabelEvent.id).where(LabelEvent.author != "").distinct()
    )
    return {"game": sorted(games), "author": sorted(session.scalars(authors))}


def queue_rows(session: Session) -> list[QueueRow]:
    """Return the cards outside the bin with their labels, by id."""
    facts = (Card.label_id, Card.is_reviewed, Card.lowest_grade, Card.highest_grade)
    query = select(Card.id, Card.name, LabelEvent.grade, LabelEvent.qualifier, *facts)
    query = query.join_from(Card, LabelEvent, LabelEvent.id == Card.label_id, isouter=True)
    return [QueueRow(*row) for row in session.execute(query.where(Card.deleted_at.is_(None)).order_by(Card.id))]


def claim(session: Session, *, card_ids: Iterable[int], author: str) -> set[int]:
    """Claim cards for a labeler, for some minutes from now on; returns those that someone else has claimed."""
    now, card_ids = utc_now(), list(card_ids)
    session.execute(delete(LabelClaim).where(LabelClaim.card_id.in_(card_ids), LabelClaim.expires_at < now))
    claims = session.scalars(select(LabelClaim).where(LabelClaim.card_id.in_(card_ids)))
    by_card = {claim.card_id: claim for claim in claims}
    for card_id in card_ids:
        if card_id not in by_card:
            session.add(LabelClaim(card_id=card_id, author=author, expires_at=now + CLAIM_DURATION))
        elif by_card[card_id].author == author:
            by_card[card_id].expires_at = now + CLAIM_DURATION
    session.flush()
    return {card_id for card_id, claim in by_card.items() if claim.author != author}


def release(session: Session, *, author: str, keep: Iterable[int] = ()) -> None:
    """Give up a labeler's claims but those of some cards."""
    session.execute(delete(LabelClaim).where(LabelClaim.author == author, LabelClaim.card_id.not_in(list(keep))))


def unasked_count(session: Session, *, model_sha256: str) -> tuple[int, int]:
    """The number of cards outside the bin that a model has not been asked about, and of all."""
    of_model = CardPrediction.model_sha256 == model_sha256
    asked = select(func.count()).select_from(CardPrediction).where(of_model).scalar_subquery()
    is_live = Card.deleted_at.is_(None)
    is_asked = select(CardPrediction.id).where(of_model, CardPrediction.card_id == Card.id).exists()
    # One pass over the cards, 19 ms for 100,000: the prediction is looked up of those in the bin only.
    columns = (func.count().filter(is_live), func.count().filter(~is_live, is_asked), asked)
    live, asked_in_bin, asked_in_all = session.execute(select(*columns).select_from(Card)).one()
    return live - (asked_in_all - asked_in_bin), live


class Labeling(NamedTuple):
    """A grade that a person gave to a card, sure of it; `blind` without seeing the earlier labels."""

    card_id: int
    grade: float
    qualifier: str | None
    author: str
    blind: bool
    created_at: datetime


def labelings(session: Session, *, card_ids: Sequence[int]) -> list[Labeling]:
    """Return the grades that people gave to some cards, by card, oldest first; `card_ids` in rising order."""
    columns = [getattr(LabelEvent, name) for name in Labeling._fields]
    by_person = select(*columns).where(LabelEvent.source == "person", LabelEvent.grade.is_not(None), ~LabelEvent.unsure)
    rows: list[Labeling] = []
    for part in query_parts(card_ids):
        some = by_person.where(LabelEvent.card_id.in_(part))
        rows += [Labeling(*row) for row in session.execute(some.order_by(LabelEvent.card_id, LabelEvent.id))]
    return rows


def cards_labelled_blind(session: Session) -> list[int]:
    """Return the row ids of the cards outside the bin that were labelled blind."""
    blind = select(LabelEvent.card_id).where(LabelEvent.blind)
    return list(session.scalars(select(Card.id).where(Card.deleted_at.is_(None), Card.id.in_(blind))))


def reviewed_cards(session: Session) -> list[int]:
    """Return the row ids of the cards outside the bin that a person has labelled."""
    return list(session.scalars(select(Card.id).where(Card.deleted_at.is_(None), Card.is_reviewed)))
