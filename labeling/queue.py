"""Labeling queue: the cards that pass a filter, in the order in which they are labelled."""

from __future__ import annotations

from dataclasses import dataclass

from db.label_queue import CardFilter, filtered_cards
from db.session import Session
from labeling.ranking import QueueBy, RankedQueue
from labeling.splits import split_of

NO_CONDITION = CardFilter()


@dataclass(frozen=True)
class QueueFilter:
    """Conditions that a card must meet, and its split; "" for any."""

    cards: CardFilter = NO_CONDITION
    split: str = ""


ALL_CARDS = QueueFilter()


def queue_of(
    session: Session, filter: QueueFilter = ALL_CARDS, *, by: QueueBy | None = None, model_sha256: str | None = None
) -> tuple[list[int], RankedQueue | None]:
    """Row ids of the cards that pass a filter, and the ranking of all cards.

    by            order of the ranking; None: the unlabelled cards first, then by id, without a ranking
    model_sha256  the model whose predictions count
    """
    if by is None:
        return _passing(session, filter), None
    ranked = RankedQueue(session, by, model_sha256)
    ids: list[int] = ranked.row_ids.tolist()
    if filter == ALL_CARDS:
        return ids, ranked
    passing = set(_passing(session, filter))
    return [card_id for card_id in ids if card_id in passing], ranked


def _passing(session: Session, filter: QueueFilter) -> list[int]:
    rows = filtered_cards(session, filter.cards)
    return [card_id for card_id, group, fixed in rows if not filter.split or (fixed or split_of(group)) == filter.split]
