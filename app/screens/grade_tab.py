"""Grade tab: upload two pictures; see the grade, its certainty and what lowers it.

Modules that need torch are imported in the handlers: they take seconds to load, and the page should appear first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.errors import user_message
from app.markdown import escape
from app.screens import charts
from app.screens.error_messages import show_user_errors
from app.screens.latest_grading import LatestGrading
from app.screens.line_editor import line_editor
from app.screens.login import labeler
from app.screens.picture_input import PictureInput, read_preview
from app.screens.uncertainty_panel import UncertaintyPanel
from app.screens.worth_panel import WorthPanel, cost_values, read_prices, work_out
from app.settings import DataFolder, ServerOptions, UserError
from db.session import Database
from engine.cards.grades import GRADES

if TYPE_CHECKING:
    from app.screens.line_editor_state import LineEditorState
    from engine.inference.grade_card import GradedCard
    from engine.inference.predict import Prediction

SIDES = ("front", "back")
PICTURES = {"card": "", "overlay": "what lowers the grade", "quad": "outline found"}
UNKNOWN_GRADE = "unknown"
RANGE_COLORS = {charts.INSIDE: "#6366f1", charts.OUTSIDE: "#c7c9d9"}
# The page marks the verdict as busy while it holds this element, see page.py.
BUSY = '<span class="busy"></span>'
GRADING = f"### Grading ...{BUSY}"
LOADING = f"{GRADING}\nLoading the grading model; the first card takes some seconds longer."
MEASURING = f"{GRADING}\nFinding the card in each picture, measuring and grading it."
BACK_QUESTION = "**Is this still the right back?** The front is new; the back is from before."
ANSWER_FIRST = "### Not graded yet\nSay first whether the back belongs to the new front."
FAILED = (
    "## Not graded\nThe program made an error, which the terminal that runs Loupe shows. Press **Grade** to try again."
)
# Shows at once, without the server, that the last card's answer no longer holds.
CLEAR_AT_ONCE = f"""() => [`{GRADING}`, {{visible: false, __type__: "update"}}]"""


class GradeTab:
    """The Grade tab of one data folder."""

    def __init__(self, database: Database, data: DataFolder, options: ServerOptions) -> None:
        """Add the tab to the Gradio layout being built and connect its events."""
        self._database, self._data = database, data
        self._max_picture_bytes = options.max_picture_bytes
        self._graded_before = False
        with gr.Tab("Grade", id="grade") as self._tab:
            self._model = gr.Markdown("Loading the model ...", elem_id="grading-model")
            with gr.Row():
                self._inputs = [PictureInput(side) for side in SIDES]
                with gr.Column():
                    self._start = gr.Button("Grade", variant="primary", elem_id="grade-start")
                    self._build_question()
                    self._verdict = gr.Markdown(elem_id="verdict")
            with gr.Column(visible=False) as self._answer:
                self._build_answer()
            self._uncertainty = UncertaintyPanel()
        self._sides = [field.file for field in self._inputs]
        self._wire()

    def _build_question(self) -> None:
        """The question whether a back that is left over from another front belongs to the new one."""
        with gr.Column(visible=False, elem_id="back-question") as self._question:
            gr.Markdown(BACK_QUESTION)
            with gr.Row(elem_classes="level"):
                self._keep_back = gr.Button("Same card, keep it", elem_id="same-back")
                self._remove_back = gr.Button("Remove the back", elem_id="remove-back")
        # True after a front and the present back were in the fields together.
        self._was_pair = gr.State(False)
        self._is_open = gr.State(False)
        self._latest = gr.State(LatestGrading())

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
        with gr.Accordion("Worth it?", open=False, elem_id="worth-it"):
            self._worth = WorthPanel("graded")
        # What is kept of the grading on the page.
        self._grading = gr.State(None)
        with gr.Row(elem_classes="level"):
            self._title = gr.Textbox(label="Name of this card", elem_id="kept-name")
            grades = [UNKNOWN_GRADE, *(str(grade) for grade in GRADES)]
            self._true_grade = gr.Dropdown(
                grades, value=UNKNOWN_GRADE, label="PSA grade of this card, if known", elem_id="own-grade"
            )
            self._keep = gr.Button("Keep this card", elem_id="keep-card")
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
        # Not one status layer per output: the verdict says what is going on, and an error would cover every picture.
        options: dict[str, Any] = {"show_progress": "hidden"}
        inputs = [*self._sides, *self._editors]
        of_card = [self._title, *self._worth.price_fields]
        answer = [self._verdict, self._answer, self._keep_status, *self._editors, *of_card]
        worth = [self._grading, self._worth.text]
        outputs = [*answer, self._prediction, self._probabilities, *self._pictures, self._ceiling, *worth]
        self._start.click(None, None, [self._verdict, self._answer], js=CLEAR_AT_ONCE, **options)
        # A press while a grading is under way counts: it may be of a picture that was exchanged meanwhile.
        grade_inputs = [self._latest, self._is_open, *inputs]
        grading = self._start.click(self.grade, grade_inputs, outputs, trigger_mode="always_last", **options)
        grading.failure(self.fail, None, answer, **options)
        question = [self._question, self._is_open, self._was_pair]
        for index, field in enumerate(self._inputs):
            changed = [field.file, field.preview, *question, *answer]
            state = [self._latest, *self._sides, self._was_pair]
            field.file.upload(partial(self.add_picture, index), state, changed, **options)
            field.file.clear(partial(self.remove_picture, index), state, changed, **options)
        back = self._inputs[1]
        self._keep_back.click(self.keep_back, None, question, **options)
        self._remove_back.click(self.remove_back, None, [back.file, back.preview, *question], **options)
        for index, editor in enumerate(self._editors):
            edited = [editor, self._ceiling]
            editor.submit(partial(self.save_lines, index), inputs, edited, **options)
            editor.clear(partial(self.reset_lines, index), inputs, edited, **options)
        self._worth.button.click(self.work_out, [self._grading, *self._worth.fields], self._worth.text, **options)
        kept = [*self._sides, self._grading, self._title, self._true_grade, *self._worth.fields]
        self._keep.click(self.keep_card, kept, self._keep_status, **options)
        self._filled = [self._model, *self._uncertainty.components]
        self._tab.select(self.fill, None, self._filled, **options)

    def on_load(self, page: gr.Blocks) -> None:
        """Show the grading model whenever the page is loaded."""
        page.load(self.fill, None, self._filled, show_progress="hidden")
        page.load(lambda: cost_values(self._database), None, self._worth.cost_fields, show_progress="hidden")

    @show_user_errors
    def fill(self) -> list[Any]:
        """Show the grading model and its uncertainty metrics."""
        from app.models.grading_model import grading_model, model_text

        model = grading_model(self._data)
        return [model_text(model), *UncertaintyPanel.updates(None if model is None else model.calibration)]

    def add_picture(
        self, index: int, latest: LatestGrading, front: str | None, back: str | None, was_pair: bool
    ) -> dict[Any, Any]:
        """Show a new picture and clear the answer, which belongs to other pictures; or say why it cannot be used."""
        latest.give_up()
        field, path = self._inputs[index], _path((front, back)[index])
        if path is None:
            return self._without_answer()
        try:
            preview = read_preview(path, self._max_picture_bytes)
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            refused = {field.file: None, field.preview: gr.update(visible=False, value=None)}
            return {**refused, **self._without_answer(_refusal("This picture cannot be used", message))}
        asks = index == 0 and back is not None and was_pair
        question = {self._question: gr.update(visible=asks), self._is_open: asks}
        shown = {field.preview: gr.update(visible=True, value=preview), self._was_pair: None not in (front, back)}
        return {**shown, **question, **self._without_answer()}

    def remove_picture(
        self, index: int, latest: LatestGrading, front: str | None, back: str | None, was_pair: bool
    ) -> dict[Any, Any]:
        """Clear the preview of a removed picture, and the answer. A back without a front is remembered as left over."""
        latest.give_up()
        del front
        question = {self._question: gr.update(visible=False), self._is_open: False}
        is_left_over = index == 0 and back is not None and was_pair
        preview = {self._inputs[index].preview: gr.update(visible=False, value=None)}
        return {**preview, **question, self._was_pair: is_left_over, **self._without_answer()}

    def keep_back(self) -> dict[Any, Any]:
        """The back belongs to the new front."""
        return {self._question: gr.update(visible=False), self._is_open: False}

    def remove_back(self) -> dict[Any, Any]:
        """The back is another card's."""
        back = self._inputs[1]
        cleared = {back.file: None, back.preview: gr.update(visible=False, value=None)}
        return {**cleared, **self.keep_back(), self._was_pair: False}

    def _without_answer(self, text: str = "") -> dict[Any, Any]:
        """Updates that take the answer off the page, with a text in the verdict's place."""
        of_card = {self._title: "", **dict.fromkeys(self._worth.price_fields), **dict.fromkeys(self._editors)}
        return {self._verdict: text, self._answer: gr.update(visible=False), self._keep_status: "", **of_card}

    def fail(self) -> dict[Any, Any]:
        """Show that grading ended with an error of the program."""
        return self._without_answer(FAILED)

    def grade(self, latest: LatestGrading, *inputs: Any) -> Iterator[dict[Any, Any]]:
        """Grade the uploaded pictures, see `_grade`; nothing is yielded any more once a picture is exchanged."""
        yield from latest.begin(self._grade(*inputs), {self._verdict: gr.skip()})

    def _grade(self, is_open: bool, front: str | None, back: str | None, *page_values: Any) -> Iterator[dict[Any, Any]]:
        """Grade the uploaded pictures: yields what is being done, then the whole answer or the reason for none.

        is_open      True while the question about the back is not answered
        page_values  current states of the two line editors, as JSON
        """
        if is_open:
            yield self._without_answer(ANSWER_FIRST)
            return
        yield {self._verdict: MEASURING if self._graded_before else LOADING, self._answer: gr.update(visible=False)}
        try:
            answer = self._graded(_path(front), _path(back), page_values)
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            yield self._without_answer(_refusal("Not graded", message))
            return
        self._graded_before = True
        yield answer

    def _graded(self, front: Path | None, back: Path | None, page_values: Sequence[Any]) -> dict[Any, Any]:
        """Grade the pictures; returns the updates of the whole answer."""
        from app.collection.keep_graded_card import kept_grading
        from app.grading.answer_text import verdict_text
        from app.grading.line_corrections import current_corrections
        from app.grading.pictures import pictures_in_order
        from app.models.grading_model import grading_model
        from app.screens.line_editor_sides import editor_states
        from app.screens.line_editor_state import state_from_page
        from engine.inference.grade_card import grade_card

        if front is None and back is None:
            raise UserError("add a picture of the front, the back, or both first")
        graded = grade_card(front, back, grading_model(self._data), current_corrections(self._database))
        prediction = graded.prediction
        pictures = [
            gr.update(visible=picture is not None, value=picture) for picture in pictures_in_order(graded, PICTURES)
        ]
        states = editor_states(graded.sides, self._data, map(state_from_page, page_values))
        return {
            self._verdict: verdict_text(graded),
            self._answer: gr.update(visible=True),
            self._prediction: gr.update(visible=prediction is not None),
            self._probabilities: gr.update() if prediction is None else _bars(prediction),
            **dict(zip(self._pictures, pictures, strict=True)),
            **dict(zip(self._editors, map(_as_json, states), strict=True)),
            self._ceiling: _ceiling_text(states, graded),
            self._keep_status: "",
            self._grading: kept_grading(graded),
            self._worth.text: "",
        }

    @show_user_errors
    def save_lines(self, index: int, *inputs: Any) -> list[Any]:
        """Save the line correction of a side and update its measurements and the centering ceiling.

        index   0 front, 1 back
        inputs  the two pictures in the tab, then the states of the two line editors, as JSON
        """
        from app.screens.line_editor_sides import save_lines
        from app.screens.line_editor_state import required, state_from_page

        pictures, states = inputs[:2], [state_from_page(value) for value in inputs[2:]]
        state = required(states[index])
        states[index] = save_lines(self._database, self._data, state, _path(pictures[index]), labeler())
        return [_as_json(states[index]), _ceiling_text(states)]

    @show_user_errors
    def reset_lines(self, index: int, *inputs: Any) -> list[Any]:
        """Show a side as measured without its saved line correction; parameters as for `save_lines`."""
        from app.screens.line_editor_sides import reset_lines
        from app.screens.line_editor_state import required, state_from_page

        pictures, states = inputs[:2], [state_from_page(value) for value in inputs[2:]]
        states[index] = reset_lines(self._data, required(states[index]), _path(pictures[index]))
        return [_as_json(states[index]), _ceiling_text(states)]

    @show_user_errors
    def work_out(self, grading: dict[str, Any] | None, *values: Any) -> str:
        """Show what submitting the graded card is worth; parameters: what is kept of it, and the panel's fields."""
        if grading is None:
            raise UserError("grade a card first")
        return work_out(self._database, grading["report"], values)

    def keep_card(
        self,
        front: str | None,
        back: str | None,
        grading: dict[str, Any] | None,
        title: str | None,
        true_grade: str | None,
        *values: Any,
    ) -> str:
        """Keep the pair in the collection, labelled if its grade is known; values: the fields of the worth panel."""
        from app.collection.keep_graded_card import keep_graded_card

        grade = None if true_grade in (None, UNKNOWN_GRADE) else float(true_grade)
        try:
            card = keep_graded_card(
                self._database,
                self._data,
                _path(front),
                _path(back),
                grading=grading,
                title=title or "",
                grade=grade,
                prices=read_prices(values),
                author=labeler(),
            )
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            return f"Not saved: {escape(message)}."
        name = escape(card.title or card.name)
        return f"Kept as {name}, " + ("not labelled yet." if grade is None else f"labelled {true_grade}.")


def _as_json(state: LineEditorState | None) -> dict[str, Any] | None:
    return None if state is None else state.model_dump(mode="json")


def _ceiling_text(states: Sequence[LineEditorState | None], graded: GradedCard | None = None) -> str:
    """The centering ceiling of the lines on the page."""
    from app.grading.answer_text import ceiling_text

    worst = {state.side: state.numbers.worst for state in states if state is not None}
    return ceiling_text(worst, graded=graded)


def _refusal(head: str, message: str) -> str:
    """A refusal in the verdict's place, in Markdown."""
    return f"## {head}\n{escape(message)}."


def _bars(prediction: Prediction) -> dict[str, Any]:
    """The ten bars on an axis that starts at 0, so that small differences do not look large."""
    top = max(0.5, float(prediction.probabilities.max()))
    return gr.update(value=charts.bars(prediction.probabilities, prediction.interval), y_lim=[0, top])


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
