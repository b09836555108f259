"""The Grade tab: two pictures in; the grade, how sure it is, and where the card loses it, out.

What needs torch is imported by the handlers: it takes seconds to load, and the page shall stand before.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.labels.keep_card import keep_card
from app.screens import charts
from app.screens.error_messages import plainly
from app.screens.line_editor import line_editor
from app.screens.uncertainty_panel import Certainty
from app.settings import DataFolder
from db.session import Database
from engine.cards.grades import GRADES

if TYPE_CHECKING:
    from engine.inference.predict import Prediction

SIDES = ("front", "back")
PICTURES = {"card": "the card", "overlay": "where it loses", "quad": "what was found"}
NOT_KNOWN = "not known"
RANGE_COLOURS = {charts.INSIDE: "#6366f1", charts.OUTSIDE: "#c7c9d9"}


class GradeTab:
    """The tab over one data folder."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        """Lay out and wire the tab where this is called."""
        self._database, self._data = database, data
        with gr.Tab("Grade", id="grade") as self._tab:
            self._model = gr.Markdown(elem_id="grading-model")
            with gr.Row():
                self._sides = [self._side_input(side) for side in SIDES]
                with gr.Column():
                    self._start = gr.Button("Grade", variant="primary", elem_id="grade-start")
                    self._verdict = gr.Markdown(elem_id="verdict")
            with gr.Column(visible=False) as self._answer:
                self._lay_out_answer()
            self._certainty = Certainty()
        self._wire()

    @staticmethod
    def _side_input(side: str) -> gr.Image:
        label = f"{side.capitalize()} of the card"
        # No image mode: a picture must come as the file it is, since corrections are known by its bytes.
        return gr.Image(
            label=label,
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            height=320,
            elem_id=f"{side}-in",
        )

    def _lay_out_answer(self) -> None:
        with gr.Row():
            with gr.Column(scale=2) as self._opinion:
                self._probabilities = gr.BarPlot(
                    x="grade",
                    y="probability",
                    color="grades",
                    color_map=RANGE_COLOURS,
                    sort=[str(grade) for grade in GRADES],
                    title="Probability of each grade",
                    height=250,
                    elem_id="probabilities",
                )
                gr.Markdown("Below, bright places lower the expected grade more than the rest of their side does.")
            self._ceiling = gr.Markdown(elem_id="ceiling")
        self._shown: list[gr.Image] = []
        for side in SIDES:
            with gr.Row():
                self._shown += [self._picture(side, name, words) for name, words in PICTURES.items()]
        self._editors = [line_editor(side) for side in SIDES]
        with gr.Row(elem_classes="level"):
            grades = [NOT_KNOWN, *(str(grade) for grade in GRADES)]
            self._own = gr.Dropdown(grades, value=NOT_KNOWN, label="Its grade, where you know it", elem_id="own-grade")
            self._keep = gr.Button("Keep this card for training", elem_id="keep-card")
        self._kept = gr.Markdown(elem_id="kept")

    @staticmethod
    def _picture(side: str, name: str, words: str) -> gr.Image:
        label = f"{side.capitalize()}: {words}"
        # PNG: the default would blur the overlay's fine places.
        return gr.Image(
            label=label,
            format="png",
            interactive=False,
            height=420,
            buttons=["download", "fullscreen"],
            elem_id=f"{side}-{name}",
            elem_classes="card-picture",
        )

    def _wire(self) -> None:
        measured = [*self._editors, self._ceiling]
        answer = [self._verdict, self._answer, self._opinion, self._probabilities, *self._shown, *measured, self._kept]
        self._start.click(self.grade, [*self._sides, *self._editors], answer)
        for place, editor in enumerate(self._editors):
            saved = [editor, self._ceiling]
            given = [*self._sides, *self._editors]
            editor.submit(partial(self.save_lines, place), given, saved, show_progress="hidden")
            editor.clear(partial(self.reset_lines, place), given, saved, show_progress="hidden")
        self._keep.click(self.keep, [*self._sides, self._own], self._kept)
        self._filled = [self._model, *self._certainty.shown]
        self._tab.select(self.fill, None, self._filled, show_progress="hidden")

    def on_load(self, page: gr.Blocks) -> None:
        """Say which model would speak whenever the page is loaded."""
        page.load(self.fill, None, self._filled, show_progress="hidden")

    @plainly
    def fill(self) -> list[Any]:
        """Which model would speak, and what its certainty is worth."""
        from app.grading.answer_text import calibration_of, model_text

        return [model_text(self._data), *Certainty.of(calibration_of(self._data))]

    @plainly
    def grade(self, front: str | None, back: str | None, *shown: Any) -> list[Any]:
        """Grade what was dropped and show all of the answer.

        shown  the values of the two line editors, as they lie on the screen
        """
        from app.grading.answer_text import (
            ceiling_text,
            grade_pictures,
            pictures_in_order,
            sides_to_measure_on,
            verdict_text,
        )

        graded = grade_pictures(self._database, self._data, _path(front), _path(back))
        said = graded.prediction
        pictures = [gr.update(visible=p is not None, value=p) for p in pictures_in_order(graded, PICTURES)]
        bars = gr.update() if said is None else _bars(said)
        sides = sides_to_measure_on(graded, self._data, shown)
        opinion = [gr.update(visible=said is not None), bars]
        return [verdict_text(graded), gr.update(visible=True), *opinion, *pictures, *sides, ceiling_text(*sides), ""]

    @plainly
    def save_lines(self, place: int, *given: Any) -> list[Any]:
        """Keep the lines of a side (0 front, 1 back) as they lie on the screen; says what centering then allows.

        given  the two pictures in the tab, then the values of the two line editors
        """
        from app.grading.answer_text import ceiling_text, save_lines

        pictures, values = given[:2], list(given[2:])
        values[place] = save_lines(self._database, self._data, values[place], _path(pictures[place]))
        return [values[place], ceiling_text(*values)]

    @plainly
    def reset_lines(self, place: int, *given: Any) -> list[Any]:
        """Show a side as it measures without its kept lines; given as for `save_lines`."""
        from app.grading.answer_text import ceiling_text, without_lines

        pictures, values = given[:2], list(given[2:])
        values[place] = without_lines(self._data, values[place], _path(pictures[place]))
        return [values[place], ceiling_text(*values)]

    @plainly
    def keep(self, front: str | None, back: str | None, own: str) -> str:
        """Keep the pair as a card, labelled where the person knows its grade."""
        grade = None if own == NOT_KNOWN else float(own)
        name = keep_card(self._database, self._data, _path(front), _path(back), grade)
        return f"Kept as {name}" + (", not labelled yet." if grade is None else f", graded {own}.")


def _bars(said: Prediction) -> dict[str, Any]:
    """The ten bars from nought up: a scale that began elsewhere would make much of little."""
    most = max(0.5, float(said.probabilities.max()))
    return gr.update(value=charts.bars(said.probabilities, said.interval), y_lim=[0, most])


def _path(written: str | None) -> Path | None:
    return Path(written) if written else None
