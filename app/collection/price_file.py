"""Prices of many cards from the collector's own table: a CSV file with a name, a raw price, and prices by grade."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.collection.collection import RAW, Prices, load_collection, save_prices
from app.settings import UserError
from db.session import Database
from engine.cards.grades import GRADES
from engine.cards.pairs import name_key
from engine.cards.submission import BadAmount
from engine.cards.table import read_table

NAME = "name"
# "10", "psa 10" and "psa10" name the same column.
GRADE_COLUMNS = {f"{prefix}{grade}": str(grade) for grade in GRADES for prefix in ("", "psa", "psa_")}
# A price with a decimal point or comma. 1,200 is refused: it may be twelve hundred, or one and a fifth.
PRICE = re.compile(r"[^\w.,-]?\s*(\d+(?:[.,]\d{1,2})?)\s*[^\w.,-]?")


@dataclass(frozen=True)
class ImportedPrices:
    """Number of cards that got prices, and a sentence for each row that was not used."""

    cards: int
    problems: list[str]


def import_prices(database: Database, path: Path) -> ImportedPrices:
    """Save the prices of a CSV file with the cards of the same name (title, or name in the data folder).

    Columns: name, raw, and a grade (10, psa10) for each price known. Raises BadManifest.
    """
    cards_of_name: dict[str, list[int]] = {}
    for card in load_collection(database):
        for name in {name_key(card.title), name_key(card.card.name)}:
            cards_of_name.setdefault(name, []).append(card.card.id)

    def save(name: str, prices: Prices) -> int:
        card_ids = cards_of_name.get(name_key(name), [])
        if not card_ids:
            raise UserError(f"no card of the collection has the name {name!r}")
        for card_id in card_ids:
            save_prices(database, card_id, prices)
        return len(card_ids)

    return each_row(path, save)


def each_row(path: Path, save: Callable[[str, Prices], int]) -> ImportedPrices:
    """Call `save` with the name and the prices of each row; it returns the number of cards, or raises UserError.

    Raises BadManifest.
    """
    table = read_table(path, columns=(NAME, RAW, *GRADE_COLUMNS), required=(NAME, RAW))
    count, problems = 0, []
    for row in table.rows:
        try:
            if row.problem:
                raise UserError(row.problem)
            count += save(row.cells[NAME], _prices(row.cells))
        except (UserError, BadAmount) as error:
            problems.append(f"{path.name}:{row.line}: {error}")
    return ImportedPrices(count, problems)


def _prices(cells: dict[str, str]) -> Prices:
    """The prices of a row. Raises UserError for one that is no number."""
    prices = {}
    for column, key in {RAW: RAW, **GRADE_COLUMNS}.items():
        text = cells.get(column, "").strip()
        if not text:
            continue
        match = PRICE.fullmatch(text)
        if match is None:
            raise UserError(f"the price {text!r} of {column} is not a number; write it like 1200 or 12.50")
        prices[key] = float(match[1].replace(",", "."))
    return prices
