"""History file: the label events of exported cards, beside their manifest, so that an import restores them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from db.schema import LabelEvent, LabelSource
from engine.cards.grades import BadGrade, parse_grade, parse_qualifier
from engine.cards.pairs import name_key
from engine.cards.table import BadManifest, Row, defuse_formula, read_table, write_table
from labeling.discover import ImportRefused

EVENT_COLUMNS = ("grade", "qualifier", "source", "author", "note", "returned", "unsure", "blind", "created_at")
COLUMNS = ("card_id", *EVENT_COLUMNS)
REQUIRED_COLUMNS = ("card_id", "grade", "source", "created_at")
SOURCES: tuple[LabelSource, ...] = ("import", "person")
FLAGS = {"": False, "0": False, "1": True}

History = dict[str, list[dict[str, Any]]]  # values of the label events of each card, oldest first, by name_key


def history_path(manifest: Path) -> Path:
    """Path of the history file of a manifest: labels.csv -> labels.history.csv."""
    return manifest.with_name(f"{manifest.stem}.history.csv")


def write_history(path: Path, events: Iterable[tuple[str, LabelEvent]]) -> None:
    """Write (card name, label event) in their order, atomically. Raises DiskFull."""
    write_table(path, COLUMNS, (_cells(name, event) for name, event in events))


def _cells(name: str, event: LabelEvent) -> list[str]:
    grade = "" if event.grade is None else f"{event.grade:g}"
    flags = [str(int(flag)) for flag in (event.returned, event.unsure, event.blind)]
    texts = [name, grade, event.qualifier or "", event.source, event.author, event.note]
    return [*map(defuse_formula, texts), *flags, event.created_at.isoformat()]


def read_history(path: Path) -> History:
    """Read a history file; {} if there is none. Raises ImportRefused with the line that cannot be used.

    It is refused as a whole: a history with a gap would be taken for the whole one.
    """
    if not path.exists():
        return {}
    history: History = {}
    try:
        for row in read_table(path, columns=COLUMNS, required=REQUIRED_COLUMNS).rows:
            history.setdefault(name_key(row.cells.get("card_id", "")), []).append(_event_values(path, row))
    except BadManifest as error:
        raise ImportRefused(str(error)) from error
    return history


def _event_values(path: Path, row: Row) -> dict[str, Any]:
    cells = row.cells
    try:
        if row.problem:
            raise BadGrade(row.problem)
        grade, qualifier = parse_grade(cells.get("grade")), parse_qualifier(cells.get("qualifier"))
        # Not whether PSA gives both together: an earlier version recorded them, and a history is told as it was.
        if cells["source"] not in SOURCES:
            raise BadGrade(f"source {cells['source']!r} is not known; use import or person")
        flags = {name: FLAGS[cells.get(name, "")] for name in ("returned", "unsure", "blind")}
        moment = datetime.fromisoformat(cells["created_at"])
    except (BadGrade, KeyError, ValueError) as error:
        reason = str(error) if isinstance(error, BadGrade) else "a flag is neither 0 nor 1, or the time is no ISO 8601"
        raise ImportRefused(
            f"{path.name}:{row.line}: {reason}; correct the line, or remove the file to import the labels without "
            "their history"
        ) from error
    return {
        "grade": grade,
        "qualifier": qualifier,
        "source": cells["source"],
        "author": cells.get("author", ""),
        "note": cells.get("note", ""),
        "created_at": moment if moment.tzinfo else moment.replace(tzinfo=UTC),
        **flags,
    }
