"""A batch as a CSV table, as JSON, and as a report to print."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.batch.batch import Batch
from app.batch.prices import BatchEntry
from app.report.html_report import report_file
from engine.cards.table import defuse_formula, write_table
from engine.storage.atomic import write_text

COLUMNS = (
    *("card_id", "grade", "expected", "range_low", "range_high", "p10", "p9_or_better"),
    *("abstained", "expected_gain", "advice", "error"),
)


def write_csv(path: Path, batch: Batch, entries: Sequence[BatchEntry]) -> None:
    """Write a row per card, in the order of the entries."""
    del batch
    rows = ([_cell(cell) for cell in _cells(entry)] for entry in entries)
    write_table(path, COLUMNS, rows, encoding="utf-8-sig")


def _cells(entry: BatchEntry) -> list[Any]:
    row, worth = entry.row, entry.worth
    if entry.failed:
        return [row["card_id"], *[None] * (len(COLUMNS) - 2), row["error"]]
    chances, interval = row["probabilities"], row["interval"]
    return [
        row["card_id"],
        row["grade"],
        row["expected"],
        interval and interval["low"],
        interval and interval["high"],
        chances and chances[-1],
        chances and sum(chances[-2:]),
        row["abstained"],
        worth and worth.expected_gain,
        worth and worth.advice,
        None,
    ]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else defuse_formula(str(value))


def results(batch: Batch) -> list[dict[str, Any]]:
    """The JSON of `grade --batch`: for each row, in the order of the cards, card_id with the report or an error."""
    return [
        {"card_id": row["card_id"], "error": row["error"]}
        if "error" in row
        else json.loads(batch.graded(row["number"], ".json").read_bytes())
        for row in batch.rows()
    ]


def write_json(path: Path, batch: Batch, entries: Sequence[BatchEntry]) -> None:
    """Write the results as `grade --batch` does."""
    del entries
    write_text(path, json.dumps(results(batch), ensure_ascii=False, indent=2) + "\n")


def write_html(path: Path, batch: Batch, entries: Sequence[BatchEntry]) -> None:
    """Write the report, a page per graded card in the order of the entries."""
    with report_file(path) as report:
        for entry in entries:
            if entry.failed:
                report.add_failure(entry.row["card_id"], entry.row["error"])
            else:
                report.add_page(batch.graded(entry.row["number"], ".html").read_text(encoding="utf-8"))


# Kinds of export: suffix and function.
EXPORTS: dict[str, tuple[str, Callable[[Path, Batch, Sequence[BatchEntry]], None]]] = {
    "csv": (".csv", write_csv),
    "json": (".json", write_json),
    "report": (".html", write_html),
}
