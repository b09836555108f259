"""Labeling desk: the queue of a page, its cards, and the decisions of a labeler, as plain values for the page.

The order of the queue is kept by the page: a restart of the server changes nothing on it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.errors import user_message
from app.labels.agreement_text import agreement_sentences
from app.labels.card_names import card_of_key, label_text
from app.labels.page_functions import Name, PageRequest, RecentPages, RowId, Text, author_of, checked
from app.labels.queue_orders import (
    ALL_CARDS,
    CHOSEN,
    CONFLICTS,
    ENTRIES,
    RANKED,
    SECOND_LOOK,
    PageFilters,
    order_of,
    queue_filter,
)
from app.labels.shown_card import corner_close_ups, full_picture, shown_cards
from app.labels.undo import Changes
from app.settings import DataFolder, UserError
from db import cards, label_queue, labels, predictions
from db.schema import Card, LabelEvent, utc_now
from db.session import Database, DatabaseUnusable, Session
from engine.cards.grades import GRADES, check_label, parse_grade, parse_qualifier
from labeling.agreement import agreements
from labeling.queue import queue_of
from labeling.ranking import BY_LABELS_ALONE, QueueBy, RankedQueue
from labeling.second_look import cards_to_look_at_again

UNKNOWN_CARD = "the card that was on the page is not in this data folder; reload the page"
GONE_CARD = "The card is not in this data folder any more"
MAX_CARDS_AT_ONCE = 20
MAX_ACTS_AT_ONCE = 100
MAX_CHOSEN = 1_000_000
NOT_ASKED = "The model in use has not been asked about this card yet."
NO_MODEL = "There is no grading model yet."


class OpenQueue(PageRequest):
    """Open the queue of an entry of ENTRIES, filtered; `filters` as PageFilters; `chosen` cards for CHOSEN."""

    entry: str = ALL_CARDS
    filters: PageFilters = PageFilters()
    chosen: Annotated[tuple[RowId, ...], Field(max_length=MAX_CHOSEN)] = ()


class AskCards(PageRequest):
    """Cards by row id; `entry` is the order from which their reasons are."""

    ids: Annotated[list[RowId], Field(max_length=MAX_CARDS_AT_ONCE)]
    entry: str = ALL_CARDS
    keep: Annotated[tuple[RowId, ...], Field(max_length=MAX_CARDS_AT_ONCE)] = ()


class AskCard(PageRequest):
    """One card by its key; a side of it, if only one is meant."""

    key: Text
    side: Literal["front", "back"] = "front"


class Act(BaseModel):
    """A decision about the card with a key.

    number      counts the acts of the page, from 1 on
    last_event  row id of the card's last label event that the page knew; 0 without any
    blind       the page showed the card without its label and history
    front       SHA-256 of the picture on the front when `swap` was pressed
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["label", "remove", "unsure", "note", "swap", "undo", "redo"]
    number: Annotated[int, Field(ge=1)]
    key: Text = ""
    grade: float | None = None
    qualifier: Name = ""
    note: Text = ""
    last_event: int = 0
    blind: bool = False
    front: Annotated[str, Field(max_length=64)] = ""


class Acts(PageRequest):
    """The acts of a page in their order; an answer that the page missed is asked for by sending the act again."""

    page: Annotated[str, Field(min_length=1, max_length=60)]
    acts: Annotated[list[Act], Field(max_length=MAX_ACTS_AT_ONCE)]


