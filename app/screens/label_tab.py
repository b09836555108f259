"""Label tab: import cards, then label them one by one with a key per grade."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.errors import user_message
from app.labels.label_session import (
    ALL_CARDS,
    FILTERS,
    NO_CHANGES,
    NO_QUALIFIER,
    RANKED,
    CardView,
    first_view,
    neighbor_view,
    ranked_queue,
    save_label,
    take_back,
)
from app.labels.undo import Changes
from app.markdown import bullets, escape
from app.screens.card_picture import card_pictures, picture_updates
from app.screens.error_messages import show_user_errors
from app.screens.event_order import MAX_PAGES, EventOrder, number_events, page_id
from app.screens.login import labeler
from app.screens.security import is_local
from app.settings import DataFolder
from db import cards, labels, predictions
from db.session import Database
from engine.cards.grades import GRADES, HALF_GRADES, NO_GRADES, QUALIFIERS
from engine.paths import expand_path
from labeling.import_cards import Imported, changed_labels_text, import_cards
from labeling.ranking import BY_LABELS_ALONE, RankedQueue

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
NO_MODEL_TO_ASK = "There is no grading model yet: no label is suspect, and no card uncertain."
LABELS_WIN = "Imported labels replace mine"


def counts_text(database: Database) -> str:
    """The number of cards of each grade, in one line."""
    with database.reading() as session:
        counts = labels.count_by_grade(session)
    total = sum(counts.values())
    if total == 0:
        return "No cards yet."
    named = [f"{counts[grade]} of grade {grade:g}" for grade in sorted(key for key in counts if key is not None)]
    without = [f"{counts[None]} without a grade"] if counts.get(None) else []
    return f"{total} cards: " + ", ".join([*named, *without]) + "."


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


def _view_updates(view: CardView) -> list[object]:
    """Updates of the tab's widgets for a card."""
    return [view.key, view.title, *picture_updates(view.front, view.back), view.history]


