"""Batch tab: grade a folder, a ZIP file or a CSV file of cards, sorted by expected gain; table and report to keep.

A batch is a process of its own: the page only shows its rows, so that it may be closed or loaded again meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from app.batch import batch_text
from app.batch.batch import Batch, batches, delete_batch, find_batch, request_stop, start
from app.batch.exports import EXPORTS
from app.batch.prices import FOR_ALL, import_batch_prices, load_prices, save_prices_for_all, sorted_entries
from app.batch.sources import batch_from_files, batch_from_path
from app.collection.collection import save_costs
from app.markdown import bullets
from app.runs.jobs import Jobs
from app.screens.error_messages import show_user_errors
from app.screens.security import is_local
from app.screens.worth_panel import WorthPanel, cost_values, price_values, read_costs, read_prices
from app.settings import DataFolder, UserError
from db.session import Database
from engine.paths import expand_path

POLL_INTERVAL_S = 2.0
MAX_PROBLEMS = 10
RESUMABLE = ("stopped", "interrupted")
INTRODUCTION = (
    "Grade many cards at once: pictures paired by name (`name_front.jpg`, `name_back.jpg`), or a CSV file with the "
    "columns `card_id,front,back`. You can close the page meanwhile."
)
ONLY_LOCAL = "a path works only in a browser on the machine that runs Loupe; upload the files instead"
CHOOSE_FIRST = "choose a batch first; if one is chosen, reload the page"
PRICES_HINT = "The same prices for every card, or a CSV file with the columns `name` and `raw`, and one per grade."

# Updates by widget; those left out stay as they are.
Updates = dict[Any, Any]


class BatchTab:
    """The Batch tab of one data folder."""

    def __init__(self, database: Database, data: DataFolder, jobs: Jobs) -> None:
        """Add the tab to the Gradio layout being built and connect its events."""
        self._database, self._data, self._jobs = database, data, jobs
        with gr.Tab("Batch", id="batch") as self._tab:
            gr.Markdown(INTRODUCTION)
            with gr.Row(elem_classes="stack"):
                self._path = gr.Textbox(
                    label="Folder, ZIP file or CSV file on this machine", elem_id="batch-path", scale=2
                )
                self._files = gr.File(
                    label="Or upload: pictures, a ZIP file, a CSV file with its pictures",
                    file_count="multiple",
                    height=190,
                    elem_id="batch-files",
                    scale=2,
                )
            self._start = gr.Button("Grade all", variant="primary", elem_id="batch-start")
            self._status = gr.Markdown(batch_text.NO_BATCHES, elem_id="batch-status")
            with gr.Column(visible=False) as self._result:
                self._build_result()
            self._timer = gr.Timer(POLL_INTERVAL_S, active=False)
        self._wire()

    def _build_result(self) -> None:
        with gr.Row(elem_classes="level"):
            self._chosen = gr.Dropdown([], label="Batch", elem_id="batch-chosen", scale=2)
            self._stop = gr.Button("Stop", interactive=False, elem_id="batch-stop")
            self._resume = gr.Button("Resume", interactive=False, elem_id="batch-resume")
            self._delete = gr.Button("Delete this batch ...", elem_id="batch-ask-delete")
            self._really = gr.Button("Delete it for good", variant="stop", visible=False, elem_id="batch-delete")
        with gr.Accordion("Worth it?", open=False, elem_id="batch-worth"):
            gr.Markdown(PRICES_HINT)
            self._worth = WorthPanel("batch", button="Sort by expected gain")
            self._price_file = gr.File(label="CSV file with prices", height=120, elem_id="batch-price-file")
        self._show_all = gr.Checkbox(label="Show all cards", visible=False, elem_id="batch-show-all")
        self._table = gr.HTML(elem_id="batch-table")
        with gr.Row(elem_classes="level"):
            labels = {"csv": "Table as CSV", "json": "Results as JSON", "report": "Report to print"}
            self._exports = {kind: gr.Button(labels[kind], elem_id=f"batch-{kind}") for kind in EXPORTS}
        self._file = gr.File(label="File to download", visible=False, interactive=False, elem_id="batch-file")
        # Batch, rows and state that are on the page: nothing is sent again while they are the same.
        self._version = gr.State(None)

    def _wire(self) -> None:
        options: dict[str, Any] = {"show_progress": "hidden"}
        outputs = [self._status, self._result, self._chosen, self._stop, self._resume, self._really, self._show_all]
        outputs += [self._table, self._file, self._version, self._path, self._files]
        outputs += [self._worth.text, *self._worth.fields]
        position = [self._chosen, self._show_all]
        # Not hidden: uploads of many pictures take a while.
        self._start.click(self.start, [self._path, self._files], outputs, show_progress_on=self._status)
        self._tab.select(self.fill, position, outputs, **options)
        self._tab.select(lambda: gr.Timer(active=True), None, self._timer, **options)
        self._timer.tick(self.poll, [*position, self._version], outputs, **options)
        self._chosen.input(self.fill, position, outputs, **options)
        self._show_all.input(self.fill, position, outputs, **options)
        self._stop.click(self.stop, position, outputs, **options)
        self._resume.click(self.resume, position, outputs, **options)
        self._delete.click(lambda: gr.update(visible=True), None, self._really, **options)
        self._really.click(self.delete, position, outputs, **options)
        self._worth.button.click(self.save_worth, [*position, *self._worth.fields], outputs, **options)
        self._price_file.upload(self.import_prices, [*position, self._price_file], outputs, **options)
        for kind, button in self._exports.items():
            button.click(partial(self.export, kind), position, self._file, **options)

    def on_load(self, page: gr.Blocks) -> None:
        """Nothing is filled before the tab is opened."""
        del page

    @show_user_errors
    def start(self, path: str | None, files: Sequence[str] | None, request: gr.Request) -> Updates:
        """Start a batch of the uploaded files, or else of the cards at a path."""
        if files:
            batch = batch_from_files(self._data, [Path(file) for file in files])
        elif not (path or "").strip():
            raise UserError("give a folder, a ZIP file or a CSV file, or upload pictures first")
        elif not is_local(request):
            raise UserError(ONLY_LOCAL)
        else:
            batch = batch_from_path(self._data, expand_path((path or "").strip()))
        start(self._jobs, self._data, batch)
        return {self._path: "", self._files: None, **self._updates(batch, show_all=False)}

    @show_user_errors
    def fill(self, name: str | None, show_all: bool) -> Updates:
        """Show a batch, the newest if there is none of that name."""
        return self._updates(find_batch(self._data, name), show_all=show_all)

    @show_user_errors
    def poll(self, name: str | None, show_all: bool, version: Any) -> Updates:
        """Show what is new of a batch."""
        batch = find_batch(self._data, name)
        if batch is None or version == _version(batch):
            return {self._version: version}
        if batch.name != name:  # deleted on another page
            return self._updates(batch, show_all=show_all)
        return self._listing(batch, show_all=show_all)

    def _updates(self, batch: Batch | None, *, show_all: bool) -> Updates:
        """Updates of the whole tab for a batch."""
        hidden = {self._really: gr.update(visible=False), self._file: gr.update(visible=False)}
        if batch is None:
            return {self._status: batch_text.NO_BATCHES, self._result: gr.update(visible=False), **hidden}
        amounts = [*price_values(load_prices(batch)[FOR_ALL]), *cost_values(self._database)]
        choices = [(_title(known), known.name) for known in batches(self._data)]
        return {
            **hidden,
            self._result: gr.update(visible=True),
            self._chosen: gr.update(choices=choices, value=batch.name),
            **dict(zip(self._worth.fields, amounts, strict=True)),
            self._worth.text: "",
            **self._listing(batch, show_all=show_all),
        }

    def _listing(self, batch: Batch, *, show_all: bool) -> Updates:
        """Updates of what changes while a batch is graded."""
        version = _version(batch)
        state, entries = version[1], sorted_entries(self._database, batch)
        return {
            self._status: batch_text.status_text(batch, state, entries),
            self._stop: gr.update(interactive=state in ("starting", "running")),
            self._resume: gr.update(interactive=state in RESUMABLE),
            self._show_all: gr.update(visible=len(entries) > batch_text.MAX_SHOWN),
            self._table: batch_text.table_html(entries, show_all=show_all),
            self._version: version,
        }

    def _required(self, name: str | None) -> Batch:
        """The chosen batch. Raises UserError if there is none, also if it was deleted in another window."""
        batch = find_batch(self._data, name)
        if batch is None or batch.name != name:
            raise UserError(CHOOSE_FIRST)
        return batch

    @show_user_errors
    def stop(self, name: str | None, show_all: bool) -> Updates:
        """Ask the batch to stop."""
        batch = self._required(name)
        request_stop(batch)
        return self._listing(batch, show_all=show_all)

    @show_user_errors
    def resume(self, name: str | None, show_all: bool) -> Updates:
        """Grade the cards of the batch that are not graded yet."""
        batch = self._required(name)
        if batch.state() not in RESUMABLE:
            raise UserError("only a stopped or interrupted batch can be resumed")
        start(self._jobs, self._data, batch)
        return self._listing(batch, show_all=show_all)

    @show_user_errors
    def delete(self, name: str | None, show_all: bool) -> Updates:
        """Delete the batch."""
        delete_batch(self._required(name))
        return self._updates(find_batch(self._data, None), show_all=show_all)

    @show_user_errors
    def save_worth(self, name: str | None, show_all: bool, *values: Any) -> Updates:
        """Save the prices of the batch and the costs, and sort the cards by what submitting them is worth."""
        batch = self._required(name)
        prices, costs = read_prices(values), read_costs(values)
        save_costs(self._database, costs)
        save_prices_for_all(batch, prices)
        return self._listing(batch, show_all=show_all)

    @show_user_errors
    def import_prices(self, name: str | None, show_all: bool, file: str | None) -> Updates:
        """Save the prices of a CSV file for the cards that it names."""
        if file is None:
            raise UserError("choose a CSV file first")
        batch = self._required(name)
        imported = import_batch_prices(batch, Path(file))
        lines = [f"Prices of {imported.cards} cards saved.", "", *bullets(imported.problems, MAX_PROBLEMS)]
        return {**self._listing(batch, show_all=show_all), self._worth.text: "\n".join(lines)}

    @show_user_errors
    def export(self, kind: str, name: str | None, show_all: bool) -> Any:
        """Write the table, the results or the report of the batch, to be downloaded."""
        del show_all
        batch = self._required(name)
        suffix, write = EXPORTS[kind]
        # Deleted after a day, as uploads are.
        folder = self._data.uploads / f"batch-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        write(folder / f"{batch.name}{suffix}", batch, sorted_entries(self._database, batch))
        return gr.update(value=str(folder / f"{batch.name}{suffix}"), visible=True)


def _title(batch: Batch) -> str:
    if not batch.is_readable:
        return f"{batch.name}, damaged"
    content = batch.content
    return f"{content.source}, {len(content.cards)} cards, {content.created_at[:16].replace('T', ' ')}"


def _version(batch: Batch) -> list[Any]:
    return [batch.name, batch.state(), len(batch.rows())]
