"""Entries of the Label tab's list "Show": an order of the queue, or a filter of it, and the filters beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Literal

from pydantic import BaseModel, ConfigDict

from db.label_queue import CardFilter
from engine.cards.grades import GRADES, HALF_GRADES
from labeling.queue import QueueFilter
from labeling.ranking import QueueBy

ALL_CARDS, UNLABELLED = "All cards, unlabelled first", "Only unlabelled"
UNSURE = "Unsure: look again"
SECOND_LOOK = "Second look: grade again, blind"
CHOSEN = "Chosen in the Dataset tab"
CONFLICTS = "Conflicts: different people, different grades"
RANKED: dict[str, QueueBy] = {
    "Suspect labels first": "suspect",
    "Rare grades first": "rare",
    "Uncertain cards first": "uncertain",
    "Disagreements first": "disagreement",
    "Not reviewed first": "unreviewed",
    "Mixed: all of these": "mixed",
}
ALL_GRADES = sorted((*GRADES, *HALF_GRADES))
ENTRIES = [
    ALL_CARDS,
    UNLABELLED,
    *RANKED,
    UNSURE,
    CONFLICTS,
    SECOND_LOOK,
    CHOSEN,
    *(f"Grade {grade:g}" for grade in ALL_GRADES),
]


def order_of(entry: str) -> QueueBy | None:
    """The ranking of an entry; None for one in the order of the cards."""
    return "disagreement" if entry == CONFLICTS else RANKED.get(entry)


class PageFilters(BaseModel):
    """The filters of the page; "" for any.

    grade   of the label; "none" for a card without a label, "qualifier" for one with a qualifier in place of a grade
    source  of the label; "none" for a card that never had one
    """

    model_config = ConfigDict(frozen=True)

    grade: Literal["", "none", "qualifier", *(f"{grade:g}" for grade in ALL_GRADES)] = ""  # type: ignore[valid-type]
    source: Literal["", "import", "person", "none"] = ""
    split: Literal["", "train", "val", "test"] = ""
    quality: Literal["", "good", "usable", "refuse"] = ""
    sides: Literal["", "both", "front", "back"] = ""
    author: str = ""
    game: str = ""
    since: date | Literal[""] = ""
    text: str = ""


def queue_filter(entry: str, filters: PageFilters) -> QueueFilter:
    """The filter of an entry together with the filters of the page."""
    conditions = CardFilter(
        grade=float(filters.grade) if filters.grade not in ("", "none", "qualifier") else None,
        unlabelled_only=entry == UNLABELLED or filters.grade == "none",
        qualifier_only=filters.grade == "qualifier",
        unsure_only=entry == UNSURE,
        source=filters.source or None,
        author=filters.author,
        game=filters.game,
        quality=filters.quality,
        sides=filters.sides,
        since=datetime.combine(filters.since, time(), UTC) if isinstance(filters.since, date) else None,
        text=filters.text.strip(),
    )
    if entry.startswith("Grade "):
        conditions = replace(conditions, grade=float(entry.removeprefix("Grade ")))
    return QueueFilter(conditions, filters.split)
