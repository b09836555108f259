"""Label tab: import cards, then label them one by one at the labeling desk."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from app.labels.label_desk import LabelDesk
from app.labels.queue_orders import ALL_CARDS, ENTRIES
from app.screens.error_messages import show_user_errors
from app.screens.import_panel import ImportPanel
from app.screens.label_desk import desk_value, label_desk
from app.screens.private_paths import PrivatePaths
from app.settings import PROGRAM, DataFolder, ServerOptions
from db import cards
from db.session import Database

# The list shows what the browser had open before.
SAVED_ENTRY = """
() => {
  const saved = JSON.parse(localStorage.getItem("loupe-place") ?? "{}").entry;
  return [%s.includes(saved) ? saved : %s];
}
"""


class LabelTab:
    """The Label tab of one database."""

    def __init__(self, database: Database, data: DataFolder, options: ServerOptions) -> None:
        """Add the tab to the Gradio layout being built and connect its events."""
        self._database, self._has_login = database, options.login is not None
        self._desk = LabelDesk(database, data, None if options.login is None else options.login.user)
        self._imports = 0
        with gr.Tab("Label", id="label") as self._tab:
            self._importer = ImportPanel(database, data, options)
            with gr.Column(visible=False) as self._labeling:
                # Slim, so that the card has the screen.
                slim: dict[str, Any] = {"container": False, "show_label": False, "elem_id": "label-filter"}
                self._entry = gr.Dropdown(ENTRIES, value=ALL_CARDS, label="Show", **slim)
                value = desk_value(ALL_CARDS, "", has_login=self._has_login)
                self._card = label_desk(self._desk.functions(), value, PrivatePaths((data.root, PROGRAM)))
        self._wire()

    def _wire(self) -> None:
        self._filled = [self._card, self._importer.accordion, self._labeling]
        self._importer.connect(self._fill_after_import, self._entry, self._filled)
        self._entry.input(self.fill, self._entry, self._filled, show_progress="hidden")
        self._tab.select(self.fill, self._entry, self._filled, show_progress="hidden")
        self._tab.select(self._importer.restore, self._importer.name, self._importer.outputs, show_progress="hidden")

    @property
    def opened(self) -> list[Any]:
        """The widgets that `restore` updates."""
        return [self._entry, *self._filled]

    def on_load(self, page: gr.Blocks) -> None:
        """Fill the tab whenever the page is loaded, with the list that was open before."""
        script = SAVED_ENTRY % (json.dumps(ENTRIES), json.dumps(ALL_CARDS))
        page.load(self.restore, self._entry, self.opened, js=script, show_progress="hidden")

    @show_user_errors
    def restore(self, entry: str | None) -> list[object]:
        """Show the list that was open before."""
        return [entry or ALL_CARDS, *self.fill(entry)]

    @show_user_errors
    def fill(self, entry: str | None) -> list[object]:
        """Show the queue of an entry; without any cards, only the import section."""
        with self._database.reading() as session:
            count = cards.counts(session).cards
        value = desk_value(entry or ALL_CARDS, f"{self._imports} {count}", has_login=self._has_login)
        return [value, gr.update(open=not count), gr.update(visible=bool(count))]

    def _fill_after_import(self, entry: str | None) -> dict[Any, Any]:
        self._imports += 1
        return dict(zip(self._filled, self.fill(entry), strict=True))
