"""Plan form of the Train tab: parent, hypothesis, criteria, and the reason for several changes at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from app.markdown import escape
from app.runs.plan_input import PlanInput, build_plan, undeclared_bundle_warning
from app.runs.run_status import run_choices
from app.settings import UserError
from db.session import Database
from engine.config import Config
from engine.experiments import lineage
from engine.experiments.plans import ExperimentPlan
from engine.recipes import RECIPES

SELECTED_RECIPE = "the recipe above"
NO_REASON = "declared in the app, without a reason"
# The values of the widgets before anything is entered.
EMPTY: list[Any] = [SELECTED_RECIPE, "", "", "", False, ""]
TITLE = "Hypothesis and success criteria"
REMEDY = f'make one at a time, or tick "Several changes at once" under "{TITLE}"'


def draw() -> list[Component]:
    """Add all widgets to the Gradio layout being built; returns them in the order that `read` takes."""
    with gr.Accordion(TITLE, open=False, elem_id="experiment"):
        with gr.Row(elem_classes="settings"):
            parent = gr.Dropdown(
                [SELECTED_RECIPE],
                value=SELECTED_RECIPE,
                label="Compared with",
                info="Recipe or run to compare with.",
                elem_id="run-parent",
            )
            hypothesis = gr.Textbox(
                label="Hypothesis", info="What you expect the change to do.", elem_id="run-hypothesis", scale=2
            )
        with gr.Row(elem_classes="settings"):
            expect = gr.Textbox(
                label="Success criteria", info="For example qwk>=0.74@27: at epoch 27.", elem_id="run-expect"
            )
            fail = gr.Textbox(label="Failure criteria", info="For example qwk<0.40@13.", elem_id="run-fail")
        with gr.Row(elem_classes="settings"):
            bundle = gr.Checkbox(
                label="Several changes at once", info="Their effects cannot be separated.", elem_id="run-bundle"
            )
            reason = gr.Textbox(
                label="Several changes at once: reason", info="Why not one at a time.", elem_id="run-why", scale=2
            )
    return [parent, hypothesis, expect, fail, bundle, reason]


def parents(database: Database) -> list[tuple[str, str]]:
    """Choices of the first widget: the selected recipe, the runs, the named recipes."""
    runs = [(text, f"run {number}") for text, number in run_choices(database)]
    return [(SELECTED_RECIPE, SELECTED_RECIPE), *runs, *((name, name) for name in RECIPES)]


def kept_values(kept: Any, parents: Sequence[tuple[str, str]]) -> list[Any]:
    """Values that the browser has kept, if the widgets can hold them."""
    values = kept if isinstance(kept, list) and len(kept) == len(EMPTY) else EMPTY
    parent, *others = (
        value if isinstance(value, type(empty)) else empty for value, empty in zip(values, EMPTY, strict=True)
    )
    return [parent if parent in [value for _, value in parents] else SELECTED_RECIPE, *others]


def read(values: list[Any]) -> PlanInput:
    """Convert the widgets' values to a plan input."""
    parent, hypothesis, expect, fail, bundle, reason = values
    return PlanInput(
        parent="" if parent == SELECTED_RECIPE else parent or "",
        bundle=((reason or "").strip() or NO_REASON) if bundle else "",
        hypothesis=hypothesis or "",
        expect=expect or "",
        fail=fail or "",
    )


def difference_text(plan_input: PlanInput, config: Config, recipe: str, database: Database) -> str:
    """The changes of the run against its parent, with a warning about several undeclared changes."""
    plan = build_plan(PlanInput(parent=plan_input.parent, bundle=plan_input.bundle), config, recipe, database)
    if undeclared_bundle_warning(plan):
        number, changed = lineage.count(plan.changes), lineage.describe(plan.changes)
        return (
            f"**{number} changes at once against {escape(plan.parent)}:** {escape(changed)}. "
            f"Their effects cannot be separated; {REMEDY}."
        )
    warnings = "".join(f" **{escape(sentence)}.**" for sentence in lineage.ineffective(plan.changes, config))
    return f"Changed against {escape(plan.parent)}: {escape(lineage.describe(plan.changes))}.{warnings}"


def declared_plan(plan_input: PlanInput, config: Config, recipe: str, database: Database) -> ExperimentPlan:
    """Build the plan of a run; raises UserError for several changes at once that are not declared."""
    plan = build_plan(plan_input, config, recipe, database)
    if warning := undeclared_bundle_warning(plan):
        raise UserError(f"{warning}; {REMEDY}")
    return plan
