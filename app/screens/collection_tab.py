"""Collection tab: kept cards with their gradings, worth and returned grades; the track record, the bin and disk use.

Modules that need torch are imported in the handlers: they take seconds to load, and the page should appear first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from app.collection import collection_text
from app.collection.collection import (
    ORDERS,
    CollectionCard,
    current_costs,
    find_cards,
    load_collection,
    save_prices,
    save_returned_grade,
    save_title,
)
from app.collection.deleting import clear_caches, disk_use, empty_bin
from app.collection.price_file import import_prices
from app.collection.returned_grades import collection_record
from app.errors import user_message
from app.labels.card_names import card_key
from app.labels.previews import preview_file
from app.markdown import bullets, counted, escape
from app.screens.card_picture import card_pictures, picture_updates
from app.screens.error_messages import show_user_errors
from app.screens.login import labeler
from app.screens.worth_panel import WorthPanel, cost_values, price_values, read_prices, work_out
from app.settings import DataFolder, UserError
from db import card_bin
from db.session import Database
from engine.cards.grades import GRADES, HALF_GRADES, NO_GRADES, QUALIFIERS, grade_name
from labeling.picture_files import locate_pictures

MAX_PROBLEMS = 10
NOT_BACK = "not back yet"
NO_GRADE = "no grade"
NO_QUALIFIER = "none"
RETURNED_GRADES = [
    (NOT_BACK, NOT_BACK),
    *((f"{grade:g} {grade_name(grade)}", f"{grade:g}") for grade in sorted((*GRADES, *HALF_GRADES), reverse=True)),
    (NO_GRADE, NO_GRADE),
]
RETURNED_QUALIFIERS = [
    (NO_QUALIFIER, NO_QUALIFIER),
    *((f"{code}: {name}", code) for code, name in {**QUALIFIERS, **NO_GRADES}.items()),
]
CHOOSE_FIRST = "choose a card first; if one is chosen, reload the page"
PRICE_FILE_HINT = (
    "A CSV file with the columns `name` and `raw`, and one per grade with a known price, such as `10` and `9`."
)
BIN_HINT = (
    "Cards in the bin are shown nowhere else and are not trained on. Emptying the bin deletes them for good, with "
    "their labels, gradings and uploaded pictures. Pictures that you imported from a folder stay "
    "there; models trained on these cards and the daily copies of the database stay too."
)
COLUMNS = ["No.", "Name", "Expected gain", "Advice", "Grade", "Range", "Came back"]

# Updates by widget; those left out stay as they are.
Updates = dict[Any, Any]


class CollectionTab:
    """The Collection tab of one data folder."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        """Add the tab to the Gradio layout being built and connect its events."""
        self._database, self._data = database, data
        with gr.Tab("Collection", id="collection") as self._tab:
            self._summary = gr.Markdown(elem_id="collection-summary")
            with gr.Row(visible=False, elem_classes="level") as self._outdated:
                self._outdated_text = gr.Markdown(elem_id="collection-outdated")
                self._regrade = gr.Button("Grade them again", elem_id="regrade")
            with gr.Row(elem_classes="level"):
                self._status = gr.Markdown(elem_id="collection-status")
                self._undo = gr.Button("Undo", visible=False, elem_id="undo-delete")
            # Cards that were just moved to the bin.
            self._moved = gr.State([])
            # What is done to all cards is done to those on the page: another page may have changed the collection.
            self._listed, self._binned = gr.State([]), gr.State([])
            with gr.Column(visible=False) as self._list:
                self._build_list()
            with gr.Column(visible=False) as self._detail:
                self._build_detail()
            with gr.Accordion("Track record", visible=False, elem_id="record-section") as self._record_section:
                self._record = gr.Markdown(elem_id="track-record")
            with gr.Accordion(
                "Prices from a file", open=False, visible=False, elem_id="price-section"
            ) as self._price_section:
                gr.Markdown(PRICE_FILE_HINT)
                self._price_file = gr.File(label="CSV file with prices", height=120, elem_id="price-file")
            with gr.Accordion("Bin", open=False, visible=False, elem_id="bin-section") as self._bin_section:
                self._build_bin()
            with gr.Accordion("Disk use", open=False, elem_id="disk-section") as self._disk_section:
                self._disk = gr.Markdown(elem_id="disk-use")
                self._clear = gr.Button("Clear the caches", elem_id="clear-caches")
        self._wire()

    def _build_list(self) -> None:
        with gr.Row(elem_classes="stack"):
            self._search = gr.Textbox(label="Search", elem_id="collection-search", scale=2)
            self._order = gr.Dropdown(
                list(ORDERS), value=next(iter(ORDERS)), label="Sort by", elem_id="collection-order"
            )
        self._table = gr.Dataframe(
            headers=COLUMNS,
            interactive=False,
            max_height=360,
            show_label=False,
            buttons=[],
            elem_id="collection-table",
        )
        with gr.Row(elem_classes="level"):
            self._chosen = gr.Dropdown(
                [], label="Card shown below; or press a row above", elem_id="collection-card", scale=2
            )
            self._delete = gr.Button("Move this card to the bin", elem_id="delete-card")
            self._delete_shown = gr.Button("Move all listed cards to the bin", elem_id="delete-shown")

    def _build_detail(self) -> None:
        with gr.Row():
            self._pictures = card_pictures(360)
            with gr.Column(min_width=300):
                with gr.Row(elem_classes="level"):
                    self._title = gr.Textbox(label="Name", elem_id="card-title", scale=2)
                    self._rename = gr.Button("Rename", elem_id="rename-card")
                self._gradings = gr.Markdown(elem_id="card-gradings")
        with gr.Row():
            with gr.Column(min_width=320):
                gr.Markdown("### Worth it?")
                self._worth = WorthPanel("card")
            with gr.Column(min_width=320):
                gr.Markdown("### Grade that came back")
                self._returned_text = gr.Markdown(elem_id="card-returned")
                self._returned = gr.Dropdown(RETURNED_GRADES, value=NOT_BACK, label="Grade", elem_id="returned-grade")
                self._qualifier = gr.Dropdown(
                    RETURNED_QUALIFIERS, value=NO_QUALIFIER, label="Qualifier", elem_id="returned-qualifier"
                )
                self._cert = gr.Textbox(label="Certificate number", elem_id="returned-cert")
                self._save_returned = gr.Button("Save the grade that came back", elem_id="save-returned")

    def _build_bin(self) -> None:
        self._bin_text = gr.Markdown(elem_id="bin-text")
        gr.Markdown(BIN_HINT)
        with gr.Row(elem_classes="level"):
            self._restore = gr.Button("Take all cards out", elem_id="restore-bin")
            self._ask_empty = gr.Button("Empty the bin ...", elem_id="ask-empty-bin")
            self._empty = gr.Button("Delete them for good", variant="stop", visible=False, elem_id="empty-bin")

    def _wire(self) -> None:
        options: dict[str, Any] = {"show_progress": "hidden"}
        position = [self._search, self._order, self._chosen]
        # Handlers return updates by widget, of some of these.
        outputs = [self._status, self._undo, self._moved, self._listed, self._binned]
        outputs += [self._summary, self._outdated, self._outdated_text, self._list, self._table, self._chosen]
        outputs += [self._record_section, self._record, self._price_section]
        outputs += [self._bin_section, self._bin_text, self._empty]
        outputs += [self._detail, *self._pictures, self._title, self._gradings, self._worth.text, *self._worth.fields]
        outputs += [self._returned_text, self._returned, self._qualifier, self._cert]
        self._tab.select(self.fill, position, outputs, **options)
        for change in (self._search.change, self._order.change):
            change(self.list_cards, position, outputs, **options)
        self._chosen.change(self.show_card, self._chosen, outputs, **options)
        self._table.select(self.choose, None, self._chosen, **options)
        renaming = [self._title, *position]
        gr.on([self._rename.click, self._title.submit], self.rename, renaming, outputs, **options)
        inputs = [*position, *self._worth.fields]
        self._worth.button.click(self.save_worth, inputs, outputs, **options)
        returned = [*position, self._returned, self._qualifier, self._cert]
        self._save_returned.click(self.save_returned, returned, outputs, **options)
        self._regrade.click(self.regrade, position, outputs, **options)
        self._delete.click(self.delete, position, outputs, **options)
        self._delete_shown.click(self.delete_shown, [self._listed, *position], outputs, **options)
        self._undo.click(self.undo, [self._moved, *position], outputs, **options)
        self._restore.click(self.restore, position, outputs, **options)
        self._ask_empty.click(lambda: gr.update(visible=True), None, self._empty, **options)
        self._empty.click(self.empty, [self._binned, *position], outputs, **options)
        self._price_file.upload(self.import_prices, [self._price_file, *position], outputs, **options)
        self._disk_section.expand(self.show_disk_use, None, self._disk, **options)
        self._clear.click(self.clear, None, self._disk, **options)

    def on_load(self, page: gr.Blocks) -> None:
        """Nothing is filled before the tab is opened."""
        del page

    @show_user_errors
    def fill(
        self,
        search: str | None,
        order: str | None,
        key: str | None,
        status: str = "",
        moved: Sequence[int] = (),
    ) -> Updates:
        """Fill the whole tab from the database.

        status  what was just done, in Markdown
        moved   cards that were just moved to the bin, which can be undone
        """
        listing, chosen = self._listing(search, order, key)
        done = {self._status: status, self._undo: gr.update(visible=bool(moved)), self._moved: list(moved)}
        return {**done, **listing, **self._card(chosen)}

    @show_user_errors
    def list_cards(self, search: str | None, order: str | None, key: str | None) -> Updates:
        """List the cards that match the search, in the order chosen."""
        return self._listing(search, order, key)[0]

    def _listing(self, search: str | None, order: str | None, key: str | None) -> tuple[Updates, CollectionCard | None]:
        """Updates of everything around the chosen card, and that card, the first of the list if it is gone."""
        all_cards = load_collection(self._database)
        cards = find_cards(all_cards, search or "", order if order in ORDERS else next(iter(ORDERS)))
        chosen = next((card for card in cards if card_key(card.card) == key), next(iter(cards), None))
        outdated = self._outdated_cards(all_cards)
        with self._database.reading() as session:
            binned = card_bin.cards_in_bin(session)
        choices = [(card.title, card_key(card.card)) for card in cards]
        sections = (self._list, self._record_section, self._price_section)
        return {
            **{section: gr.update(visible=bool(all_cards)) for section in sections},
            self._summary: collection_text.summary_text(all_cards, len(cards)),
            self._outdated: gr.update(visible=bool(outdated)),
            self._outdated_text: _outdated_text(len(outdated)),
            self._listed: [card.card.id for card in cards],
            self._binned: binned,
            self._table: pd.DataFrame([_row(card) for card in cards], columns=COLUMNS),
            self._chosen: gr.update(choices=choices, value=chosen and card_key(chosen.card)),
            self._record: collection_text.record_text(collection_record(self._database)),
            self._bin_section: gr.update(visible=bool(binned)),
            self._bin_text: f"**{counted(len(binned))} in the bin.**",
            self._empty: gr.update(visible=False),
        }, chosen

    def _outdated_cards(self, cards: list[CollectionCard]) -> list[CollectionCard]:
        from app.collection.keep_graded_card import outdated

        return outdated(cards, self._data)

    @show_user_errors
    def show_card(self, key: str | None) -> Updates:
        """Show a card of the collection."""
        return self._card(self._known(key))

    def _known(self, key: str | None) -> CollectionCard | None:
        return next((card for card in load_collection(self._database) if card_key(card.card) == key), None)

    def _required(self, key: str | None) -> CollectionCard:
        """The chosen card. Raises UserError if there is none, also if the page is that of another data folder."""
        entry = self._known(key)
        if entry is None:
            raise UserError(CHOOSE_FIRST)
        return entry

    def _card(self, entry: CollectionCard | None) -> Updates:
        """Updates of the chosen card's section; hidden without a card."""
        if entry is None:
            return {self._detail: gr.update(visible=False)}
        card, costs, returned = entry.card, current_costs(self._database), entry.returned
        locations = locate_pictures(self._database, card.pictures)
        front, back = (
            None if side is None else preview_file(side, locations[side.id], self._data)[0]
            for side in (card.front, card.back)
        )
        grade = NOT_BACK if returned is None else NO_GRADE if returned.grade is None else f"{returned.grade:g}"
        amounts = [*price_values(card.prices), *cost_values(self._database)]
        return {
            self._detail: gr.update(visible=True),
            **dict(zip(self._pictures, picture_updates(front, back), strict=True)),
            self._title: entry.title,
            self._gradings: collection_text.gradings_text(entry, costs),
            self._worth.text: collection_text.card_worth_text(entry.grading.prediction, card.prices, costs),
            **dict(zip(self._worth.fields, amounts, strict=True)),
            self._returned_text: collection_text.returned_text(entry),
            self._returned: grade,
            self._qualifier: returned.qualifier if returned is not None and returned.qualifier else NO_QUALIFIER,
            self._cert: card.cert,
        }

    @show_user_errors
    def choose(self, event: gr.SelectData) -> Any:
        """Choose the card of the row that was clicked."""
        row = event.row_value
        if not row or not str(row[0]).isdecimal():
            return gr.skip()
        cards = load_collection(self._database)
        return next((card_key(card.card) for card in cards if card.card.id == int(row[0])), gr.skip())

    @show_user_errors
    def rename(self, title: str | None, search: str | None, order: str | None, key: str | None) -> Updates:
        """Give the chosen card a name."""
        save_title(self._database, self._required(key).card.id, title or "")
        return self.fill(search, order, key)

    @show_user_errors
    def save_worth(self, search: str | None, order: str | None, key: str | None, *values: Any) -> Updates:
        """Save the prices of the chosen card and the costs, and show what submitting it is worth."""
        entry = self._required(key)
        work_out(self._database, entry.grading.prediction, values)
        save_prices(self._database, entry.card.id, read_prices(values))
        return self.fill(search, order, key)

    @show_user_errors
    def save_returned(
        self,
        search: str | None,
        order: str | None,
        key: str | None,
        grade: str | None,
        qualifier: str | None,
        cert: str | None,
    ) -> Updates:
        """Save the grade that came back as the chosen card's label; "not back yet" withdraws it."""
        given = "" if grade in (None, NOT_BACK, NO_GRADE) else str(grade)
        code = "" if qualifier in (None, NO_QUALIFIER) or grade == NOT_BACK else str(qualifier)
        if grade == NO_GRADE and not code:
            raise UserError("a card that came back without a grade has a qualifier that says why; choose it")
        save_returned_grade(
            self._database, self._required(key).card.id, grade=given, qualifier=code, cert=cert or "", author=labeler()
        )
        return self.fill(search, order, key, "Saved. A model that is trained from now on learns from this grade.")

    def regrade(self, search: str | None, order: str | None, key: str | None) -> Iterator[Updates]:
        """Grade the cards of earlier models with the current one, and show how far it is."""
        from app.collection.keep_graded_card import regrade_outdated

        done, problems = 0, []
        try:
            total = len(self._outdated_cards(load_collection(self._database)))
            for regraded in regrade_outdated(self._database, self._data):
                done += 1
                if regraded.problem:
                    problems.append(f"{regraded.title}: {regraded.problem}")
                yield {self._status: f"Grading again: {done} of {total} ..."}
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            yield {self._status: f"Stopped: {escape(message)}."}
            return
        head = f"{counted(done - len(problems))} graded again."
        yield self.fill(search, order, key, _with_problems(head, problems))

    @show_user_errors
    def delete(self, search: str | None, order: str | None, key: str | None) -> Updates:
        """Move the chosen card to the bin."""
        return self._move_to_bin([self._required(key).card.id], search, order)

    @show_user_errors
    def delete_shown(self, listed: list[int], search: str | None, order: str | None, key: str | None) -> Updates:
        """Move all cards that are listed on the page to the bin."""
        del key
        return self._move_to_bin(listed, search, order)

    def _move_to_bin(self, card_ids: Sequence[int], search: str | None, order: str | None) -> Updates:
        with self._database.writing() as session:
            moved = card_bin.move_to_bin(session, card_ids=card_ids)
        return self.fill(search, order, None, f"{counted(moved)} moved to the bin, at the end of this page.", card_ids)

    @show_user_errors
    def undo(self, moved: list[int], search: str | None, order: str | None, key: str | None) -> Updates:
        """Take the cards that were just moved to the bin out of it."""
        with self._database.writing() as session:
            restored = card_bin.restore(session, card_ids=moved)
        return self.fill(search, order, key, f"{counted(restored)} taken out of the bin.")

    @show_user_errors
    def restore(self, search: str | None, order: str | None, key: str | None) -> Updates:
        """Take all cards out of the bin."""
        with self._database.writing() as session:
            restored = card_bin.restore(session)
        return self.fill(search, order, key, f"{counted(restored)} taken out of the bin.")

    @show_user_errors
    def empty(self, binned: list[int], search: str | None, order: str | None, key: str | None) -> Updates:
        """Delete the cards for good that are in the bin as the page shows it."""
        deleted = empty_bin(self._database, self._data, binned)
        return self.fill(search, order, key, f"{counted(deleted)} deleted for good.")

    @show_user_errors
    def import_prices(self, file: str | None, search: str | None, order: str | None, key: str | None) -> Updates:
        """Save the prices of a CSV file with the cards that it names."""
        if file is None:
            raise UserError("choose a CSV file first")
        imported = import_prices(self._database, Path(file))
        head = f"Prices of {counted(imported.cards)} saved."
        return self.fill(search, order, key, _with_problems(head, imported.problems))

    @show_user_errors
    def show_disk_use(self) -> str:
        """Show how much the data folder takes."""
        return collection_text.disk_text(disk_use(self._data))

    @show_user_errors
    def clear(self) -> str:
        """Delete the caches and show the disk use."""
        freed = clear_caches(self._data)
        return f"{collection_text.size_text(freed)} freed.\n\n{self.show_disk_use()}"


def _row(card: CollectionCard) -> list[Any]:
    """A row of the table, see COLUMNS."""
    worth, prediction = card.worth, card.grading.prediction
    returned = "" if card.returned is None else collection_text.short_label(card.returned)
    return [
        card.card.id,
        card.title,
        "" if worth is None else round(worth.expected_gain, 2),
        "" if worth is None else worth.advice,
        collection_text.prediction_text(prediction),
        collection_text.range_of(prediction),
        returned,
    ]


def _with_problems(head: str, problems: Sequence[str]) -> str:
    """A sentence and a list of the first problems, in Markdown."""
    return "\n".join([head, "", *bullets(problems, MAX_PROBLEMS)])


def _outdated_text(count: int) -> str:
    return f"{counted(count)} graded by an earlier model." if count else ""
