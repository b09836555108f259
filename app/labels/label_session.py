"""What a labeler has before them: one card, its label and history; leafing through the cards, and giving a label."""

from __future__ import annotations

from dataclasses import dataclass

from app.labels.previews import shown
from app.settings import DataFolder
from db import cards, labels
from db.schema import Card, LabelEvent
from db.session import Database
from engine.cards.grades import GRADES, HALF_GRADES, grade_name
from labeling.queue import QueueFilter, first_card, next_card, previous_card

EVERY_CARD, UNLABELLED = "All cards, the unlabelled first", "Only unlabelled"
FILTERS = [EVERY_CARD, UNLABELLED, *(f"Grade {grade:g}" for grade in sorted((*GRADES, *HALF_GRADES)))]
NO_QUALIFIER = "none"
NOTHING_LEFT = "No card passes this filter. Choose another above, or import more cards."


@dataclass(frozen=True)
class Desk:
    """What the labeler has before them."""

    card_id: int | None
    title: str
    front: str | None
    back: str | None
    history: str


def queue_filter(chosen: str) -> QueueFilter:
    """The filter behind an entry of the list."""
    if chosen == UNLABELLED:
        return QueueFilter(unlabelled_only=True)
    if chosen == EVERY_CARD:
        return QueueFilter()
    return QueueFilter(grade=float(chosen.removeprefix("Grade ")))


def desk(database: Database, data: DataFolder, card: Card | None) -> Desk:
    """A card laid out, or the empty desk with what to do."""
    if card is None:
        return Desk(None, NOTHING_LEFT, None, None, "")
    with database.reading() as session:
        events = labels.label_history(session, card_id=card.id)
        current = labels.current_label(session, card_id=card.id)
    front, front_trouble = shown(card.front, data)
    back, back_trouble = shown(card.back, data)
    title = f"## {label_text(current)}\n{card.name}"
    title += "".join(f"\n\n{trouble}" for trouble in (front_trouble, back_trouble) if trouble)
    lines = [f"- {event.created_at:%Y-%m-%d %H:%M} {event.source}: {label_text(event)}" for event in reversed(events)]
    return Desk(card.id, title, front, back, "\n".join(lines))


def label_text(label: LabelEvent | None) -> str:
    """A label in words: "9 Mint", "8.5 NM-MT+ OC", "not labelled"."""
    if label is None:
        return "not labelled"
    grade = "no grade" if label.grade is None else f"{label.grade:g} {grade_name(label.grade)}"
    return f"{grade} {label.qualifier}" if label.qualifier else grade


def open_desk(database: Database, data: DataFolder, chosen: str) -> Desk:
    """The first card that passes the filter."""
    with database.reading() as session:
        card = first_card(session, filter=queue_filter(chosen))
    return desk(database, data, card)


def leaf(database: Database, data: DataFolder, card_id: int | None, chosen: str, *, backwards: bool) -> Desk:
    """The card after or before this one; past the last the first again, before the first it stays."""
    if card_id is None:
        return open_desk(database, data, chosen)
    step = previous_card if backwards else next_card
    with database.reading() as session:
        card = step(session, after=card_id, filter=queue_filter(chosen))
        if card is None:
            card = (
                cards.get(session, card_id=card_id) if backwards else first_card(session, filter=queue_filter(chosen))
            )
    return desk(database, data, card)


def record(
    database: Database, data: DataFolder, card_id: int | None, chosen: str, grade: float | None, qualifier: str
) -> tuple[Desk, str]:
    """Save a person's label for the card that was before them, and lay out the next; says what was saved."""
    if card_id is None:
        return open_desk(database, data, chosen), "There is no card to label here."
    # The next card is chosen before the label is written, since a label can move its card to another place in line.
    with database.reading() as session:
        following = next_card(session, after=card_id, filter=queue_filter(chosen))
    with database.writing() as session:
        labels.add_label(
            session,
            card_id=card_id,
            grade=grade,
            qualifier=None if qualifier == NO_QUALIFIER else qualifier,
            source="person",
        )
    with database.reading() as session:
        card = cards.get(session, card_id=card_id)
        saved = labels.current_label(session, card_id=card_id)
        following = following or first_card(session, filter=queue_filter(chosen))
    return desk(database, data, following), f"Saved: {card.name if card else card_id} is {label_text(saved)}."