class _Page:
    """The changes of a page, for undo and redo, and its last act with the answer."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.number = 0
        self.answer: dict[str, Any] = {}


class LabelDesk:
    """The desk of one data folder; every public method takes and returns plain JSON values.

    A request that cannot be used, and an error that the user can mend, is answered by `{"problem": sentence}`.
    """

    def __init__(self, database: Database, data: DataFolder, login: str | None = None) -> None:
        """`login` is the user who logged in: he is the labeler whatever the page says."""
        self._database, self._data, self._login = database, data, login
        self._pages = RecentPages(_Page)
        self._rankings: OrderedDict[tuple[QueueBy, str | None], RankedQueue] = OrderedDict()
        # Acts are handled one by one: an act that is sent again must wait for the first time to end.
        self._turn = threading.Lock()

    def functions(self) -> list[Callable[[Any], dict[str, Any]]]:
        """The functions that the page calls, by their names."""
        handlers: dict[str, tuple[type[BaseModel], Callable[[Any], dict[str, Any]]]] = {
            "open_queue": (OpenQueue, self.open_queue),
            "queue_cards": (AskCards, self.queue_cards),
            "label_acts": (Acts, self.act),
            "model_opinion": (AskCard, self.model_opinion),
            "full_picture": (AskCard, self.full_picture),
            "corner_close_ups": (AskCard, self.corner_close_ups),
            "label_counts": (PageRequest, self.label_counts),
            "label_agreement": (PageRequest, self.label_agreement),
        }
        return [checked(name, model, handler) for name, (model, handler) in handlers.items()]

    def open_queue(self, request: OpenQueue) -> dict[str, Any]:
        """Row ids of the queue in its order, and what the filters choose among."""
        if request.entry not in ENTRIES:
            raise UserError(f"the order {request.entry!r} is not known here; choose one from the list")
        by = order_of(request.entry)
        model_sha256 = self._model_to_ask(by)
        with self._database.reading() as session:
            ids, ranked = queue_of(
                session, queue_filter(request.entry, request.filters), by=by, model_sha256=model_sha256
            )
            if request.entry == SECOND_LOOK:
                again = cards_to_look_at_again(session, author=self._author(request.name), now=utc_now())
                ids = [card_id for card_id in ids if card_id in again]
            if request.entry == CHOSEN:
                passing = set(ids)
                ids = [card_id for card_id in dict.fromkeys(request.chosen) if card_id in passing]
            choices = label_queue.choices(session)
        if ranked is not None and by is not None:
            self._rankings[by, model_sha256] = ranked
            self._rankings.move_to_end((by, model_sha256))
            if len(self._rankings) > len(RANKED):
                self._rankings.popitem(last=False)
        if request.entry == CONFLICTS and ranked is not None:
            disputed = set(ranked.row_ids[ranked.scores > 0].tolist())
            ids = [card_id for card_id in ids if card_id in disputed]
        return {"ids": ",".join(map(str, ids)), "choices": choices, "name": self._author(request.name)}

    def queue_cards(self, request: AskCards) -> dict[str, Any]:
        """Cards as `shown_cards`, with the reasons for their places; claims them for the labeler.

        A card that is gone has no entry; one that someone else has claimed is {id, claimed: True}.
        """
        author = self._author(request.name)
        with self._database.writing() as session:
            label_queue.release(session, author=author, keep=[*request.ids, *request.keep])
            rows = [cards.get(session, card_id=card_id) for card_id in request.ids]
            there = [card for card in rows if card is not None and card.deleted_at is None]
            taken = label_queue.claim(session, card_ids=[card.id for card in there], author=author)
        shown = shown_cards(self._database, self._data, there, blind=request.entry == SECOND_LOOK)
        ranked = self._ranked(request.entry)
        for card in shown:
            card["claimed"] = card["id"] in taken
            card["reasons"] = [] if ranked is None else list(ranked.reasons(card["id"]))
        return {"cards": shown}

    def act(self, request: Acts) -> dict[str, Any]:
        """Carry out acts in their order: {number, message, ok} for each; an act that was done is not done again.

        After undo and redo, `card` is the card to show.
        """
        author, answers = self._author(request.name), []
        with self._turn:
            page = self._pages.of(request.page)
            for act in request.acts:
                if act.number > page.number:
                    page.answer = {"number": act.number, **self._carry_out(act, page, author)}
                    page.number = act.number
                    answers.append(page.answer)
                else:
                    answers.append(page.answer if act.number == page.number else {"number": act.number, "ok": True})
        return {"answers": answers}

    def _carry_out(self, act: Act, page: _Page, author: str) -> dict[str, Any]:
        try:
            if act.kind in ("undo", "redo"):
                return self._take_back(act, page, author)
            return {"ok": True, "message": self._decide(act, page, author)}
        except Exception as error:
            # A database that is locked or full may be usable again: the page sends the act again.
            if isinstance(error, DatabaseUnusable) or (message := user_message(error)) is None:
                raise
            return {"ok": False, "message": f"Not saved: {message}."}

    def _decide(self, act: Act, page: _Page, author: str) -> str:
        """Record a decision, and return the sentence about it. Raises UserError and BadGrade."""
        with self._database.writing() as session:
            card = card_of_key(session, act.key)
            if card is None:
                raise UserError(UNKNOWN_CARD)
            if act.kind == "swap":
                return _swap(session, card, act.front)
            before = labels.current_label(session, card_id=card.id)
            grade, qualifier, note = _new_label(act, before)
            is_unsure = act.kind == "unsure" or (act.kind == "note" and before is not None and before.unsure)
            known: dict[str, Any] = {"author": author, "note": note, "unsure": is_unsure, "blind": act.blind}
            label = _same_event(session, card, act.last_event, grade, qualifier, known)
            if label is None:
                label = labels.add_label(
                    session, card_id=card.id, grade=grade, qualifier=qualifier, source="person", **known
                )
                page.changes = page.changes.with_label(before, label)
        if act.kind == "unsure":
            return f"Saved: {card.name} comes back under “Unsure”."
        if act.kind == "note":
            return f"Saved: the note of {card.name}."
        return f"Saved: {card.name} is {label_text(label)}."

    def _take_back(self, act: Act, page: _Page, author: str) -> dict[str, Any]:
        """Undo the page's last label, or give the last undone one again."""
        again = act.kind == "redo"
        with self._database.writing() as session:
            changed, changes = (page.changes.redo if again else page.changes.undo)(session, author)
            card = None if isinstance(changed, str) else cards.get(session, card_id=changed[0])
            label = None if card is None else labels.current_label(session, card_id=card.id)
        page.changes = changes
        if isinstance(changed, str):
            return {"ok": False, "message": changed}
        if card is None:
            return {"ok": False, "message": f"{GONE_CARD}."}
        done = "Given again" if again else "Undone"
        return {"ok": True, "message": f"{done}: {card.name} is {label_text(label)}.", "card": card.id}

    def model_opinion(self, request: AskCard) -> dict[str, Any]:
        """The model's probabilities of the grades 1 to 10, or in `problem` why there are none."""
        card, model_sha256 = self._card(request.key), self._model_sha256()
        if model_sha256 is None:
            return {"problem": NO_MODEL}
        with self._database.reading() as session:
            stored = predictions.prediction_of(session, model_sha256=model_sha256, card_id=card.id)
        if stored is None:
            return {"problem": NOT_ASKED}
        probabilities, problem = stored
        if probabilities is None:
            return {"problem": f"The model could not grade this card: {problem}"}
        values = np.frombuffer(probabilities, np.float64)
        return {"probabilities": values.tolist(), "expected": float(values @ GRADES)}

    def full_picture(self, request: AskCard) -> dict[str, Any]:
        """URL of a side with all its pixels."""
        return {"url": full_picture(self._database, self._data, self._card(request.key), request.side)}

    def corner_close_ups(self, request: AskCard) -> dict[str, Any]:
        """URLs of the close-ups of both sides' corners."""
        return corner_close_ups(self._database, self._data, self._card(request.key))

    def label_counts(self, _request: PageRequest) -> dict[str, Any]:
        """The number of cards of each grade in one line, and of the cards that the model is still to be asked about."""
        with self._database.reading() as session:
            counts = labels.count_by_grade(session)
        return {"counts": counts_text(counts), "scoring": self._scoring_text()}

    def label_agreement(self, _request: PageRequest) -> dict[str, Any]:
        """Sentences on how well people agree who graded the same card, and the model with them."""
        model_sha256 = self._model_sha256()
        with self._database.reading() as session:
            return {"sentences": agreement_sentences(agreements(session, model_sha256))}

    def _scoring_text(self) -> str:
        model_sha256 = self._model_sha256()
        if model_sha256 is None:
            return ""
        with self._database.reading() as session:
            missing, total = label_queue.unasked_count(session, model_sha256=model_sha256)
        return f"The model in use has graded {total - missing} of {total} cards." if missing else ""

    def _card(self, key: str) -> Card:
        with self._database.reading() as session:
            card = card_of_key(session, key)
        if card is None:
            raise UserError(GONE_CARD)
        return card

    def _author(self, name: str) -> str:
        return author_of(name, self._login)

    def _ranked(self, entry: str) -> RankedQueue | None:
        """The ranking of an entry as it was when it was opened last; None if that was before a restart."""
        by = order_of(entry)
        return next((ranked for (order, _), ranked in reversed(self._rankings.items()) if order == by), None)

    def _model_to_ask(self, by: QueueBy | None) -> str | None:
        return None if by is None or by in BY_LABELS_ALONE else self._model_sha256()

    def _model_sha256(self) -> str | None:
        # Loads torch, which the rest of the desk does without.
        from app.models.model_registry import sha256_in_use  # noqa: PLC0415

        return sha256_in_use(self._data)


