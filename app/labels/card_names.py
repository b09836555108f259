"""Names of a card and of its label: the key by which a page names a card, and labels in words."""

from __future__ import annotations

from db import cards
from db.schema import Card, LabelEvent
from db.session import Session
from engine.cards.grades import grade_name

MAX_ID_DIGITS = 18  # of a database row


def card_key(card: Card) -> str:
    """Key of the card on a page: its row id and the hash of one of its pictures.

    A page that was opened with another data folder may have another card under the same row id.
    """
    return f"{card.id}:{card.pictures[0].sha256}"


def card_of_key(session: Session, key: str | None) -> Card | None:
    """The card with this key; None if there is none, also if the row id is now another card's."""
    row_id, _, sha256 = (key or "").partition(":")
    if not row_id.isdecimal() or len(row_id) > MAX_ID_DIGITS:
        return None
    card = cards.get(session, card_id=int(row_id))
    return card if card is not None and sha256 in [picture.sha256 for picture in card.pictures] else None


def label_text(label: LabelEvent | None) -> str:
    """A label as text: "9 Mint", "8.5 NM-MT+ OC", "not labelled"."""
    if label is None or (label.grade is None and label.qualifier is None):
        return "not labelled"
    grade = "no grade" if label.grade is None else f"{label.grade:g} {grade_name(label.grade)}"
    return f"{grade} {label.qualifier}" if label.qualifier else grade
