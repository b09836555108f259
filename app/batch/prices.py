"""Prices of the cards of a batch: the same for all, and those of a CSV file by name; the cards sorted by gain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.batch.batch import Batch, Row
from app.collection.collection import Prices, check_prices, current_costs, worth_of
from app.collection.price_file import ImportedPrices, each_row
from app.settings import UserError
from db.session import Database
from engine.cards.pairs import name_key
from engine.cards.submission import SubmissionWorth
from engine.storage.atomic import write_text

FOR_ALL, BY_NAME = "for_all", "by_name"


@dataclass(frozen=True)
class BatchEntry:
    """A row of a batch; `worth` is that of submitting the card, None without prices or without a prediction."""

    row: Row
    worth: SubmissionWorth | None

    @property
    def failed(self) -> bool:
        """True if the card could not be graded."""
        return "error" in self.row

    @property
    def sort_key(self) -> tuple[bool, float, float]:
        """By expected gain, then by expected grade; failures last."""
        gain = float("-inf") if self.worth is None else self.worth.expected_gain
        expected = None if self.failed else self.row["expected"]
        return self.failed, -gain, 0.0 if expected is None else -expected


def sorted_entries(database: Database, batch: Batch) -> list[BatchEntry]:
    """The rows so far with their worth, the largest expected gain first, failures last."""
    prices, costs = load_prices(batch), current_costs(database)
    entries = [
        BatchEntry(row, None if "error" in row else worth_of(row, _prices_of(row["card_id"], prices), costs))
        for row in batch.rows()
    ]
    return sorted(entries, key=lambda entry: entry.sort_key)


def load_prices(batch: Batch) -> dict[str, Any]:
    """Prices for all cards, and by name. Raises UserError if their file is damaged."""
    path = _file(batch)
    try:
        prices: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {FOR_ALL: {}, BY_NAME: {}}
    except ValueError as error:
        raise UserError(f"{path} is damaged; delete it, and enter the prices again") from error
    return prices


def save_prices_for_all(batch: Batch, prices: Prices) -> None:
    """Save the prices of all cards that have none of their own. Raises BadAmount."""
    check_prices(prices)
    _save(batch, {**load_prices(batch), FOR_ALL: dict(prices)})


def import_batch_prices(batch: Batch, path: Path) -> ImportedPrices:
    """Save the prices of a CSV file (name, raw, and a column per grade) for the cards of the same name.

    Raises BadManifest.
    """
    names = {name_key(card.card_id) for card in batch.cards}
    saved = load_prices(batch)

    def save(name: str, prices: Prices) -> int:
        if name_key(name) not in names:
            raise UserError(f"no card of the batch has the name {name!r}")
        check_prices(prices)
        saved[BY_NAME][name_key(name)] = dict(prices)
        return 1

    imported = each_row(path, save)
    _save(batch, saved)
    return imported


def _prices_of(name: str, prices: Mapping[str, Any]) -> Prices:
    own: Prices = prices[BY_NAME].get(name_key(name)) or prices[FOR_ALL]
    return own


def _save(batch: Batch, prices: Mapping[str, Any]) -> None:
    write_text(_file(batch), json.dumps(prices, ensure_ascii=False))


def _file(batch: Batch) -> Path:
    return batch.folder / "prices.json"
