"""Labeling session: show one card with its label and history, move between cards, save a label."""

from __future__ import annotations

from dataclasses import dataclass

from app.labels.previews import preview_file
from app.labels.undo import Changes
from app.markdown import escape
from app.settings import DataFolder
from db import cards, labels
from db.schema import Card, LabelEvent
from db.session import Database, Session
from engine.cards.grades import GRADES, HALF_GRADES, grade_name
from labeling.picture_files import locate_pictures
from labeling.queue import QueueFilter, first_card, next_card, previous_card
from labeling.ranking import QueueBy, RankedQueue, ranking

ALL_CARDS, UNLABELLED = "All cards, unlabelled first", "Only unlabelled"
RANKED: dict[str, QueueBy] = {
    "Suspect labels first": "suspect",
    "Rare grades first": "rare",
    "Uncertain cards first": "uncertain",
    "Disagreements first": "disagreement",
    "Not reviewed first": "unreviewed",
    "Mixed: all of these": "mixed",
}
FILTERS = [ALL_CARDS, UNLABELLED, *RANKED, *(f"Grade {grade:g}" for grade in sorted((*GRADES, *HALF_GRADES)))]
NO_QUALIFIER = "none"
SOURCES = {"import": "imported", "person": "by hand"}
UNKNOWN_CARD = "Not saved: the card that was on the page is not in this data folder; reload the page."
GONE_CARD = "The card is not in this data folder any more."
NO_CARDS = "No card matches this filter. Choose another filter above, or import more cards."


NO_CHANGES = Changes()
MAX_ID_DIGITS = 18  # of a database row


@dataclass(frozen=True)
class CardView:
    """One card as the Label tab shows it; `key` is that of `card_key`, "" without a card."""

    key: str
    title: str
    front: str | None
    back: str | None
    history: str


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


def ranked_queue(database: Database, entry: str | None, model_sha256: str | None) -> RankedQueue | None:
    """The cards in the order of an entry of RANKED; None for another entry.

    model_sha256  the model whose predictions count
    """
    if entry not in RANKED:
        return None
    with database.reading() as session:
        return RankedQueue(ranking(session, RANKED[entry], model_sha256))


def queue_filter(entry: str | None) -> QueueFilter:
    """The queue filter of an entry of FILTERS; all cards for an emptied field."""
    if entry == UNLABELLED:
        return QueueFilter(unlabelled_only=True)
    if entry is None or entry == ALL_CARDS or entry in RANKED:
        return QueueFilter()
    return QueueFilter(grade=float(entry.removeprefix("Grade ")))


def card_view(database: Database, data: DataFolder, card: Card | None, ranked: RankedQueue | None = None) -> CardView:
    """The view of a card, with its place in a ranked queue and the reasons for it; without a card, a hint."""
    if card is None:
        return CardView("", NO_CARDS, None, None, "")
    with database.reading() as session:
        events = labels.label_history(session, card_id=card.id)
        current = labels.current_label(session, card_id=card.id)
    locations = locate_pictures(database, card.pictures)
    (front, front_error), (back, back_error) = (
        (None, "") if side is None else preview_file(side, locations[side.id], data) for side in (card.front, card.back)
    )
    title = f"## {'Not labelled' if current is None else f'Label: {label_text(current)}'}\n{escape(card.name)}"
    title += "".join(f"\n\n**Left out of training:** {escape(error)}" for error in (front_error, back_error) if error)
    place = None if ranked is None else ranked.place(card.id)
    if ranked is not None and place is not None:
        title += f"\n\n{place + 1} of {len(ranked.entries)}"
        title += "".join(f"\n- {escape(reason)}" for reason in ranked.entries[place].reasons)
    lines = [f"- {_event_text(event)}" for event in reversed(events)]
    return CardView(card_key(card), title, front, back, "\n".join(lines))


def _event_text(event: LabelEvent) -> str:
    """A label event as text: "29 Nov 2026, 23:51 UTC, imported: 1 Poor"."""
    source = SOURCES.get(event.source, event.source)
    note = f", {escape(event.note)}" if event.note else ""
    return f"{event.created_at.day} {event.created_at:%b %Y, %H:%M} UTC, {source}{note}: {label_text(event)}"


def label_text(label: LabelEvent | None) -> str:
    """A label as text: "9 Mint", "8.5 NM-MT+ OC", "not labelled"."""
    if label is None or (label.grade is None and label.qualifier is None):
        return "not labelled"
    grade = "no grade" if label.grade is None else f"{label.grade:g} {grade_name(label.grade)}"
    return f"{grade} {label.qualifier}" if label.qualifier else grade