class LabelTab:
    """The Label tab of one database."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        """Add the tab to the Gradio layout being built and connect its events."""
        self._database, self._data, self._order = database, data, EventOrder()
        self._changes: OrderedDict[str | None, Changes] = OrderedDict()  # by page
        with gr.Tab("Label", id="label") as self._tab:
            self._build_import()
            with gr.Column(visible=False) as self._labeling:
                self._build_labeling()
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

    def _build_labeling(self) -> None:
        with gr.Row(elem_classes="stack"):
            self._filter = gr.Dropdown(FILTERS, value=ALL_CARDS, label="Show", elem_id="label-filter")
            self._counts = gr.Markdown(elem_id="label-counts")
        with gr.Row(visible=False, elem_classes="level") as self._scoring:
            self._scored = gr.Markdown(elem_id="scored-cards")
            self._score = gr.Button("Ask the model about these cards", elem_id="score-cards")
        # The order that was chosen stays as it is while labels are given.
        self._ranked = gr.State(None)
        # In the page, not in the server's session: a key labels the card on the screen when it was pressed.
        self._card_key = gr.Textbox(elem_classes="out-of-sight")
        self._event_number = gr.Number(precision=0, elem_classes="out-of-sight")
        with gr.Row():
            self._pictures = card_pictures(520)
            with gr.Column(min_width=240):
                self._title = gr.Markdown(elem_id="current-grade")
                self._status = gr.Markdown(elem_id="label-status")
                named = [(f"{code}: {name}", code) for code, name in {**QUALIFIERS, **NO_GRADES}.items()]
                qualifiers = [(NO_QUALIFIER, NO_QUALIFIER), *named]
                self._qualifier = gr.Dropdown(qualifiers, value=NO_QUALIFIER, label="Qualifier")
                self._half = gr.Checkbox(label="Half grade: pressing 8 saves 8.5")
                self._ungraded = gr.Button("Save without a grade", elem_id="no-grade")
                with gr.Row(elem_classes="level"):
                    self._undo = gr.Button("Undo", size="sm", elem_id="undo-label")
                    self._redo = gr.Button("Redo", size="sm", elem_id="redo-label")
                self._history = gr.Markdown(elem_id="label-history")
        with gr.Row(elem_id="grade-buttons"):
            self._previous = gr.Button("←", elem_id="previous-card", min_width=48)
            self._grades = [gr.Button(str(grade), elem_id=f"grade-{grade}", min_width=48) for grade in GRADES]
            self._next = gr.Button("→", elem_id="next-card", min_width=48)
        gr.Markdown("Every label is saved at once.")
        gr.Markdown(
            "Keys: **1** to **9**, **0** for 10, **←** previous card, **→** next card, **U** or **Ctrl+Z** undo, "
            "**Ctrl+Y** redo.",
            elem_classes="keyboard-help",
        )

    def _wire(self) -> None:
        # "multiple": the default drops a click while the last one is being handled, and a key press is a click.
        event_options: dict[str, Any] = {"trigger_mode": "multiple", "show_progress": "hidden"}
        # Events are ordered by their number; one that waits for its predecessor must not keep it from being handled.
        event_options |= {"concurrency_id": "label", "concurrency_limit": None}
        view = [self._card_key, self._title, *self._pictures, self._history]
        self._filled = [*view, self._counts, self._importer, self._labeling, self._ranked, self._scoring, self._scored]
        outputs = [*view, self._status, self._counts, self._qualifier, self._half]
        position = [self._card_key, self._filter, self._ranked]
        label_inputs = [*position, self._qualifier, self._half, self._event_number]
        for button, grade in [(self._ungraded, None), *zip(self._grades, GRADES, strict=True)]:
            label = partial(self.label, grade)
            button.click(label, label_inputs, outputs, js=number_events(len(label_inputs)), **event_options)
        move_inputs = [*position, self._event_number]
        for button, again in ((self._undo, False), (self._redo, True)):
            handle = partial(self.take_back, again=again)
            button.click(handle, move_inputs, outputs, js=number_events(len(move_inputs)), **event_options)
        for button, backwards in ((self._next, False), (self._previous, True)):
            move = partial(self.show_neighbor, backwards=backwards)
            button.click(move, move_inputs, view, js=number_events(len(move_inputs)), **event_options)
        importing = gr.on(
            [self._import.click, self._path.submit],
            self.import_cards,
            [self._path, self._filter, self._labels_win],
            [self._outcome, *self._filled],
            # Not over the labeling buttons: an error would stay there and take their clicks.
            show_progress_on=self._outcome,
        )
        importing.failure(lambda: IMPORT_FAILED, None, self._outcome, show_progress="hidden")
        self._score.click(self.score, self._filter, self._filled, show_progress_on=self._scored)
        self._filter.change(self.fill, self._filter, self._filled, show_progress="hidden")
        self._tab.select(self.fill, self._filter, self._filled, show_progress="hidden")

    def on_load(self, page: gr.Blocks) -> None:
        """Fill the tab whenever the page is loaded."""
        page.load(self.fill, self._filter, self._filled, show_progress="hidden")

    @show_user_errors
    def fill(self, filter_entry: str | None) -> list[object]:
        """Show the first card of the filter; without any cards, only the import section."""
        with self._database.reading() as session:
            count = cards.counts(session).cards
        model_sha256 = self._model_to_ask(filter_entry)
        ranked = ranked_queue(self._database, filter_entry, model_sha256)
        updates = _view_updates(first_view(self._database, self._data, filter_entry, ranked))
        shown = [counts_text(self._database), gr.update(open=not count), gr.update(visible=bool(count))]
        return [*updates, *shown, ranked, *self._scoring_updates(filter_entry, model_sha256)]

    def _model_to_ask(self, filter_entry: str | None) -> str | None:
        """SHA-256 of the model in use, if the order depends on it and there is one."""
        if RANKED.get(filter_entry or "", BY_LABELS_ALONE[0]) in BY_LABELS_ALONE:
            return None
        # Loads torch, which the other orders do without.
        from app.models.model_registry import model_path  # noqa: PLC0415
        from engine.inference.load_model import file_sha256  # noqa: PLC0415

        path = model_path(None, self._data)
        return None if path is None else file_sha256(path)

    def _scoring_updates(self, filter_entry: str | None, model_sha256: str | None) -> list[object]:
        """The number of cards that the model has not been asked about, if the order depends on it."""
        order = RANKED.get(filter_entry or "")
        if order is None or order in BY_LABELS_ALONE:
            return [gr.update(visible=False), ""]
        if model_sha256 is None:
            return [gr.update(visible=True), NO_MODEL_TO_ASK]
        with self._database.reading() as session:
            missing = len(predictions.cards_without_prediction(session, model_sha256=model_sha256))
        cards_text = "one card" if missing == 1 else f"{missing} cards"
        return [gr.update(visible=missing > 0), f"The model in use has not been asked about {cards_text} yet."]

    @show_user_errors
    def score(self, filter_entry: str | None, progress: gr.Progress = gr.Progress()) -> list[object]:  # noqa: B008
        """Ask the model about the cards it has not been asked about, then show the first card of the order."""
        from app.labels.score_cards import score_cards  # noqa: PLC0415 - loads torch

        progress(0, desc="Grading cards")
        score_cards(self._database, self._data, lambda done, total: progress((done, total), desc="Grading cards"))
        return self.fill(filter_entry)

    @show_user_errors
    def label(
        self,
        grade: float | None,
        key: str | None,
        filter_entry: str,
        ranked: RankedQueue | None,
        qualifier: str,
        half: bool,
        event_number: int | None = None,
    ) -> list[object]:
        """Save the grade for the card on the screen and show the next card."""
        if half and grade is not None and grade + 0.5 in HALF_GRADES:
            grade += 0.5
        with self._order.turn(page_id(), event_number):
            changes, home = self._changes.get(page_id(), NO_CHANGES), (self._database, self._data)
            answer = save_label(*home, key, filter_entry, grade, qualifier, labeler(), ranked, changes)
            view, message = self._remember(answer)
            return [*_view_updates(view), message, counts_text(self._database), NO_QUALIFIER, False]

    @show_user_errors
    def take_back(
        self,
        key: str | None,
        filter_entry: str,
        ranked: RankedQueue | None,
        event_number: int | None = None,
        *,
        again: bool,
    ) -> list[object]:
        """Undo the page's last label, or redo the last undone one, and show its card."""
        with self._order.turn(page_id(), event_number):
            changes, home = self._changes.get(page_id(), NO_CHANGES), (self._database, self._data)
            answer = take_back(*home, key, filter_entry, changes, labeler(), ranked, again=again)
            view, message = self._remember(answer)
            return [*_view_updates(view), message, counts_text(self._database), NO_QUALIFIER, False]

    def _remember(self, answer: tuple[CardView, str, Changes]) -> tuple[CardView, str]:
        """Keep the changes of the page; those of the pages that were idle longest are forgotten."""
        view, message, self._changes[page_id()] = answer
        self._changes.move_to_end(page_id())
        if len(self._changes) > MAX_PAGES:
            self._changes.popitem(last=False)
        return view, message

    @show_user_errors
    def show_neighbor(
        self,
        key: str | None,
        filter_entry: str,
        ranked: RankedQueue | None,
        event_number: int | None = None,
        *,
        backwards: bool,
    ) -> list[object]:
        """Show the next or previous card."""
        with self._order.turn(page_id(), event_number):
            view = neighbor_view(self._database, self._data, key, filter_entry, ranked, backwards=backwards)
            return _view_updates(view)

    @show_user_errors
    def import_cards(
        self,
        path: str | None,
        filter_entry: str | None,
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
        return [message, *self.fill(filter_entry)]

    def _not_imported(self, message: str) -> list[object]:
        """Show a refusal; the path stays on the screen, to be corrected."""
        return [message, *(gr.skip() for _ in self._filled)]
