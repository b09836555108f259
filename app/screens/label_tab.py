"""The Label tab: import cards, look at both sides, press a key for the grade, and the next card is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.labels.label_session import EVERY_CARD, FILTERS, NO_QUALIFIER, Desk, leaf, open_desk, record
from app.screens.error_messages import plainly
from app.settings import DataFolder
from db import cards, labels
from db.session import Database
from engine.cards.grades import GRADES, HALF_GRADES, NO_GRADES, QUALIFIERS
from engine.paths import written
from labeling.import_cards import Imported, import_cards

WELCOME = """### Start here: bring in your cards
Give the folder that holds your pictures. These shapes are understood:

- a folder per grade: `psa1` ... `psa10`, or `1` ... `10`
- files that pair up by name: `charizard_front.jpg`, `charizard_back.jpg`
- a manifest, `labels.csv`, with the columns `card_id,front,back,grade`

The pictures stay where they are; nothing leaves this machine. Then press **1** to **9**, or **0** for a 10, on each
card."""
REFUSALS_SHOWN = 20


def counts_text(database: Database) -> str:
    """How many cards there are of each grade, in one line."""
    with database.reading() as session:
        counts = labels.count_by_grade(session)
    total = sum(counts.values())
    if total == 0:
        return "No cards yet."
    named = [f"{counts[grade]} of grade {grade:g}" for grade in sorted(key for key in counts if key is not None)]
    without = [f"{counts[None]} without a grade"] if counts.get(None) else []
    return f"{total} cards: " + ", ".join([*named, *without]) + "."


def import_text(imported: Imported) -> str:
    """What an import did, with a line for each refusal."""
    head = f"**{imported.added} cards added, {imported.known} known already, {len(imported.refused)} refused.**"
    lines = [f"- {refused}" for refused in imported.refused[:REFUSALS_SHOWN]]
    if len(imported.refused) > REFUSALS_SHOWN:
        lines.append(f"- and {len(imported.refused) - REFUSALS_SHOWN} more; `launch.py import` lists them all")
    return "\n".join([head, "", *lines])


def take_in(database: Database, path: str, progress: Callable[[int, int], None]) -> str:
    """Import a folder or manifest named by its path; returns what happened, for a person."""
    if not path.strip():
        return "Give the path of a folder or a manifest first."
    return import_text(import_cards(database, written(path.strip()), progress=progress))


def _laid_out(card: Desk) -> list[object]:
    """The desk as the tab's widgets take it; a side without a picture says so."""
    sides = [("Front", card.front), ("Back", card.back)]
    pictures = [gr.update(value=path, label=name if path else f"{name}: no picture") for name, path in sides]
    return [card.card_id, card.title, *pictures, card.history]


