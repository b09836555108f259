"""Grade tab: upload two pictures; see the grade, its certainty and what lowers it.

Modules that need torch are imported in the handlers: they take seconds to load, and the page should appear first.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.labels.keep_card import keep_card
from app.screens import charts
from app.screens.error_messages import show_user_errors
from app.screens.line_editor import line_editor
from app.screens.uncertainty_panel import UncertaintyPanel
from app.settings import DataFolder
from db.session import Database
from engine.cards.grades import GRADES

if TYPE_CHECKING:
    from engine.inference.predict import Prediction

SIDES = ("front", "back")
PICTURES = {"card": "", "overlay": "what lowers the grade", "quad": "outline found"}
UNKNOWN_GRADE = "unknown"
RANGE_COLORS = {charts.INSIDE: "#6366f1", charts.OUTSIDE: "#c7c9d9"}


class GradeTab:
    """The Grade tab of one data folder."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        """Add the tab to the Gradio layout being built and connect its events."""
        self._database, self._data = database, data
        with gr.Tab("Grade", id="grade") as self._tab:
            self._model = gr.Markdown("Loading the model ...", elem_id="grading-model")
            with gr.Row():
                self._sides = [self._side_input(side) for side in SIDES]
                with gr.Column():
                    self._start = gr.Button("Grade", variant="primary", elem_id="grade-start")
                    self._verdict = gr.Markdown(elem_id="verdict")
            with gr.Column(visible=False) as self._answer:
                self._build_answer()
            self._uncertainty = UncertaintyPanel()
        self._wire()

    @staticmethod
    def _side_input(side: str) -> gr.Image:
        label = f"{side.capitalize()} of the card"
        # No image mode: the file must arrive unchanged, since line corrections are stored under its hash.
        return gr.Image(
            label=label,
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            height=320,
            elem_id=f"{side}-in",
        )

    def _build_answer(self) -> None:
        with gr.Row():
            with gr.Column(scale=2) as self._prediction:
                self._probabilities = gr.BarPlot(
                    x="grade",
                    y="probability",
                    color="grades",
                    color_map=RANGE_COLORS,
                    sort=[str(grade) for grade in GRADES],
                    title="Probability of each grade",
                    color_title=" ",
                    y_axis_format="%",
                    height=250,
                    elem_id="probabilities",
                )
                gr.Markdown(
                    'In the gray pictures "what lowers the grade", colored areas lower the grade, bright ones most.'
                )
            self._ceiling = gr.Markdown(elem_id="ceiling")
        self._pictures: list[gr.Image] = []
        for side in SIDES:
            with gr.Row():
                self._pictures += [self._picture(side, name, caption) for name, caption in PICTURES.items()]
        self._editors = [line_editor(side) for side in SIDES]
        with gr.Row(elem_classes="level"):
            grades = [UNKNOWN_GRADE, *(str(grade) for grade in GRADES)]
            self._true_grade = gr.Dropdown(
                grades, value=UNKNOWN_GRADE, label="PSA grade of this card, if known", elem_id="own-grade"
            )
            self._keep = gr.Button("Keep this card for training", elem_id="keep-card")
        self._keep_status = gr.Markdown(elem_id="kept")

    @staticmethod
    def _picture(side: str, name: str, caption: str) -> gr.Image:
        label = f"{side.capitalize()}: {caption}" if caption else side.capitalize()
        # PNG: the default, a lossy format, would blur fine detail of the overlay.
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
        inputs = [*self._sides, *self._editors]
        answer = [self._verdict, self._answer, self._prediction, self._probabilities, *self._pictures]
        self._start.click(self.grade, inputs, [*answer, *self._editors, self._ceiling, self._keep_status])
        for index, editor in enumerate(self._editors):
            outputs = [editor, self._ceiling]
            editor.submit(partial(self.save_lines, index), inputs, outputs, show_progress="hidden")
            editor.clear(partial(self.reset_lines, index), inputs, outputs, show_progress="hidden")
        self._keep.click(self.keep_card, [*self._sides, self._true_grade], self._keep_status)
        self._filled = [self._model, *self._uncertainty.components]
        self._tab.select(self.fill, None, self._filled, show_progress="hidden")

    def on_load(self, page: gr.Blocks) -> None:
        """Show the grading model whenever the page is loaded."""
        page.load(self.fill, None, self._filled, show_progress="hidden")

    @show_user_errors
    def fill(self) -> list[Any]:
        """Show the grading model and its uncertainty metrics."""
        from app.grading.answer_text import grading_calibration, model_text

        return [model_text(self._data), *UncertaintyPanel.updates(grading_calibration(self._data))]

    @show_user_errors
    def grade(self, front: str | None, back: str | None, *page_values: Any) -> list[Any]:
        """Grade the uploaded pictures and show the whole answer.

        page_values  current values of the two line editors
        """
        from app.grading.answer_text import (
            ceiling_text,
            grade_pictures,
            line_editor_values,
            pictures_in_order,
            verdict_text,
        )

        graded = grade_pictures(self._database, self._data, _path(front), _path(back))
        prediction = graded.prediction
        pictures = [
            gr.update(visible=picture is not None, value=picture) for picture in pictures_in_order(graded, PICTURES)
        ]
        bars = gr.update() if prediction is None else _bars(prediction)
        values = line_editor_values(graded, self._data, page_values)
        plot = [gr.update(visible=prediction is not None), bars]
        return [verdict_text(graded), gr.update(visible=True), *plot, *pictures, *values, ceiling_text(*values), ""]

    @show_user_errors
    def save_lines(self, index: int, *inputs: Any) -> list[Any]:
        """Save the line correction of a side and update its measurements and the centering ceiling.

        index   0 front, 1 back
        inputs  the two pictures in the tab, then the values of the two line editors
        """
        from app.grading.answer_text import ceiling_text, save_lines

        pictures, values = inputs[:2], list(inputs[2:])
        values[index] = save_lines(self._database, self._data, values[index], _path(pictures[index]))
        return [values[index], ceiling_text(*values)]

    @show_user_errors
    def reset_lines(self, index: int, *inputs: Any) -> list[Any]:
        """Show a side as measured without its saved line correction; parameters as for `save_lines`."""
        from app.grading.answer_text import ceiling_text, reset_lines

        pictures, values = inputs[:2], list(inputs[2:])
        values[index] = reset_lines(self._data, values[index], _path(pictures[index]))
        return [values[index], ceiling_text(*values)]

    @show_user_errors
    def keep_card(self, front: str | None, back: str | None, true_grade: str) -> str:
        """Store the pair as a card, labelled if its grade is known."""
        grade = None if true_grade == UNKNOWN_GRADE else float(true_grade)
        name = keep_card(self._database, self._data, _path(front), _path(back), grade)
        return f"Saved as {name}, " + ("not labelled yet." if grade is None else f"labelled {true_grade}.")


def _bars(prediction: Prediction) -> dict[str, Any]:
    """The ten bars on an axis that starts at 0, so that small differences do not look large."""
    top = max(0.5, float(prediction.probabilities.max()))
    return gr.update(value=charts.bars(prediction.probabilities, prediction.interval), y_lim=[0, top])


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