def counts_text(counts: Mapping[float | None, int]) -> str:
    """The number of cards of each grade, in one line."""
    total = sum(counts.values())
    if total == 0:
        return "No cards yet."
    named = [f"{counts[grade]} of grade {grade:g}" for grade in sorted(key for key in counts if key is not None)]
    without = [f"{counts[None]} without a grade"] if counts.get(None) else []
    return f"{total} cards: " + ", ".join([*named, *without]) + "."


def _new_label(act: Act, before: LabelEvent | None) -> tuple[float | None, str | None, str]:
    """Grade, qualifier and note that an act gives its card. Raises BadGrade for what PSA does not know."""
    if act.kind == "label":
        grade, qualifier = parse_grade(act.grade), parse_qualifier(act.qualifier)
        check_label(grade, qualifier)
        if grade is None and qualifier is None:
            raise UserError("there is no grade; to take a label away, press Remove label")
        return grade, qualifier, act.note.strip()
    if act.kind == "remove":
        return None, None, act.note.strip()
    note = act.note.strip()
    if act.kind == "note" and not note:
        raise UserError("the note is empty; write one first")
    return (None, None, note) if before is None else (before.grade, before.qualifier, note)


def _same_event(
    session: Session,
    card: Card,
    last_event: int,
    grade: float | None,
    qualifier: str | None,
    known: Mapping[str, Any],
) -> LabelEvent | None:
    """The event of this act if it was recorded before, and its answer was lost on the way; else None."""
    history = labels.label_history(session, card_id=card.id)
    if not history or history[-1].id <= last_event:
        return None
    latest = history[-1]
    given = {name: getattr(latest, name) for name in known}
    return latest if (latest.grade, latest.qualifier, given) == (grade, qualifier, known) else None


def _swap(session: Session, card: Card, front: str) -> str:
    """Exchange the sides of a card, unless that was done since the page showed them. Raises UserError."""
    if (card.front.sha256 if card.front else "") == front:
        sides = (card.back_id, card.front_id)
        pictures = [picture.id for picture in card.pictures]
        others = cards.cards_of_pictures(session, picture_ids=pictures)
        if twin := next((other for other in others if (other.front_id, other.back_id) == sides), None):
            raise UserError(f"the card {twin.name!r} has these sides already; delete one of the two")
        card.front_id, card.back_id = sides
        predictions.forget(session, card_id=card.id)
    return f"Saved: the sides of {card.name} are exchanged."
