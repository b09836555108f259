"""Label files: a CSV with card_id, grade and optionally qualifier for the cards of a folder."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from engine.cards.grades import BadGrade, parse_grade, parse_qualifier
from engine.cards.pairs import CardPair, Manifest, Refused
from labeling.discover import ImportRefused


def with_labels(cards: Manifest, path: Path) -> Manifest:
    """Add the grades of a CSV to the cards by name; rows that match no card are added to `refused`.

    A card without a row keeps the grade of its folder, if any. Raises ImportRefused if the file is unreadable or lacks
    the columns card_id and grade.
    """
    pairs = {pair.card_id.casefold(): pair for pair in cards.pairs}
    labelled: dict[str, CardPair] = {}
    refused = list(cards.refused)
    for line, row in _rows(path):
        key = row["card_id"].casefold()
        try:
            if key not in pairs:
                raise BadGrade(f"no picture belongs to card {row['card_id']!r}; check the name")
            if key in labelled:
                raise BadGrade(f"card {row['card_id']!r} is listed twice; keep one of its rows")
            grade, qualifier = parse_grade(row["grade"]), parse_qualifier(row.get("qualifier"))
        except BadGrade as error:
            refused.append(Refused(f"{path.name}:{line}", str(error)))
            continue
        labelled[key] = replace(pairs[key], grade=grade, qualifier=qualifier)
    return Manifest([labelled.get(key, pair) for key, pair in pairs.items()], refused)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, {k: (v or "").strip() for k, v in row.items() if k}) for row in reader]
    except OSError as error:
        raise ImportRefused(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ImportRefused(f"{path}: not a CSV file in UTF-8; save it as one") from error
    for column in ("card_id", "grade"):
        if column not in (reader.fieldnames or []):
            raise ImportRefused(f"{path}: the column {column!r} is missing; the first line must name card_id,grade")
    return rows
