"""Label files: a CSV with card_id, grade and optionally qualifier for the cards of a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.cards.grades import BadGrade, parse_grade, parse_qualifier
from engine.cards.pairs import CardPair, Manifest, Refused, name_key
from engine.cards.table import BadManifest, read_table, unused_columns_message
from labeling.discover import ImportRefused

COLUMNS = ("card_id", "grade", "qualifier")
REQUIRED_COLUMNS = ("card_id", "grade")
MAX_NAMES = 5


def with_labels(cards: Manifest, path: Path) -> Manifest:
    """Add the grades of a CSV to the cards by name; rows that match no card are added to `refused`.

    A card without a row keeps the grade of its folder, if any. Raises ImportRefused if the file is unreadable or lacks
    the columns card_id and grade.
    """
    try:
        table = read_table(path, columns=COLUMNS, required=REQUIRED_COLUMNS)
    except BadManifest as error:
        raise ImportRefused(str(error)) from error
    pairs = {name_key(pair.card_id): pair for pair in cards.pairs}
    labelled: dict[str, CardPair] = {}
    refused = list(cards.refused)
    for row in table.rows:
        card_id = row.cells.get("card_id", "")
        key = name_key(card_id)
        try:
            if row.problem:
                raise BadGrade(row.problem)
            if key not in pairs:
                raise BadGrade(f"no picture belongs to card {card_id!r}; check the name")
            if key in labelled:
                raise BadGrade(f"card {card_id!r} is listed twice; keep one of its rows")
            grade, qualifier = parse_grade(row.cells.get("grade")), parse_qualifier(row.cells.get("qualifier"))
        except BadGrade as error:
            refused.append(Refused(f"{path.name}:{row.line}", str(error)))
            continue
        labelled[key] = replace(pairs[key], grade=grade, qualifier=qualifier)
    without = [pair.card_id for key, pair in pairs.items() if key not in labelled and pair.grade is None]
    notices = [*cards.notices, *unused_columns_message(path, table), *_missing_message(path, without)]
    return Manifest([labelled.get(key, pair) for key, pair in pairs.items()], refused, notices)


def _missing_message(path: Path, card_ids: list[str]) -> list[str]:
    """The sentence on the cards of the folder that the label file does not name; none if it names all."""
    if not card_ids:
        return []
    names = ", ".join(map(repr, card_ids[:MAX_NAMES])) + (", ..." if len(card_ids) > MAX_NAMES else "")
    return [f"{path.name}: has no grade for {len(card_ids)} of the folder's cards: {names}"]
