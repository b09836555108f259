"""The Grade tab: two pictures in; the grade, how sure it is, and where the card loses it, out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

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
    return grade_card(Path(front) if front else None, Path(back) if back else None, model_path(None, data))


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
    """Card beside overlay beside outline, front then back; None where there is nothing to show."""
    pictures = [pictures_of(graded, side) for side in SIDES]
    return [side.get(name) for side in pictures for name in ("card", "overlay", "quad")]


def build(database: Database, data: DataFolder) -> Callable[[gr.Blocks], None]:
    """Lay out the tab; returns what fills it whenever the page is loaded."""
    with gr.Tab("Grade", id="grade") as tab:
        model = gr.Markdown(elem_id="grading-model")
        with gr.Row():
            sides = [
                gr.Image(label=f"{side.capitalize()} of the card", type="filepath", height=320, elem_id=f"{side}-in")
                for side in SIDES
            ]
            with gr.Column():
                start = gr.Button("Grade", variant="primary", elem_id="grade-start")
                verdict = gr.Markdown(elem_id="verdict")
        probabilities = gr.BarPlot(
            pd.DataFrame(columns=["grade", "probability"]),
            x="grade",
            y="probability",
            y_lim=[0, 1],
            sort=[str(grade) for grade in GRADES],
            title="Probability of each grade",
            height=220,
            elem_id="probabilities",
        )
        gr.Markdown("Bright places lower the expected grade; both sides share one scale.")
        shown: list[gr.Image] = []
        for side in SIDES:
            with gr.Row():
                shown += [
                    gr.Image(
                        label=f"{side.capitalize()}: {name}", format="png", interactive=False, elem_id=f"{side}-{key}"
                    )
                    for key, name in (("card", "the card"), ("overlay", "where it loses"), ("quad", "what was found"))
                ]
        with gr.Row():
            own = gr.Dropdown(
                [NOT_KNOWN, *(str(grade) for grade in GRADES)], value=NOT_KNOWN, label="Your grade", elem_id="own-grade"
            )
            keep = gr.Button("Keep this card for training", elem_id="keep-card")
            kept = gr.Markdown(elem_id="kept")

    @plainly
    def grade(front: str | None, back: str | None) -> list[Any]:
        graded = grade_pictures(data, front, back)
        said = graded.prediction
        table = charts.bars(said.probabilities) if said else None
        return [verdict_text(graded), table, *shown_pictures(graded)]

    @plainly
    def keep_it(front: str | None, back: str | None, own: str) -> str:
        own_grade = None if own == NOT_KNOWN else float(own)
        name = keep_card(database, data, Path(front) if front else None, Path(back) if back else None, own_grade)
        return f"Kept as {name}" + (f", graded {own}." if own_grade else ", not labelled yet.")

    @plainly
    def fill() -> str:
        return model_text(data)

    start.click(grade, sides, [verdict, probabilities, *shown])
    keep.click(keep_it, [*sides, own], kept)
    tab.select(fill, None, model, show_progress="hidden")

    def on_load(page: gr.Blocks) -> None:
        page.load(fill, None, model, show_progress="hidden")

    return on_load
