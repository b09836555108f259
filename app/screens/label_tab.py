"""Label tab: import cards, then label them one by one at the labeling desk."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gradio as gr

from app.errors import user_message
from app.labels.label_desk import LabelDesk
from app.labels.queue_orders import ALL_CARDS, ENTRIES
from app.markdown import bullets, escape
from app.screens.error_messages import show_user_errors
from app.screens.label_desk import desk_value, label_desk
from app.screens.private_paths import PrivatePaths
from app.screens.security import is_local
from app.settings import PROGRAM, DataFolder, ServerOptions
from db import cards
from db.session import Database
from engine.paths import expand_path
from labeling.import_cards import Imported, changed_labels_text, import_cards

WELCOME = """### Start here: import your cards
Enter the path of the folder with your pictures. Three layouts work:

- a folder per grade: `psa1` ... `psa10`, or `1` ... `10`
- pairs of file names: `charizard_front.jpg`, `charizard_back.jpg`
- a table, `labels.csv`, with the columns `card_id,front,back,grade`

The pictures stay where they are; nothing leaves this machine. Then label each card: press **1** to **9**, or **0** for
a 10."""
MAX_REFUSALS = 20
ONLY_LOCAL = (
    "Importing by path works only in a browser on the machine that runs Loupe; there, `python launch.py import PATH` "
    "does the same."
)
IMPORT_FAILED = (
    "**The import ended with an error of the program**, which the terminal that runs Loupe shows. Cards imported so "
    "far are kept; import again to continue."
)
LABELS_WIN = "Imported labels replace mine"
# The list shows what the browser had open before.
SAVED_ENTRY = """
() => {
  const saved = JSON.parse(localStorage.getItem("loupe-place") ?? "{}").entry;
  return [%s.includes(saved) ? saved : %s];
}
"""


def import_text(imported: Imported, *, labels_win: bool = False) -> str:
    """The result of an import, with a line for each refused file, and the labels that differ from those given here."""
    head = f"**{imported.added} cards added, {imported.known} already imported, {len(imported.refused)} refused.**"
    remedy = f"tick “{LABELS_WIN}” and import again"
    changed = changed_labels_text(imported.changed_labels, taken=labels_win, remedy=remedy)
    notices = [*filter(None, [changed]), *imported.notices]
    refused = bullets(imported.refused, MAX_REFUSALS, "more; `launch.py import` lists them all")
    return "\n".join([head, "", *bullets(notices, len(notices)), *refused])


def import_from(
    database: Database, path: str, progress: Callable[[int, int], None], *, labels_win: bool = False
) -> str:
    """Import a folder or manifest; returns the result as text."""
    if not path.strip():
        return "Enter the path of a folder or a CSV file first."
    imported = import_cards(database, expand_path(path.strip()), labels_win=labels_win, progress=progress)
    return import_text(imported, labels_win=labels_win)


class LabelTab:
    """The Label tab of one database."""

    def __init__(self, database: Database, data: DataFolder, options: ServerOptions) -> None:
        """Add the tab to the Gradio layout being built and connect its events."""
        self._database, self._has_login = database, options.login is not None
        self._desk = LabelDesk(database, data, None if options.login is None else options.login.user)
        self._imports = 0
        with gr.Tab("Label", id="label") as self._tab:
            self._build_import()
            with gr.Column(visible=False) as self._labeling:
                # Slim, so that the card has the screen.
                slim: dict[str, Any] = {"container": False, "show_label": False, "elem_id": "label-filter"}
                self._entry = gr.Dropdown(ENTRIES, value=ALL_CARDS, label="Show", **slim)
                value = desk_value(ALL_CARDS, "", has_login=self._has_login)
                self._card = label_desk(self._desk.functions(), value, PrivatePaths((data.root, PROGRAM)))
        self._wire()

    def _build_import(self) -> None:
        with gr.Accordion("Import cards", open=False) as self._importer:
            gr.Markdown(WELCOME)
            with gr.Row(elem_classes="level"):
                self._path = gr.Textbox(label="Folder or CSV file on this machine", elem_id="import-path", scale=4)
                self._import = gr.Button("Import", variant="primary", elem_id="import-start", scale=1)
            self._labels_win = gr.Checkbox(label=LABELS_WIN, elem_id="import-labels-win")
        # Outside the accordion: it closes after the first import, and the result must stay visible.
        self._outcome = gr.Markdown(elem_id="import-outcome")

    def _wire(self) -> None:
        self._filled = [self._card, self._importer, self._labeling]
        importing = gr.on(
            [self._import.click, self._path.submit],
            self.import_cards,
            [self._path, self._entry, self._labels_win],
            [self._outcome, *self._filled],
            # Not over the labeling buttons: an error would stay there and take their clicks.
            show_progress_on=self._outcome,
        )
        importing.failure(lambda: IMPORT_FAILED, None, self._outcome, show_progress="hidden")
        self._entry.input(self.fill, self._entry, self._filled, show_progress="hidden")
        self._tab.select(self.fill, self._entry, self._filled, show_progress="hidden")

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

    @show_user_errors
    def import_cards(
        self,
        path: str | None,
        entry: str | None,
        labels_win: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[object]:
        """Import cards, with a progress bar; a refusal stands in the place of the result."""
        if not is_local(request):
            return self._not_imported(ONLY_LOCAL)
        progress(0, desc="Looking for cards")
        try:
            message = import_from(
                self._database,
                path or "",
                lambda done, total: progress((done, total), desc="Reading pictures"),
                labels_win=labels_win,
            )
        except Exception as error:
            if (refusal := user_message(error)) is None:
                raise
            return self._not_imported(f"**Not imported:** {escape(refusal)}.")
        self._imports += 1
        return [message, *self.fill(entry)]

    def _not_imported(self, message: str) -> list[object]:
        """Show a refusal; the path stays on the screen, to be corrected."""
        return [message, *(gr.skip() for _ in self._filled)]
