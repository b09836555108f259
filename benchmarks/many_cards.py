"""A database of many cards with long label histories, for benchmarks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from db.schema import Base, utc_now
from db.session import Database, Session
from engine.cards.grades import GRADES

ROWS_AT_ONCE = 10_000
LABELERS = 20
# Most people agree with the import; the others are a grade or two away.
REVISION_SHARES = {0: 0.8, 1: 0.1, -1: 0.07, -2: 0.03}


def fill(database: Database, pictures: Sequence[Path], *, cards: int, events_per_card: int, model_sha256: str) -> None:
    """Write cards with a front each, events_per_card label events and a prediction each.

    pictures      files of the first fronts; the fronts of the other cards lie nowhere
    model_sha256  the model that has predicted them
    """
    random = np.random.default_rng(0)
    grades = random.integers(GRADES[0], GRADES[-1] + 1, cards)
    revised = random.choice(list(REVISION_SHARES), (events_per_card, cards), p=list(REVISION_SHARES.values()))
    labels = np.clip(grades + np.where(np.arange(events_per_card)[:, None] == 0, 0, revised), GRADES[0], GRADES[-1])
    with database.writing() as session:
        _insert(session, "pictures", _pictures(pictures, cards))
        _insert(session, "cards", _cards(labels))
        _insert(session, "label_events", _events(labels))
        _insert(session, "card_predictions", _predictions(random.dirichlet(np.ones(len(GRADES)), cards), model_sha256))


def _insert(session: Session, table: str, rows: Iterator[dict[str, Any]]) -> None:
    statement = Base.metadata.tables[table].insert()
    while some := list(islice(rows, ROWS_AT_ONCE)):
        session.connection().execute(statement, some)


def _pictures(files: Sequence[Path], count: int) -> Iterator[dict[str, Any]]:
    now = utc_now()
    for index in range(count):
        sha256 = hashlib.sha256(files[index].read_bytes() if index < len(files) else str(index).encode()).hexdigest()
        path = files[index] if index < len(files) else f"/nowhere/{index}.jpg"
        size = {"width": 250, "height": 350, "size_bytes": None, "file_version": None}
        quality = {"verdict": "good"}
        common = {"sha256": sha256, "phash": sha256[:16], "quality": quality, "created_at": now}
        yield {"id": index + 1, "path": str(path), **size, **common}


def _cards(labels: np.ndarray) -> Iterator[dict[str, Any]]:
    """Cards with what db/labels.py keeps of their histories: the imports, and the last grade of each labeler."""
    events, cards = labels.shape
    now = utc_now()
    for index in range(cards):
        last = {_author(number, index): int(labels[number, index]) for number in range(events)}
        facts = {"is_reviewed": events > 1, "lowest_grade": min(last.values()), "highest_grade": max(last.values())}
        name = f"card {index:07}"
        texts = {"name": name, "group_name": name, "game": f"set {index % 40}", "cert": "", "notes": "", "title": ""}
        yield {
            "id": index + 1,
            "front_id": index + 1,
            "label_id": (events - 1) * cards + index + 1,
            "synthetic": False,
            "created_at": now,
            **texts,
            **facts,
        }


def _events(labels: np.ndarray) -> Iterator[dict[str, Any]]:
    now = utc_now()
    for number, grades in enumerate(labels):
        for index, grade in enumerate(grades):
            source = "person" if number else "import"
            flags = {"returned": False, "unsure": False, "blind": False, "note": "", "created_at": now}
            yield {
                "id": number * len(grades) + index + 1,
                "card_id": index + 1,
                "grade": float(grade),
                "source": source,
                "author": _author(number, index),
                **flags,
            }


def _author(event: int, card: int) -> str:
    return f"labeler {(event + card) % LABELERS}" if event else ""


def _predictions(probabilities: np.ndarray, model_sha256: str) -> Iterator[dict[str, Any]]:
    now = utc_now()
    for index, distribution in enumerate(probabilities):
        given = {"probabilities": distribution.tobytes(), "problem": "", "created_at": now}
        yield {"card_id": index + 1, "model_sha256": model_sha256, **given}
