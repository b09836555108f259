"""What a person says of a run before they start it: what it varies, what it is to show, and why many things change."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from app.runs.plan_input import Said, plan_of, warning
from app.runs.run_status import run_choices
from app.settings import Trouble
from db.session import Database
from engine.config import Config
from engine.experiments import lineage
from engine.experiments.plans import Plan
from engine.recipes import RECIPES

THE_RECIPE = "the recipe above"
DECLARED = "declared in the app, without a reason"
TICK = 'make one at a time, or tick "One bundle" under "What is it to show?"'


def draw() -> list[Component]:
    """All widgets in the order that `read` takes, laid out where this is called."""
    with gr.Accordion("What is it to show?", open=False, elem_id="experiment"):
        with gr.Row(elem_classes="settings"):
            parent = gr.Dropdown(
                [THE_RECIPE],
                value=THE_RECIPE,
                label="Compared with",
                info="The recipe or run that this run varies.",
                elem_id="run-parent",
            )
            hypothesis = gr.Textbox(
                label="Hypothesis", info="What you think the change does.", elem_id="run-hypothesis", scale=2
            )
        with gr.Row(elem_classes="settings"):
            expect = gr.Textbox(label="Expected", info="As in qwk>=0.74@27: at epoch 27.", elem_id="run-expect")
            fail = gr.Textbox(label="Failed if", info="As in qwk<0.40@13.", elem_id="run-fail")
        with gr.Row(elem_classes="settings"):
            bundle = gr.Checkbox(label="One bundle", info="I change several things at once.", elem_id="run-bundle")
            why = gr.Textbox(label="Why together", info="None of them can be credited.", elem_id="run-why", scale=2)
    return [parent, hypothesis, expect, fail, bundle, why]


def parents(database: Database) -> dict[str, Any]:
    """What the first widget offers: the recipe at hand, the runs, the other recipes."""
    runs = [(text, f"run {number}") for text, number in run_choices(database)]
    return gr.update(choices=[(THE_RECIPE, THE_RECIPE), *runs, *((name, name) for name in RECIPES)])


def read(entered: list[Any]) -> Said:
    """What the widgets' values say."""
    parent, hypothesis, expect, fail, bundle, why = entered
    return Said(
        parent="" if parent == THE_RECIPE else parent or "",
        bundle=((why or "").strip() or DECLARED) if bundle else "",
        hypothesis=hypothesis or "",
        expect=expect or "",
        fail=fail or "",
    )


def difference_text(said: Said, config: Config, recipe: str, database: Database) -> str:
    """What the run would differ in from its parent, and a warning where that is more than one change undeclared."""
    plan = plan_of(Said(parent=said.parent, bundle=said.bundle), config, recipe, database)
    if warning(plan):
        number, changed = lineage.count(plan.changes), lineage.in_words(plan.changes)
        return (
            f"**{number} changes at once against {plan.parent}:** {changed}. "
            f"Whatever comes out, none of them can be credited or blamed: {TICK}."
        )
    idle = "".join(f" **{sentence}.**" for sentence in lineage.idle(plan.changes, config))
    return f"Changed against {plan.parent}: {lineage.in_words(plan.changes)}.{idle}"


def declared_plan(said: Said, config: Config, recipe: str, database: Database) -> Plan:
    """The plan of a run; raises Trouble where several changes at once are not declared one bundle."""
    plan = plan_of(said, config, recipe, database)
    if warned := warning(plan):
        raise Trouble(f"{warned}; {TICK}")
    return plan
