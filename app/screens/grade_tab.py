"""Grade tab: upload two pictures; see the grade, its certainty and what lowers it.

Modules that need torch are imported in the handlers: they take seconds to load, and the page should appear first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from app.errors import user_message
from app.markdown import escape
from app.screens.camera import camera
from app.screens.card_layers import card_layers, checked_value, layers_value
from app.screens.error_messages import show_user_errors
from app.screens.latest_grading import LatestGrading
from app.screens.line_editor import line_editor
from app.screens.login import labeler
from app.screens.outline_editor import outline_editor, outline_from_page, outline_value
from app.screens.picture_fields import filling, picture_fields
from app.screens.picture_input import PictureInput, read_preview
from app.screens.uncertainty_panel import UncertaintyPanel
from app.screens.verdict_progress import message_html, progress_html
from app.screens.worth_panel import WorthPanel, cost_values, read_prices, work_out
from app.settings import DataFolder, ServerOptions, UserError
from db.session import Database
from engine.cards.grades import GRADES

if TYPE_CHECKING:
    from app.grading.recent_sides import RecentSides
    from app.screens.line_editor_state import LineEditorState
    from engine.inference.grade_card import GradedCard

SIDES = ("front", "back")
VERDICT_STYLE = Path(__file__).with_name("verdict.css")
BOTH_HEIGHT_PX = 124
UNKNOWN_GRADE = "unknown"
LOADING = "Grading ... The model is loaded and the card found; the first card takes some seconds longer."
FINDING = "Grading ... The card is found in each picture."
MEASURING = "Now measuring centering, corners, edges and surface ..."
MAPPING = "Now computing where the model looked ..."
BACK_QUESTION = "**Is this still the right back?** The front is new; the back is from before."
ANSWER_FIRST = "Say first whether the back belongs to the new front."
FAILED = "The program made an error, which the terminal that runs Loupe shows. Press Grade to try again."
NOT_GRADED = "Not graded"
# A finding that the verdict names is shown on the card.
SHOW_FINDING = """
element.addEventListener("click", (event) => {
  const { side, number } = event.target.closest("[data-number]")?.dataset ?? {};
  if (!window.loupe.views[side]) return;
  window.loupe.views[side].showFinding(Number(number));
  document.getElementById(`${side}-lines`).scrollIntoView({ block: "start", behavior: "smooth" });
});
"""


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
                with gr.Column(scale=3, min_width=300):
                    self._both = gr.File(
                        label="Both pictures, in any order",
                        file_count="multiple",
                        height=BOTH_HEIGHT_PX,
                        elem_id="both-in",
                    )
                    with gr.Row(elem_classes="two-sides"):
                        self._inputs = [PictureInput(side) for side in SIDES]
                    with gr.Row(elem_classes="level"):
                        self._swap = gr.Button("Swap front and back", size="sm", elem_id="swap-sides")
                        self._sample = gr.Button("Try a sample card", size="sm", elem_id="try-sample")
                    picture_fields()
                    camera()
                with gr.Column(scale=2, min_width=300):
                    self._start = gr.Button("Grade", variant="primary", elem_id="grade-start")
                    self._build_question()
                    style = VERDICT_STYLE.read_text(encoding="utf-8")
                    self._verdict = gr.HTML(elem_id="verdict", js_on_load=SHOW_FINDING, css_template=style)
            with gr.Column(visible=False, elem_id="answer") as self._answer:
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
        # First what the user may do next; the reasons below fill several screens.
        with gr.Accordion("Worth it? Whether to submit this card for grading", open=False, elem_id="worth-it"):
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
        gr.Markdown("## Where and why")
        self._ceiling = gr.Markdown(elem_id="ceiling")
        self._layers = card_layers()
        with gr.Row(elem_classes="both-sides"):
            self._editors = []
            for side in SIDES:
                with gr.Column(min_width=300):
                    self._editors.append(line_editor(side))
        with gr.Row():
            self._outlines = []
            for side in SIDES:
                with gr.Column(min_width=300):
                    self._outlines.append(outline_editor(side))

    def _wire(self) -> None:
        # Not one status layer per output: the verdict says what is going on, and an error would cover every picture.
        options: dict[str, Any] = {"show_progress": "hidden"}
        inputs = [*self._sides, *self._editors]
        grade_inputs = [self._latest, self._is_open, *self._sides, *self._outlines, *self._editors]
        of_card = [self._title, *self._worth.price_fields]
        answer = [self._verdict, self._answer, self._keep_status, *self._editors, *of_card]
        worth = [self._grading, self._worth.text]
        outputs = [*answer, self._layers, *self._outlines, self._ceiling, *worth]
        question = [self._question, self._is_open, self._was_pair]
        fields = [part for field in self._inputs for part in (field.file, field.preview)]
        filled = [self._both, *fields, *question, *answer]
        drawn = filling(self._sample.click, self.add_sample, [self._latest], filled)
        drawn.failure(self.fail, None, answer, **options)
        # A press while a grading is under way counts: it may be of a picture that was exchanged meanwhile.
        grade: dict[str, Any] = {"fn": self.grade, "inputs": grade_inputs, "outputs": outputs, **options}
        triggers: list[Any] = [self._start.click, drawn.success, *(outline.submit for outline in self._outlines)]
        for trigger in triggers:
            trigger(**grade, trigger_mode="always_last").failure(self.fail, None, answer, **options)
        both = filling(self._both.upload, self.add_both, [self._latest, self._both, *self._sides], filled)
        swap = filling(self._swap.click, self.swap, [self._latest, *self._sides], filled)
        for event in (drawn, both, swap):
            self._advise_after(event, self._inputs)
        for index, field in enumerate(self._inputs):
            changed = [field.file, field.preview, *question, *answer]
            state = [self._latest, *self._sides, self._was_pair]
            added = filling(field.file.upload, partial(self.add_picture, index), state, changed)
            removed = filling(field.file.clear, partial(self.remove_picture, index), state, changed)
            for event in (added, removed):
                self._advise_after(event, [field])
        back = self._inputs[1]
        self._keep_back.click(self.keep_back, None, question, **options)
        removed = filling(self._remove_back.click, self.remove_back, [], [back.file, back.preview, *question])
        self._advise_after(removed, [back])
        for index, editor in enumerate(self._editors):
            edited = [editor, self._ceiling]
            editor.submit(partial(self.save_lines, index), inputs, edited, **options)
            editor.clear(partial(self.reset_lines, index), inputs, edited, **options)
        check = self._layers.submit(
            self.check_map, [*self._sides, *self._outlines, self._layers], self._layers, **options
        )
        check.failure(lambda: {"problem": FAILED}, None, self._layers, **options)
        self._worth.button.click(self.work_out, [self._grading, *self._worth.fields], self._worth.text, **options)
        kept = [*self._sides, self._grading, self._title, self._true_grade, *self._worth.fields]
        self._keep.click(self.keep_card, kept, self._keep_status, **options)
        self._filled = [self._model, *self._uncertainty.components]
        self._tab.select(self.fill, None, self._filled, **options)

    def _advise_after(self, event: Any, fields: Sequence[PictureInput]) -> None:
        """Show advice on the pictures of some fields after an event that changes them; one after another, in order."""
        files, texts = [field.file for field in fields], [field.advice for field in fields]
        advise = partial(self.advise, texts)
        event.then(advise, files, texts, concurrency_id="advice", show_progress="hidden")

    @cached_property
    def _recent_sides(self) -> RecentSides:
        """The sides found last, which advice and grading share."""
        from app.grading.recent_sides import RecentSides

        return RecentSides()

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
            return {**refused, **self._without_answer(message_html("This picture cannot be used", f"{message}."))}
        asks = index == 0 and back is not None and was_pair
        question = {self._question: gr.update(visible=asks), self._is_open: asks}
        shown = {field.preview: gr.update(visible=True, value=preview), self._was_pair: None not in (front, back)}
        return {**shown, **question, **self._without_answer()}

    def advise(self, texts: Sequence[gr.Markdown], *pictures: str | None) -> dict[Any, Any]:
        """Advice on each picture, shown in its text; none where all is well, or there is no picture."""
        from app.grading.picture_advice import picture_advice

        find = self._recent_sides.find
        advice = ["" if picture is None else escape(picture_advice(Path(picture), find)) for picture in pictures]
        return {text: gr.update(visible=line != "", value=line) for text, line in zip(texts, advice, strict=True)}

    def add_both(
        self, latest: LatestGrading, pictures: list[str] | None, front: str | None, back: str | None
    ) -> dict[Any, Any]:
        """Put two pictures of one card into the fields of their sides; one alone goes into the first empty field."""
        from app.grading.sort_sides import sort_sides

        latest.give_up()
        paths = [Path(picture) for picture in pictures or []]
        try:
            if len(paths) == 1:
                both = (paths[0], _path(back)) if front is None else (Path(front), paths[0])
            else:
                both = sort_sides(paths, self._recent_sides.find)
            return {self._both: None, **self._filled_with(*both), **self._without_answer()}
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            refusal = message_html("These pictures cannot be used", f"{message}.")
            return {self._both: None, **self._without_answer(refusal)}

    def swap(self, latest: LatestGrading, front: str | None, back: str | None) -> dict[Any, Any]:
        """Exchange the two sides."""
        latest.give_up()
        return {**self._filled_with(_path(back), _path(front)), **self._without_answer()}

    def add_sample(self, latest: LatestGrading) -> dict[Any, Any]:
        """Put a simulated card into the fields."""
        from app.grading.sample_card import sample_card

        latest.give_up()
        drawn = self._filled_with(*sample_card(self._data.uploads / "sample"))
        return {**drawn, **self._without_answer(progress_html(FINDING))}

    def _filled_with(self, front: Path | None, back: Path | None) -> dict[Any, Any]:
        """Updates that show two pictures in the fields, without a question about the back. Raises BadPicture."""
        updates: dict[Any, Any] = {}
        for field, path in zip(self._inputs, (front, back), strict=True):
            preview = None if path is None else read_preview(path, self._max_picture_bytes)
            updates[field.file] = None if path is None else str(path)
            updates[field.preview] = gr.update(visible=path is not None, value=preview)
        return {**updates, **self.keep_back(), self._was_pair: None not in (front, back)}

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
        return self._without_answer(message_html(NOT_GRADED, FAILED))

    def grade(self, latest: LatestGrading, *inputs: Any) -> Iterator[dict[Any, Any]]:
        """Grade the uploaded pictures, see `_grade`; nothing is yielded any more once a picture is exchanged."""
        yield from latest.begin(self._grade(*inputs), {self._verdict: gr.skip()})

    def _grade(self, is_open: bool, front: str | None, back: str | None, *page_values: Any) -> Iterator[dict[Any, Any]]:
        """Grade the uploaded pictures: yields what is being done, the grade, then the measurements, then the maps.

        is_open      True while the question about the back is not answered
        page_values  current states of the two outline editors, then of the two line editors, as JSON
        """
        # First, whatever follows: the page takes the press for handled when the verdict changes.
        began = progress_html(FINDING if self._graded_before else LOADING)
        yield {self._verdict: began, self._answer: gr.update(visible=False)}
        if is_open:
            yield self._without_answer(message_html("Not graded yet", ANSWER_FIRST))
            return
        try:
            yield from self._answers(_path(front), _path(back), _quads(page_values[:2]), page_values[2:])
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            yield self._without_answer(message_html(NOT_GRADED, f"{message}."))
            return
        self._graded_before = True

    def _answers(
        self, front: Path | None, back: Path | None, quads: Mapping[str, np.ndarray], page_values: Sequence[Any]
    ) -> Iterator[dict[Any, Any]]:
        """Grade the pictures in stages; yields the updates of each."""
        from app.collection.keep_graded_card import kept_grading
        from app.grading.line_corrections import current_corrections
        from app.models.grading_model import grading_model
        from app.screens.line_editor_sides import editor_states
        from app.screens.line_editor_state import state_from_page
        from app.screens.verdict import verdict_html
        from engine.inference.grade_card import grade_in_stages

        if front is None and back is None:
            raise UserError("add a picture of the front, the back, or both first")
        model = grading_model(self._data)
        corrections = current_corrections(self._database)
        stages = grade_in_stages(front, back, model, corrections, quads, self._recent_sides.find)
        graded = next(stages)
        yield {self._verdict: verdict_html(graded, is_measured=False, to_come=MEASURING)}
        graded = next(stages)
        has_maps = graded.inputs is not None
        states = editor_states(graded.sides, self._data, map(state_from_page, page_values))
        yield {
            self._verdict: verdict_html(graded, to_come=MAPPING if has_maps else ""),
            self._answer: gr.update(visible=True),
            **dict(zip(self._editors, map(_as_json, states), strict=True)),
            **self._outline_updates(graded),
            self._layers: {"card": "", "maps": {}},
            self._ceiling: _ceiling_text(states, graded),
            self._keep_status: "",
            self._grading: kept_grading(graded),
            self._worth.text: "",
        }
        if has_maps:
            graded = next(stages)
            yield {self._verdict: verdict_html(graded), self._layers: layers_value(graded, self._data)}

    def _outline_updates(self, graded: GradedCard) -> dict[Any, Any]:
        values = [
            None if side is None else outline_value(name, side, self._data) for name, side in graded.sides.items()
        ]
        return dict(zip(self._outlines, values, strict=True))

    def check_map(self, front: str | None, back: str | None, *page_values: Any) -> dict[str, Any]:
        """Measure whether the maps of the chosen method explain the grade; returns the value of the layers.

        page_values  current states of the two outline editors, then of the layers, as JSON
        """
        from app.grading.line_corrections import current_corrections
        from app.models.grading_model import grading_model
        from engine.inference.grad_cam import MAP_METHODS
        from engine.inference.grade_card import check_map, open_card, predict_grade, with_saliency_maps

        *outline_values, layers = page_values
        method = layers.get("method") if isinstance(layers, dict) else None
        method = method if method in MAP_METHODS else MAP_METHODS[0]
        try:
            quads = _quads(outline_values)
            corrections = current_corrections(self._database)
            sides = open_card(_path(front), _path(back), corrections, quads, self._recent_sides.find)
            graded = with_saliency_maps(predict_grade(sides, grading_model(self._data)))
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            return {"problem": f"{message}."}
        return checked_value(graded, method, check_map(graded, method))

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
        return f"Kept as {name} in the **Collection** tab" + ("." if grade is None else f", labelled {true_grade}.")


def _as_json(state: LineEditorState | None) -> dict[str, Any] | None:
    return None if state is None else state.model_dump(mode="json")


def _ceiling_text(states: Sequence[LineEditorState | None], graded: GradedCard | None = None) -> str:
    """The centering ceiling of the lines on the page."""
    from app.grading.answer_text import ceiling_text

    measured = {state.side: state.numbers for state in states if state is not None and state.numbers.worst is not None}
    trusted = {side: numbers for side, numbers in measured.items() if numbers.is_trusted}
    return ceiling_text({side: numbers.worst for side, numbers in (trusted or measured).items()}, graded=graded)


def _quads(values: Sequence[Any]) -> dict[str, np.ndarray]:
    """The corners that the user laid, by the SHA-256 of their picture."""
    laid = [outline for outline in map(outline_from_page, values) if outline is not None]
    return {outline.sha256: np.array(outline.quad) for outline in laid}


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
