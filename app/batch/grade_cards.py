"""The process of a batch: grades its cards on several cores and appends a row for each.

What is graded is written before its row, and a card has at most one row: a process that was killed is followed by one
that goes on with the cards without a row.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from app.batch.batch import Batch, BatchCard, Row
from app.errors import user_message
from app.grading.json_report import report
from app.grading.line_corrections import load_corrections
from app.models.grading_pool import graded_in_processes, model_of_process
from app.report.embedded_pictures import embedded_pictures, thumbnail
from app.report.html_report import card_page
from app.settings import DataFolder, UserError
from app.terminal import ProgressMeter, stop_on_signal
from db.session import DatabaseUnusable
from engine.image.read import BadPicture
from engine.inference.grade_card import grade_card
from engine.measure.centering.line_correction import Corrections
from engine.storage.atomic import write_text
from engine.storage.checkpoint import BadModel
from engine.storage.disk_space import DiskFull

# Errors that every other card would have too: the batch ends with them and can be resumed.
FATAL = (DiskFull, BadModel, UserError, DatabaseUnusable)
PROGRAM_ERROR = "the program made an error on this card, which the log of the batch shows; the others are graded"
POOL_ENDED = "a process of this batch was ended, perhaps for lack of memory; close other programs and resume"
IN_ROW = ("grade", "expected", "probabilities", "interval", "abstained")


def grade_cards(data: DataFolder, name: str) -> dict[str, int]:
    """Grade the cards of the batch of this name that have no row yet, until all are done or a stop is requested.

    Returns the numbers of cards and rows. Raises UserError if another process is at it, and the FATAL errors.
    """
    batch = Batch(data.batches / name)
    cards, rows = batch.cards, batch.rows_file
    if not rows.acquire():
        raise UserError(f"{batch.name} is being graded already; wait until it ends")
    try:
        done = {row["number"] for row in batch.rows()}
        meter, total = ProgressMeter(), len(cards)
        with stop_on_signal() as is_signaled:
            remaining = ((number, card) for number, card in enumerate(cards) if number not in done)
            for row in _graded(
                data, batch, remaining, total - len(done), lambda: is_signaled() or batch.stop_file.exists()
            ):
                rows.append([row])
                done.add(row["number"])
                meter("cards", len(done), total)
    finally:
        rows.release()
    return {"cards": total, "rows": len(done)}


def _graded(
    data: DataFolder,
    batch: Batch,
    remaining: Iterator[tuple[int, BatchCard]],
    count: int,
    is_stopped: Callable[[], bool],
) -> Iterator[Row]:
    """Grade cards in a pool of processes; yields the rows as they are done, also of those begun before a stop."""
    corrections, model_name = load_corrections(data), batch.content.model
    calls = ((entry, (data, batch, *entry, model_name, corrections)) for entry in remaining)
    for entry, future in graded_in_processes(grade_one, calls, count, is_stopped):
        yield _row(future, *entry)


def _row(future: Future[Row], number: int, card: BatchCard) -> Row:
    """The row of a card, with a sentence as its error if it cannot be graded. Raises the FATAL errors."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, FATAL):
        raise error
    if isinstance(error, BrokenProcessPool):
        raise UserError(POOL_ENDED) from error
    message = user_message(error)
    if message is None:
        traceback.print_exception(error)
    return {"number": number, "card_id": card.card_id, "error": message or PROGRAM_ERROR}


def grade_one(
    data: DataFolder, batch: Batch, number: int, card: BatchCard, model_name: str | None, corrections: Corrections
) -> Row:
    """Grade one card and write its JSON and its page; returns its row. Raises BadPicture and the FATAL errors."""
    if card.error:
        raise BadPicture(card.error)
    model = model_of_process(data, model_name)
    front, back = (None if path is None else Path(path) for path in (card.front, card.back))
    graded = grade_card(front, back, model, corrections, with_saliency=False)
    values = {"card_id": card.card_id, **report(graded)}
    page = card_page(card.card_id, values, embedded_pictures(graded), None if model is None else model.card)
    picture = thumbnail(graded)
    write_text(batch.graded(number, ".json"), json.dumps(values, ensure_ascii=False, allow_nan=False))
    write_text(batch.graded(number, ".html"), page)
    values_in_row = {key: values[key] for key in IN_ROW}
    return {"number": number, "card_id": card.card_id, **values_in_row, "picture": picture}