def first_view(
    database: Database, data: DataFolder, filter_entry: str | None, ranked: RankedQueue | None = None
) -> CardView:
    """The view of the first card that matches the filter, or of a ranked queue."""
    return card_view(database, data, _first(database, filter_entry, ranked), ranked)


def neighbor_view(
    database: Database,
    data: DataFolder,
    key: str | None,
    filter_entry: str,
    ranked: RankedQueue | None = None,
    *,
    backwards: bool,
) -> CardView:
    """The view of the next or previous card; after the last comes the first, before the first it stays."""
    with database.reading() as session:
        shown = card_of_key(session, key)
    if shown is None:
        card = _first(database, filter_entry, ranked)
    else:
        card = _step(database, shown, filter_entry, ranked, backwards=backwards)
        card = card or (shown if backwards else _first(database, filter_entry, ranked))
    return card_view(database, data, card, ranked)


def save_label(
    database: Database,
    data: DataFolder,
    key: str | None,
    filter_entry: str,
    grade: float | None,
    qualifier: str,
    author: str = "",
    ranked: RankedQueue | None = None,
    changes: Changes = NO_CHANGES,
) -> tuple[CardView, str, Changes]:
    """Save the user's label for a card; returns the view of the next card, a message, and the page's changes."""
    if not key:
        return first_view(database, data, filter_entry, ranked), "There is no card to label here.", changes
    with database.reading() as session:
        card = card_of_key(session, key)
    if card is None:
        return first_view(database, data, filter_entry, ranked), UNKNOWN_CARD, changes
    # The next card is chosen before the label is written, since a label can move its card within the queue.
    following = _step(database, card, filter_entry, ranked)
    with database.writing() as session:
        before = labels.current_label(session, card_id=card.id)
        label = labels.add_label(
            session,
            card_id=card.id,
            grade=grade,
            qualifier=None if qualifier == NO_QUALIFIER else qualifier,
            source="person",
            author=author,
        )
    following = following or _first(database, filter_entry, ranked)
    view = card_view(database, data, following, ranked)
    message = f"Saved: {escape(card.name)} is {label_text(label)}."
    return view, message, changes.with_label(before, label)


def take_back(
    database: Database,
    data: DataFolder,
    key: str | None,
    filter_entry: str,
    changes: Changes,
    author: str = "",
    ranked: RankedQueue | None = None,
    *,
    again: bool = False,
) -> tuple[CardView, str, Changes]:
    """Undo the page's last label, or give the last undone one again; returns as `save_label`, the view of its card."""
    with database.writing() as session:
        changed, changes = changes.redo(session, author) if again else changes.undo(session, author)
        if isinstance(changed, str):
            card = card_of_key(session, key)
        else:
            card = cards.get(session, card_id=changed)
            label = labels.current_label(session, card_id=changed)
    view = first_view(database, data, filter_entry, ranked) if card is None else card_view(database, data, card, ranked)
    if isinstance(changed, str):
        return view, changed, changes
    if card is None:
        return view, GONE_CARD, changes
    done = "Given again" if again else "Undone"
    return view, f"{done}: {escape(card.name)} is {label_text(label)}.", changes


def _first(database: Database, filter_entry: str | None, ranked: RankedQueue | None) -> Card | None:
    with database.reading() as session:
        if ranked is None:
            return first_card(session, filter=queue_filter(filter_entry))
        return _nearest(session, ranked, 0, 1)


def _step(
    database: Database, card: Card, filter_entry: str, ranked: RankedQueue | None, *, backwards: bool = False
) -> Card | None:
    """The next or previous card, None at the end."""
    with database.reading() as session:
        if ranked is None:
            neighbor = previous_card if backwards else next_card
            return neighbor(session, after=card.id, filter=queue_filter(filter_entry))
        place, step = ranked.place(card.id), -1 if backwards else 1
        return _nearest(session, ranked, 0 if place is None else place + step, step)


def _nearest(session: Session, ranked: RankedQueue, place: int, step: int) -> Card | None:
    """The card at a place of a ranked queue; cards that have been deleted since are passed over."""
    while 0 <= place < len(ranked.entries):
        card = cards.get(session, card_id=ranked.entries[place].row_id)
        if card is not None and card.deleted_at is None:
            return card
        place += step
    return None
