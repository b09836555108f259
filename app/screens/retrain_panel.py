"""First part of the Train tab: the labels changed since the model in use was trained, and a run that learns them."""

from __future__ import annotations

from typing import Any, cast, get_args

import gradio as gr

from app.models.named_model import usable_model_in_use
from app.runs.jobs import Jobs, queue_run
from app.runs.plan_input import PlanInput, build_plan
from app.runs.retrain import Preset, preset_choices, retrain_base, retrain_text
from app.screens.equal_run import EqualRunQuestion
from app.settings import DataFolder, UserError
from db.session import Database
from labeling.snapshot import pairs_from_rows

CHOOSE_PRESET = "choose how long to train first"
# A preset changes the length of the run and what it begins from, which counts as one change.
REASON = "retraining on the labels of today"


class RetrainPanel:
    """The retraining of one data folder."""

    def __init__(self, database: Database, data: DataFolder, jobs: Jobs) -> None:
        """Add the panel to the Gradio layout being built; the tab connects its events."""
        self._database, self._data, self._jobs = database, data, jobs
        self._text = gr.Markdown(elem_id="retrain-text")
        self.preset = gr.Radio([], label="How long", elem_id="retrain-preset")
        self.cost = gr.Markdown(elem_id="retrain-cost")
        self.button = gr.Button("Retrain", variant="primary", elem_id="retrain")
        self.equal = EqualRunQuestion("retrain")
        self.settings = gr.State(None)  # of the chosen preset, whose cost is shown

    @property
    def outputs(self) -> list[Any]:
        """The widgets that `fill` updates."""
        return [self._text, self.preset, self.button, self.settings]

    def fill(self, preset: str | None) -> dict[Any, Any]:
        """Updates of the panel; a chosen preset stays chosen."""
        named = usable_model_in_use(self._database, self._data)
        pairs = pairs_from_rows(self._database)[0]
        base = retrain_base(self._database, named, pairs)
        chosen: Preset = cast(Preset, preset) if preset in get_args(Preset) else "standard"
        return {
            self.settings: base.config(chosen),
            self._text: retrain_text(named, base, pairs),
            self.preset: gr.update(choices=preset_choices(base), value=chosen),
            self.button: gr.update(value="Train" if named is None else "Retrain"),
        }

    def start(self, preset: str | None, *, ask_if_equal: bool) -> int:
        """Queue a run with the settings of a preset and start it; returns its id. Raises as `queue_run` does."""
        if preset not in get_args(Preset):
            raise UserError(CHOOSE_PRESET)
        named = usable_model_in_use(self._database, self._data)
        base = retrain_base(self._database, named, pairs_from_rows(self._database)[0])
        config = base.config(cast(Preset, preset))
        plan = build_plan(PlanInput(parent=base.parent, bundle=REASON), config, base.recipe, self._database)
        run_id = queue_run(
            self._database,
            self._data,
            recipe=base.recipe,
            parent=plan.parent,
            config=config,
            plan=plan,
            ask_if_equal=ask_if_equal,
        )
        self._jobs.start(run_id)
        return run_id
