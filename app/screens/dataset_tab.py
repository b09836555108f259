"""Dataset tab: counts of the cards, and a gallery of them in which many are changed at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.dataset.dataset_desk import DatasetDesk
from app.dataset.overview import worn_copies_per_grade
from app.dataset.picture_views import EXTREMES
from app.labels.queue_orders import ALL_GRADES, CHOSEN
from app.screens.error_messages import show_user_errors
from app.screens.html_component import html_component
from app.screens.label_desk import without_paths
from app.screens.label_tab import LabelTab
from app.screens.private_paths import PrivatePaths
from app.screens.train_tab import TrainTab
from app.settings import PROGRAM, DataFolder, ServerOptions
from db.card_counts import count_cards, dataset_version
from db.session import Database
from engine.cards.grades import NO_GRADES, grade_name


class DatasetTab:
    """The Dataset tab of one data folder."""

    def __init__(self, database: Database, data: DataFolder, options: ServerOptions) -> None:
        """Add the tab to the Gradio layout being built."""
        self._database = database
        desk = DatasetDesk(database, data, None if options.login is None else options.login.user)
        functions = without_paths(desk.functions(), PrivatePaths((data.root, PROGRAM)))
        views = Path(__file__).with_name("dataset_views.js").read_text(encoding="utf-8")
        with gr.Tab("Dataset", id="dataset") as self._tab:
            self._page = html_component(
                __file__, "dataset-page", value=page_value(None), first_script=views, server_functions=functions
            )
        self._tab.select(self.fill, None, self._page, show_progress="hidden")

    def connect(self, tabs: gr.Tabs, label_tab: LabelTab, train_tab: TrainTab) -> None:
        """Connect the buttons that open other tabs: with the chosen cards, and with worn copies of cards."""
        self._label_tab = label_tab
        self._page.submit(self.open_queue, None, [tabs, *label_tab.opened], show_progress="hidden")
        self._page.edit(self.open_training, None, [tabs, *train_tab.worn_copies], show_progress="hidden")

    def on_load(self, page: gr.Blocks) -> None:
        """Nothing is filled before the tab is opened."""
        del page

    @show_user_errors
    def fill(self) -> dict[str, Any]:
        """Show the cards as they are now."""
        with self._database.reading() as session:
            return page_value(dataset_version(session))

    @show_user_errors
    def open_queue(self) -> list[object]:
        """Open the Label tab with the chosen cards, which the browser keeps for it."""
        return [gr.Tabs(selected="label"), *self._label_tab.restore(CHOSEN)]

    @show_user_errors
    def open_training(self) -> list[object]:
        """Open the form of a run that makes worn copies for the rare grades."""
        with self._database.reading() as session:
            copies = worn_copies_per_grade(count_cards(session))
        return [gr.Tabs(selected="train"), gr.update(open=True), gr.update(open=True), copies]


def page_value(version: str | None) -> dict[str, Any]:
    """Value of the page's script, which shows the cards again when `version` changes; None before the first time."""
    grades = [(f"{grade:g}", f"{grade:g} {grade_name(grade)}") for grade in reversed(ALL_GRADES)]
    no_grades = [(code, f"{code}: {meaning}") for code, meaning in NO_GRADES.items()]
    return {"version": version, "grades": grades, "no_grades": no_grades, "extremes": list(EXTREMES)}
