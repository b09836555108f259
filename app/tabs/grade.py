"""The Grade tab: two pictures in; the grade, how sure it is, and where the card loses it, out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app import charts
from app.grading import NO_MODEL, Graded, grade_card, pictures_of
from app.intake import keep_card
from app.models import model_path, open_model
from app.settings import DataFolder, Trouble
from app.tabs.plainly import plainly
from db.session import Database
from engine.grades import GRADES, grade_name

FIRST_STEPS = """### No grading model yet
Three steps lead to one: bring cards in and label them in **Label**, start a run in **Train**, and there press
**Use this model for grading**. Until then a picture is looked at here, but not graded."""
SIDES = ("front", "back")
PICTURES = {"card": "the card", "overlay": "where it loses", "quad": "what was found"}
NOT_KNOWN = "not known"


def model_text(data: DataFolder) -> str:
    """Which model would speak, or how to come by one."""
    path = model_path(None, data)
    if path is None:
        return FIRST_STEPS
    model, digest = open_model(path)
    return _said_by({"name": model.name, "sha256": digest, "trained_on": model.trained_on})


def _said_by(model: dict[str, str]) -> str:
    return f"Model **{model['name']}** ({model['sha256'][:12]}), trained on {model['trained_on']}."


def grade_pictures(data: DataFolder, front: str | None, back: str | None) -> Graded:
    """Grade what was dropped. Raises Trouble without any picture, BadPicture, BadModel."""
    if not front and not back:
        raise Trouble("drop a picture of the front, the back, or both first")
    return grade_card(_path(front), _path(back), model_path(None, data))


def verdict_text(graded: Graded) -> str:
    """The answer in words."""
    said = graded.prediction
    if said is None:
        reasons = "\n".join(f"- {reason}" for reason in graded.reasons)
        return f"## No grade\n{reasons}" if graded.model else f"## No grade\n- {NO_MODEL}"
    lines = [f"## {said.grade} {grade_name(said.grade)}", _range_text(graded)]
    missing = [side for side in SIDES if graded.views[side] is None]
    if missing:
        lines.append(f"Graded without the {missing[0]}: add its picture for a surer answer.")
    lines += [f"- {reason}" for reason in graded.reasons]
    return "\n\n".join([*lines, _said_by(graded.model or {})])


def _range_text(graded: Graded) -> str:
    said = graded.prediction
    assert said is not None
    low, high = said.interval.low, said.interval.high
    span = f"a {low}" if low == high else f"between {low} and {high}"
    return f"Expected grade {said.expected:.1f}; {said.interval.coverage:.0%} of the probability is on {span}."


def shown_pictures(graded: Graded) -> list[Any]:
    """Card beside overlay beside outline, front then back; what there is none of is not shown."""
    pictures = [pictures_of(graded, side).get(name) for side in SIDES for name in PICTURES]
    return [gr.update(visible=picture is not None, value=picture) for picture in pictures]


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
        self._wire()

    @staticmethod
    def _side_input(side: str) -> gr.Image:
        label = f"{side.capitalize()} of the card"
        return gr.Image(label=label, type="filepath", sources=["upload", "clipboard"], height=320, elem_id=f"{side}-in")

    def _lay_out_answer(self) -> None:
        self._probabilities = gr.BarPlot(
            x="grade",
            y="probability",
            y_lim=[0, 1],
            sort=[str(grade) for grade in GRADES],
            title="Probability of each grade",
            height=220,
            elem_id="probabilities",
        )
        gr.Markdown("Bright places lower the expected grade; both sides share one scale.")
        self._shown: list[gr.Image] = []
        for side in SIDES:
            with gr.Row():
                self._shown += [self._picture(side, name, words) for name, words in PICTURES.items()]
        with gr.Row(equal_height=True):
            grades = [NOT_KNOWN, *(str(grade) for grade in GRADES)]
            self._own = gr.Dropdown(grades, value=NOT_KNOWN, label="Its grade, where you know it", elem_id="own-grade")
            self._keep = gr.Button("Keep this card for training", elem_id="keep-card")
        self._kept = gr.Markdown(elem_id="kept")

    @staticmethod
    def _picture(side: str, name: str, words: str) -> gr.Image:
        label = f"{side.capitalize()}: {words}"
        # PNG: the default would blur the overlay's fine places.
        return gr.Image(label=label, format="png", interactive=False, height=420, elem_id=f"{side}-{name}")

    def _wire(self) -> None:
        answer = [self._verdict, self._answer, self._probabilities, *self._shown, self._kept]
        self._start.click(self.grade, self._sides, answer)
        self._keep.click(self.keep, [*self._sides, self._own], self._kept)
        self._tab.select(self.fill, None, self._model, show_progress="hidden")

    def on_load(self, page: gr.Blocks) -> None:
        """Say which model would speak whenever the page is loaded."""
        page.load(self.fill, None, self._model, show_progress="hidden")

    @plainly
    def fill(self) -> str:
        """Which model would speak."""
        return model_text(self._data)

    @plainly
    def grade(self, front: str | None, back: str | None) -> list[Any]:
        """Grade what was dropped and show all of the answer."""
        graded = grade_pictures(self._data, front, back)
        said = graded.prediction
        bars = (
            gr.update(visible=False) if said is None else gr.update(visible=True, value=charts.bars(said.probabilities))
        )
        return [verdict_text(graded), gr.update(visible=True), bars, *shown_pictures(graded), ""]

    @plainly
    def keep(self, front: str | None, back: str | None, own: str) -> str:
        """Keep the pair as a card, labelled where the person knows its grade."""
        grade = None if own == NOT_KNOWN else float(own)
        name = keep_card(self._database, self._data, _path(front), _path(back), grade)
        return f"Kept as {name}" + (", not labelled yet." if grade is None else f", graded {own}.")


def _path(written: str | None) -> Path | None:
    return Path(written) if written else None
