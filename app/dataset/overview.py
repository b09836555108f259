"""Counts of the cards for the Dataset tab: by grade, source, split, sides, picture quality and labeler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from db.card_counts import CardCount, card_groups, count_cards
from db.session import Session
from engine.cards.grades import GRADES, grade_name
from engine.evaluation.label_scores import rarity
from labeling.splits import split_of

NOT_LABELLED, QUALIFIER_ONLY = "none", "qualifier"
GRADE_TEXTS = {NOT_LABELLED: "not labelled", QUALIFIER_ONLY: "no grade: authentic, altered, N-codes"}
SOURCES = {"import": "imported", "person": "by hand", "none": "never labelled"}
SPLITS = {"train": "train", "val": "validation", "test": "test"}
SIDES = {"both": "front and back", "front": "front only", "back": "back only"}
QUALITIES = {"good": "good", "usable": "usable", "refuse": "too poor", "": "not measured"}
# A grade is rare if it has fewer labels than this fraction of the most frequent one.
MAX_RARE_FRACTION = 0.5
# Grades of which worn copies are made, see engine.data.synthetic_wear, and the most that are suggested for a grade: a
# copy takes about a second.
WORN_FROM = (9, 10)
MAX_WORN_COPIES = 200


def overview(session: Session) -> dict[str, Any]:
    """Counts as JSON: the number of cards, the parts with a row for each value, and the rare grades.

    A row is {value, text, count}; its value is that of the filter with the part's name, None for one without a filter.
    """
    counts = count_cards(session)
    splits = Counter(fixed or split_of(group) for group, fixed in card_groups(session))
    total = sum(row.cards for row in counts)
    return {
        "total": total,
        "parts": [
            _part("grade", "Grade", _grade_rows(counts)),
            _part("source", "Source of the label", _rows(SOURCES, _sum(counts, lambda row: row.source or "none"))),
            _part("split", "Split", _rows(SPLITS, splits)),
            _part("sides", "Pictures", _rows(SIDES, _sum(counts, _sides))),
            _part("quality", "Picture quality", _rows(QUALITIES, _sum(counts, lambda row: row.quality or ""))),
            _part("author", "Labeler", _author_rows(counts)),
        ],
        "rare": rare_grades(counts),
        "worn_copies": worn_copies_per_grade(counts),
    }


def worn_copies_per_grade(counts: Iterable[CardCount]) -> int:
    """Number of cards that each grade is to have with worn copies: as many as the most frequent grade, within reason.

    0 if there is no card of grade 9 or 10 of which a copy could be made.
    """
    of_grade = _training_counts(counts)
    has_source = any(of_grade[grade] for grade in WORN_FROM)
    return min(max(of_grade.values(), default=0), MAX_WORN_COPIES) if has_source else 0


def rare_grades(counts: Iterable[CardCount]) -> list[dict[str, int]]:
    """Grades with few labels to train on, as {grade, count}, the rarest first; none without any labels.

    A half grade counts as the whole grade below it, as in training.
    """
    of_grade = _training_counts(counts)
    if not of_grade:
        return []
    shares = rarity(np.array([of_grade[grade] for grade in GRADES]))
    rare = [grade for grade, share in zip(GRADES, shares, strict=True) if share > 1 - MAX_RARE_FRACTION]
    return [{"grade": grade, "count": of_grade[grade]} for grade in sorted(rare, key=lambda grade: of_grade[grade])]


def _training_counts(counts: Iterable[CardCount]) -> Counter[int]:
    of_grade: Counter[int] = Counter()
    for row in counts:
        if row.grade is not None and not row.has_qualifier:
            of_grade[int(row.grade)] += row.cards
    return of_grade


def _part(name: str, title: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "title": title, "rows": rows}


def _rows(texts: dict[str, str], counts: Counter[str]) -> list[dict[str, Any]]:
    return [
        {"value": value or None, "text": text, "count": counts[value]} for value, text in texts.items() if counts[value]
    ]


def _sum(counts: Iterable[CardCount], key: Callable[[CardCount], str]) -> Counter[str]:
    summed: Counter[str] = Counter()
    for row in counts:
        summed[key(row)] += row.cards
    return summed


def _sides(row: CardCount) -> str:
    return "both" if row.has_front and row.has_back else "front" if row.has_front else "back"


def _grade_rows(counts: Iterable[CardCount]) -> list[dict[str, Any]]:
    """All whole grades, also those without a card, the half grades that occur, and the cards without a grade."""
    summed = _sum(counts, _grade_value)
    whole = {f"{grade:g}": 0 for grade in GRADES}
    numbers = sorted({*whole, *summed} - {NOT_LABELLED, QUALIFIER_ONLY}, key=float, reverse=True)
    texts = {value: f"{value} {grade_name(float(value))}" for value in numbers}
    rows = [{"value": value, "text": text, "count": summed[value]} for value, text in texts.items()]
    return rows + _rows(GRADE_TEXTS, summed)


def _grade_value(row: CardCount) -> str:
    if row.grade is not None:
        return f"{row.grade:g}"
    return QUALIFIER_ONLY if row.has_qualifier else NOT_LABELLED


def _author_rows(counts: Iterable[CardCount]) -> list[dict[str, Any]]:
    summed = _sum(counts, lambda row: row.author or "")
    return [{"value": name, "text": name, "count": number} for name, number in summed.most_common() if name]