class LabelTab:
    """The tab over one database."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        """Lay out and wire the tab where this is called."""
        self._database, self._data = database, data
        with gr.Tab("Label", id="label") as self._tab:
            self._lay_out_import()
            with gr.Column(visible=False) as self._table:
                self._lay_out_table()
        self._wire()

    def _lay_out_import(self) -> None:
        with gr.Accordion("Import cards", open=False) as self._importer:
            gr.Markdown(WELCOME)
            with gr.Row(elem_classes="level"):
                self._path = gr.Textbox(label="Folder or manifest on this machine", elem_id="import-path", scale=4)
                self._import = gr.Button("Import", variant="primary", elem_id="import-start", scale=1)
        # Outside the fold: it closes when the first cards are in, and what became of the import must stay in sight.
        self._outcome = gr.Markdown(elem_id="import-outcome")

    def _lay_out_table(self) -> None:
        with gr.Row():
            self._chosen = gr.Dropdown(FILTERS, value=EVERY_CARD, label="Show", elem_id="label-filter")
            self._counts = gr.Markdown(elem_id="label-counts")
        # In the page, not in the server's session: a key labels the card that was on the screen when it was pressed.
        self._card_id = gr.Number(precision=0, elem_classes="out-of-sight")
        with gr.Row():
            look: dict[str, Any] = {
                "interactive": False,
                "height": 520,
                "elem_classes": "card-picture",
                "buttons": ["fullscreen"],
            }
            self._front = gr.Image(label="Front", **look)
            self._back = gr.Image(label="Back", **look)
            with gr.Column(min_width=240):
                self._title = gr.Markdown(elem_id="current-grade")
                self._status = gr.Markdown(elem_id="label-status")
                kinds = [NO_QUALIFIER, *QUALIFIERS, *NO_GRADES]
                self._qualifier = gr.Dropdown(kinds, value=NO_QUALIFIER, label="Qualifier")
                self._half = gr.Checkbox(label="Half grade: 8 becomes 8.5")
                self._ungraded = gr.Button("No grade", elem_id="no-grade")
                self._history = gr.Markdown(elem_id="label-history")
        with gr.Row(elem_id="grade-buttons"):
            self._previous = gr.Button("←", elem_id="previous-card", min_width=48)
            self._grades = [gr.Button(str(grade), elem_id=f"grade-{grade}", min_width=48) for grade in GRADES]
            self._next = gr.Button("→", elem_id="next-card", min_width=48)
        gr.Markdown("Keys: **1** to **9**, **0** for 10, **←** and **→** to leaf. Every key is saved at once.")

    def _wire(self) -> None:
        # "multiple": the default drops a click that comes while the last one is being answered, and a key is a click.
        quick: dict[str, Any] = {"trigger_mode": "multiple", "show_progress": "hidden"}
        # One queue for all of them: Gradio gives each button its own, and of two quick keys the later was saved first.
        quick |= {"concurrency_id": "desk", "concurrency_limit": 1}
        desk_shown = [self._card_id, self._title, self._front, self._back, self._history]
        filled = [*desk_shown, self._counts, self._importer, self._table]
        labelled = [*desk_shown, self._status, self._counts, self._qualifier, self._half]
        here = [self._card_id, self._chosen]
        for button, grade in [(self._ungraded, None), *zip(self._grades, GRADES, strict=True)]:
            button.click(partial(self.label, grade), [*here, self._qualifier, self._half], labelled, **quick)
        self._next.click(partial(self.leaf, backwards=False), here, desk_shown, **quick)
        self._previous.click(partial(self.leaf, backwards=True), here, desk_shown, **quick)
        gr.on(
            [self._import.click, self._path.submit], self.bring_in, [self._path, self._chosen], [self._outcome, *filled]
        )
        self._chosen.change(self.fill, self._chosen, filled)
        self._tab.select(self.fill, self._chosen, filled)
        self._filled = filled

    def on_load(self, page: gr.Blocks) -> None:
        """Fill the tab whenever the page is loaded."""
        page.load(self.fill, self._chosen, self._filled)

    def fill(self, chosen: str) -> list[object]:
        """The first card of the filter; with no cards at all, only the way to bring some in."""
        with self._database.reading() as session:
            empty = cards.counts(session).cards == 0
        laid_out = _laid_out(open_desk(self._database, self._data, chosen))
        return [*laid_out, counts_text(self._database), gr.update(open=empty), gr.update(visible=not empty)]

    @plainly
    def label(self, grade: float | None, card_id: int | None, chosen: str, qualifier: str, half: bool) -> list[object]:
        """Save the pressed grade for the card on the screen and show the next."""
        given = grade + 0.5 if half and grade is not None and grade + 0.5 in HALF_GRADES else grade
        following, said = record(self._database, self._data, card_id, chosen, given, qualifier)
        return [*_laid_out(following), said, counts_text(self._database), NO_QUALIFIER, False]

    def leaf(self, card_id: int | None, chosen: str, *, backwards: bool) -> list[object]:
        """The card beside this one."""
        return _laid_out(leaf(self._database, self._data, card_id, chosen, backwards=backwards))

    @plainly
    def bring_in(self, path: str, chosen: str, progress: gr.Progress = gr.Progress()) -> list[object]:  # noqa: B008
        """Import, showing how far it is."""
        said = take_in(self._database, path, lambda done, total: progress((done, total), desc="Reading pictures"))
        return [said, *self.fill(chosen)]
