"""A batch as text and as an HTML table."""

from __future__ import annotations

import html
from collections.abc import Sequence

from app.batch.batch import Batch, State
from app.batch.prices import BatchEntry
from app.collection.collection_text import amount, percent, prediction_text, range_of
from app.markdown import escape

MAX_SHOWN = 100
NO_BATCHES = "No batch yet. Give a folder, a ZIP file or a CSV file, and press **Grade all**."
STATES: dict[State, str] = {
    "starting": "Starting ...",
    "running": "Grading ...",
    "stopping": "Stopping after the cards that are being graded ...",
    "stopped": "Stopped. **Resume** goes on with the rest.",
    "interrupted": "Interrupted. **Resume** goes on with the rest.",
    "finished": "Finished.",
}
HEADS = ("", "Card", "Grade", "Range", "Chance of a 10", "Expected gain", "Advice")


def status_text(batch: Batch, state: State, entries: Sequence[BatchEntry]) -> str:
    """Progress of a batch, in Markdown."""
    failed = sum(entry.failed for entry in entries)
    paying = [entry.worth for entry in entries if entry.worth is not None and entry.worth.advice == "submit"]
    parts = [f"**{len(entries)} of {len(batch.cards)} cards done**"]
    parts += [f"{failed} could not be graded"] if failed else []
    if paying:
        gain = amount(sum(worth.expected_gain for worth in paying))
        parts.append(f"{len(paying)} worth submitting: expected gain {gain}")
    problem = (
        f" The last attempt ended with: {escape(batch.problem())}."
        if state == "interrupted" and batch.problem()
        else ""
    )
    return f"{', '.join(parts)}. {STATES[state]}{problem}"


def table_html(entries: Sequence[BatchEntry], *, show_all: bool = False) -> str:
    """The rows in their order, with thumbnails; only the first ones unless all are asked for."""
    if not entries:
        return ""
    shown = entries if show_all else entries[:MAX_SHOWN]
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADS)
    body = "".join(map(_row, shown))
    rest = len(entries) - len(shown)
    note = f"<p>and {rest} more; tick “Show all cards” to see them</p>" if rest else ""
    return f'<div class="batch-table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'


def _row(entry: BatchEntry) -> str:
    row, name = entry.row, html.escape(entry.row["card_id"])
    if entry.failed:
        return f'<tr><td></td><td>{name}</td><td colspan="5">{html.escape(row["error"])}</td></tr>'
    chances, worth = row["probabilities"], entry.worth
    cells = [
        html.escape(prediction_text(row)),
        range_of(row),
        "" if chances is None else percent(chances[-1]),
        "" if worth is None else amount(worth.expected_gain),
        "" if worth is None else worth.advice,
    ]
    picture = f'<td><img src="{html.escape(row["picture"])}" alt="" loading="lazy"></td>'
    return f"<tr>{picture}<td>{name}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
