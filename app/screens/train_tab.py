"""Train tab: choose a recipe, start, watch, stop and resume a run, and compare and use its model."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from app.markdown import escape
from app.runs.before_start import BeforeStart
from app.runs.epoch_report import epoch_report
from app.runs.jobs import EqualRun, Jobs, queue_run
from app.runs.run_status import load_status, model_choices, run_choices
from app.screens import charts, plan_form, settings_form
from app.screens.equal_run import EqualRunQuestion
from app.screens.error_messages import show_user_errors
from app.screens.kept_state import form_to_keep, kept_form, kept_state
from app.screens.models_panel import ModelsPanel
from app.screens.queue_panel import QueuePanel
from app.screens.retrain_panel import RetrainPanel
from app.screens.run_charts import RunCharts
from app.settings import DataFolder, UserError
from db import runs
from db.session import Database
from engine import recipes
from engine.config import BadConfig, Config
from labeling.snapshot import count_trainable

POLL_INTERVAL_S = 1.5
NO_CARDS = "### No labelled cards yet\nImport cards and label some in the **Label** tab, then start a run here."
NO_USABLE_LABELS = (
    "### No card to train on yet\nLabel some without a qualifier in the **Label** tab, then start a run here."
)
NO_PICTURES = "### No card to train on yet\nPut the pictures back, or import them again from where they are now."
NOT_LEARNED = "a model learns only from grades without a qualifier"
NOT_FOUND = "a picture is missing or has changed since it was imported, which the card in the **Label** tab says"
NO_RECIPE = "choose a recipe first"
ADVANCED = "Advanced: choose a recipe and every setting"
DOWNLOADS = (
    "**pretrained = imagenet downloads torchvision's weights once, unless they are already on this machine. "
    "It is the only request this program ever makes.**"
)

# Of two answers at once the page might show the older one, while the state holds the newer.
DRAWN_IN_TURN: dict[str, Any] = {"concurrency_id": "run-charts", "concurrency_limit": 1}
# Updates by widget; those left out stay as they are.
Updates = dict[Any, Any]


def recipe_text(name: str) -> str:
    """The question that a recipe tests, and its parent."""
    recipe = recipes.recipe(name)
    return f"*{recipe.tests}* Parent: {recipe.parent or 'none'}."


def start_run(
    database: Database, data: DataFolder, jobs: Jobs, recipe: str, values: list[Any], *, ask_if_equal: bool = False
) -> int:
    """Queue a run with the values of both forms and start its process; returns its id. Raises as `queue_run` does."""
    setting_count = len(settings_form.names())
    config = settings_form.read(values[:setting_count])
    plan = plan_form.declared_plan(plan_form.read(values[setting_count:]), config, recipe, database)
    run_id = queue_run(
        database, data, recipe=recipe, parent=plan.parent, config=config, plan=plan, ask_if_equal=ask_if_equal
    )
    jobs.start(run_id)
    return run_id


def request_stop(database: Database, run_id: int | None) -> str:
    """Ask a run to stop; returns a message."""
    if run_id is None:
        raise UserError("choose a run first")
    with database.writing() as session:
        stopping = runs.request_stop(session, run_id=run_id)
    return "Stopping: the run saves after this batch, then ends." if stopping else "This run is not running."


def cards_text(database: Database) -> tuple[str, bool]:
    """The number of cards to train on, or a hint if there are none; and True if a run can be started."""
    count = count_trainable(database)
    if not (count.ready or count.unusable_label or count.without_picture):
        return NO_CARDS, False
    head = f"{_labelled_cards(count.ready)} ready to train on."
    if not count.ready:
        head = NO_PICTURES if count.without_picture else NO_USABLE_LABELS
    notes = {NOT_LEARNED: count.unusable_label, NOT_FOUND: count.without_picture}
    left_out = [f" {_labelled_cards(number)} left out: {reason}." for reason, number in notes.items() if number]
    return head + "".join(left_out), count.ready > 0


def _labelled_cards(count: int) -> str:
    return "1 labelled card is" if count == 1 else f"{count} labelled cards are"


class TrainTab:
    """The Train tab of one data folder."""

    def __init__(self, database: Database, data: DataFolder, jobs: Jobs) -> None:
        """Add the tab to the Gradio layout being built and connect its events."""
        self._database, self._data, self._jobs = database, data, jobs
        self._before_start = BeforeStart(database, data, jobs)
        with gr.Tab("Train", id="train") as self._tab:
            self._cards = gr.Markdown(elem_id="train-cards")
            with gr.Column(visible=False) as self._retrain_section:
                self._retrain = RetrainPanel(database, data, jobs)
            with gr.Accordion(ADVANCED, open=False, visible=False, elem_id="advanced") as self._form:
                self._build_form()
            with gr.Column(visible=False) as self._runs:
                self._build_runs()
            with gr.Column(visible=False) as self._models_section:
                self._models = ModelsPanel(database, data)
            self._timer = gr.Timer(POLL_INTERVAL_S, active=False)
        self._wire()

    def _build_form(self) -> None:
        with gr.Row(elem_classes="stack"):
            names = list(recipes.RECIPES)
            self._recipe = gr.Dropdown(names, value=recipes.DEFAULT, label="Recipe", elem_id="recipe")
            self._recipe_text = gr.Markdown(recipe_text(recipes.DEFAULT))
        self._settings = settings_form.draw()
        self._changes = gr.Markdown(elem_id="run-changes")
        self._plan = plan_form.draw()
        self._download = gr.Markdown(DOWNLOADS, visible=False)
        self._cost = gr.Markdown(elem_id="run-cost")
        self._start = gr.Button("Start training", variant="primary", elem_id="start-run")
        self._equal = EqualRunQuestion("start")
        self._form_settings = gr.State(None)  # whose cost is shown; None while a value is bad
        self._is_form_open = gr.State(False)

    def _build_runs(self) -> None:
        gr.Markdown("## Runs")
        self._queue = QueuePanel(self._database)
        with gr.Row(elem_classes="level"):
            self._run = gr.Dropdown([], label="Run", elem_id="chosen-run", scale=2)
            self._stop = gr.Button("Stop", variant="stop", elem_id="stop-run")
            self._resume = gr.Button("Resume", elem_id="resume-run")
        self._status = gr.Markdown(elem_id="run-status")
        self._charts = RunCharts(self._database)
        self._table = gr.Dataframe(label="Epochs, latest first", interactive=False, max_height=260, elem_id="epochs")
        with gr.Accordion("Recall by grade, confusion", open=False, elem_id="run-recall"):
            self._recall = gr.Markdown()
        log: dict[str, Any] = {"lines": 8, "max_lines": 16, "interactive": False, "autoscroll": True}
        self._log = gr.Textbox(label="Log", elem_id="run-log", **log)
        self._drawn_epochs = gr.State(None)
        self._kept_run, self._kept_form = kept_state("train-run"), kept_state("train-form")

    def _wire(self) -> None:
        event_options: dict[str, Any] = {"show_progress": "hidden"}
        run_outputs = [
            self._status,
            self._log,
            self._stop,
            self._resume,
            self._table,
            self._recall,
            self._drawn_epochs,
        ]
        run_inputs = [self._run, self._drawn_epochs]
        self._run_inputs, self._run_outputs = run_inputs, run_outputs
        pretrained = settings_form.pretrained(self._settings)
        sections = [self._retrain_section, self._form, self._runs, self._models_section]
        self._filled = [self._cards, *sections, self._plan[0], pretrained, self._run, *run_outputs]
        pretrained.change(
            lambda value: gr.update(visible=value == "imagenet"), pretrained, self._download, **event_options
        )
        # `input`, not `change`: choosing a recipe, and a reload, change all fields at once.
        choice = [self._recipe, *self._plan]
        self._recipe.input(self.choose_recipe, choice, [self._kept_form, *self._recipe_outputs], **event_options)
        inputs = [self._recipe, *self._settings, *self._plan]
        changed = [self._changes, self._form_settings, self._kept_form]
        for widget in (*self._settings, *self._plan):
            # Of several changes while one is handled, Gradio would drop all.
            widget.input(self.show_changes, inputs, changed, trigger_mode="always_last", **event_options)  # type: ignore[attr-defined]
        started = [
            self._runs,
            self._models_section,
            self._run,
            *run_outputs,
            *self._equal.outputs,
            *self._retrain.equal.outputs,
        ]
        self._start.click(self.start, inputs, started, **event_options)
        self._equal.again.click(self.start_again, inputs, started, **event_options)
        retrain = self._retrain
        retrain.button.click(self.retrain, retrain.preset, started, **event_options)
        retrain.equal.again.click(self.retrain_again, retrain.preset, started, **event_options)
        self._stop.click(self.stop, run_inputs, run_outputs, **event_options)
        self._resume.click(self.resume, run_inputs, run_outputs, **event_options)
        self._run.change(self.show_run, run_inputs, run_outputs, **event_options)
        self._run.change(lambda run: run, self._run, self._kept_run, **event_options)
        self._wire_charts(event_options)
        queue = self._queue
        for button, act in (
            (queue.earlier, partial(self.move_in_queue, places=-1)),
            (queue.later, partial(self.move_in_queue, places=1)),
            (queue.remove, self.take_out_of_queue),
        ):
            button.click(act, queue.chosen, queue.outputs, **event_options)
        self._run.change(self.show_queue, queue.chosen, queue.outputs, **event_options)
        self._tab.select(self._models.fill, self._models.model, self._models.outputs, **event_options)
        self._tab.select(self.fill_retrain, retrain.preset, retrain.outputs, **event_options)
        retrain.preset.input(self.fill_retrain, retrain.preset, retrain.outputs, **event_options)
        self._form.expand(lambda: True, None, self._is_form_open, **event_options)
        self._form.collapse(lambda: False, None, self._is_form_open, **event_options)
        filling = self._tab.select(self.fill, [self._run, self._kept_run], self._filled, **event_options)
        # After the run is known: a chart of no run would flicker.
        panel = self._charts
        drawing = filling.then(self.fill_charts, panel.kept, panel.filled, **event_options)
        drawing.then(self.draw, [self._run, *panel.inputs], panel.outputs, **event_options, **DRAWN_IN_TURN)
        # The tab starts the timer, which ticks only on a visible page. No other tab stops it: on loading, Gradio also
        # sends a select event for the first tab, which may arrive after this one.
        self._tab.select(lambda: gr.Timer(active=True), None, self._timer, **event_options)

    @property
    def worn_copies(self) -> list[Any]:
        """The form, the section of all settings in it, and the setting of the worn copies per grade."""
        return [self._form, *settings_form.worn_copies(self._settings)]

    def _wire_charts(self, event_options: dict[str, Any]) -> None:
        panel = self._charts
        inputs = [self._run, *panel.inputs]
        drawing = event_options | DRAWN_IN_TURN
        for widget in panel.filled:
            chosen = widget.input(
                self.keep_charts, panel.filled, panel.kept, trigger_mode="always_last", **event_options
            )
            chosen.then(self.draw, inputs, panel.outputs, **drawing)
        self._run.change(self.draw, inputs, panel.outputs, **drawing)
        shown = [*self._run_inputs, self._queue.chosen, self._is_form_open, self._form_settings, self._retrain.settings]
        polled = [self._run, panel.compared, self._models.model, *self._run_outputs, *self._queue.outputs]
        # One event for all: each costs the page a tenth of a second of computing, which it would take from a run.
        self._timer.tick(
            self.poll,
            [*shown, *panel.inputs],
            [*polled, self._cost, self._retrain.cost, *panel.outputs],
            **drawing,
        )

    def on_load(self, page: gr.Blocks) -> None:
        """Fill the form as the browser has kept it, or with the default recipe.

        The rest is filled when the tab is opened: Gradio 6.31 fails on a plot that is updated while hidden.
        """
        for state in (self._kept_run, self._kept_form, self._charts.kept):
            state.render()
        outputs = [self._recipe, *self._plan, *self._recipe_outputs]
        page.load(self.restore_form, self._kept_form, outputs, show_progress="hidden")

    @property
    def _recipe_outputs(self) -> list[Any]:
        return [self._recipe_text, self._changes, self._form_settings, *self._settings]

    @show_user_errors
    def choose_recipe(self, name: str, *plan: Any) -> list[Any]:
        """Show a recipe and fill the form with its settings."""
        config = recipes.recipe_config(name)
        values = settings_form.values(config)
        return [form_to_keep(name, values, plan), recipe_text(name), "", config, *values]

    @show_user_errors
    def restore_form(self, kept: Any) -> list[Any]:
        """Fill the form as the browser has kept it."""
        models, parents = model_choices(self._database), plan_form.parents(self._database)
        recipe, settings, plan = kept_form(kept, models, parents)
        changes, config, _ = self.show_changes(recipe, *settings, *plan)
        updates: list[Any] = list(settings)
        position = settings_form.names().index("pretrained")
        updates[position] = settings_form.starting_weights(models) | {"value": settings[position]}
        plan[0] = gr.update(choices=parents, value=plan[0])
        return [recipe, *plan, recipe_text(recipe), changes if kept else "", config, *updates]

    @show_user_errors
    def fill_charts(self, kept: Any) -> list[Any]:
        """Choose the metrics and runs of the charts as the browser has kept them."""
        return self._charts.fill(kept)

    @show_user_errors
    def keep_charts(self, metrics: list[str] | None, compared: list[int] | None) -> dict[str, Any]:
        """Keep the choice of metrics and runs in the browser."""
        return {"metrics": metrics or [], "runs": compared or []}

    @show_user_errors
    def show_queue(self, chosen: int | None) -> list[Any]:
        """Refresh the queue."""
        return self._queue.fill(chosen)

    @show_user_errors
    def move_in_queue(self, chosen: int | None, *, places: int) -> list[Any]:
        """Move the chosen run of the queue."""
        return self._queue.move(chosen, places)

    @show_user_errors
    def take_out_of_queue(self, chosen: int | None) -> list[Any]:
        """Remove the chosen run from the queue."""
        return self._queue.take_out(chosen)

    @show_user_errors
    def draw(self, run_id: int | None, metrics: Any, compared: Any, drawn: Any) -> list[Any]:
        """Draw the charts after a change."""
        return self._charts.draw(run_id, metrics, compared, drawn)

    def _costs(self, config: Config | None, retraining: Config | None, is_form_open: bool, page: str) -> list[Any]:
        """Cards, time and disk space of the run that the page offers: that of the form if it is open.

        One of both, since asking for the time of other settings ends a measurement.
        """
        offered = config if is_form_open else retraining
        text = "" if offered is None else self._before_start.text(offered, page)
        return [text, gr.skip()] if is_form_open else [gr.skip(), text]

    @show_user_errors
    def show_run(self, run_id: int | None, last_drawn: Any) -> list[Any]:
        """Show a run; the table of its epochs is redrawn only after a new one, so that it does not flicker."""
        status = load_status(self._database, self._data, run_id)
        epochs = status.epochs
        version = (run_id, len(epochs), str(epochs[-1].created_at) if epochs else "")
        table: list[Any] = [gr.skip(), gr.skip()]
        if version != last_drawn:
            rows = charts.epoch_table(epochs)
            table = [gr.update(value=rows, visible=True if len(rows) else "hidden"), epoch_report(epochs)]
        buttons = [gr.update(interactive=enabled) for enabled in (status.can_stop, status.can_resume)]
        log = gr.update(value=status.log, visible=bool(status.log))
        return [status.status, log, *buttons, *table, version]

    @show_user_errors
    def poll(
        self,
        run_id: int | None,
        last_drawn: Any,
        queued: int | None,
        is_form_open: bool,
        form: Config | None,
        retraining: Config | None,
        metrics: Any,
        compared: Any,
        drawn: Any,
        request: gr.Request | None = None,
    ) -> list[Any]:
        """Refresh the lists of runs and of their models, the chosen run, the queue, the cost and the charts."""
        page = "" if request is None else str(request.session_hash)
        choices = gr.update(choices=run_choices(self._database))
        return [
            *(choices, choices, self._models.choices()),
            *self.show_run(run_id, last_drawn),
            *self.show_queue(queued),
            *self._costs(form, retraining, is_form_open, page),
            *self.draw(run_id, metrics, compared, drawn),
        ]

    @show_user_errors
    def fill(self, run_id: int | None, kept_run: Any = None) -> list[Any]:
        """Fill the whole tab from the database; without a chosen run, choose the one that the browser has kept."""
        choices = run_choices(self._database)
        ids = [value for _, value in choices]
        chosen_id = next((run for run in (run_id, kept_run) if run in ids), next(iter(ids), None))
        text, ready = cards_text(self._database)
        sections = [gr.update(visible=shown) for shown in (ready, ready, bool(ids), bool(ids))]
        parents = gr.update(choices=plan_form.parents(self._database))
        weights = settings_form.starting_weights(model_choices(self._database))
        return [
            text,
            *sections,
            parents,
            weights,
            gr.update(choices=choices, value=chosen_id),
            *self.show_run(chosen_id, None),
        ]

    @show_user_errors
    def show_changes(self, recipe: str | None, *values: Any) -> tuple[str, Config | None, Any]:
        """Show the changes of the run being set up against its parent, or the first bad value of the form."""
        if recipe is None:
            return NO_RECIPE, None, gr.skip()
        setting_count = len(settings_form.names())
        kept = form_to_keep(recipe, values[:setting_count], values[setting_count:])
        try:
            config = settings_form.read(list(values[:setting_count]))
        except BadConfig as error:
            return escape(error), None, kept
        plan_input = plan_form.read(list(values[setting_count:]))
        return plan_form.difference_text(plan_input, config, recipe, self._database), config, kept

    @show_user_errors
    def fill_retrain(self, preset: str | None) -> Updates:
        """Fill the part for retraining; it reads every label, so that the rest of the tab does not wait for it."""
        return self._retrain.fill(preset)

    @show_user_errors
    def start(self, recipe: str | None, *values: Any) -> Updates:
        """Start a run and watch it; asks first if it equals another."""
        return self._start_run(recipe, values, ask_if_equal=True)

    @show_user_errors
    def start_again(self, recipe: str | None, *values: Any) -> Updates:
        """Start a run that equals another."""
        return self._start_run(recipe, values, ask_if_equal=False)

    def _start_run(self, recipe: str | None, values: tuple[Any, ...], *, ask_if_equal: bool) -> Updates:
        if recipe is None:
            raise UserError(NO_RECIPE)
        try:
            run_id = start_run(self._database, self._data, self._jobs, recipe, list(values), ask_if_equal=ask_if_equal)
        except EqualRun as equal:
            return self._equal.asked(equal)
        return self._started(run_id)

    @show_user_errors
    def retrain(self, preset: str | None) -> Updates:
        """Start a run on the labels of today and watch it; asks first if it equals another."""
        try:
            return self._started(self._retrain.start(preset, ask_if_equal=True))
        except EqualRun as equal:
            return self._retrain.equal.asked(equal)

    @show_user_errors
    def retrain_again(self, preset: str | None) -> Updates:
        """Start a retraining that equals another run."""
        return self._started(self._retrain.start(preset, ask_if_equal=False))

    def _started(self, run_id: int) -> Updates:
        """Updates that show a run that has just been started."""
        self._before_start.probe.stop()
        return {
            self._runs: gr.update(visible=True),
            self._models_section: gr.update(visible=True),
            self._run: gr.update(choices=run_choices(self._database), value=run_id),
            **dict(zip(self._run_outputs, self.show_run(run_id, None), strict=True)),
            **self._equal.hidden(),
            **self._retrain.equal.hidden(),
        }

    @show_user_errors
    def stop(self, run_id: int | None, last_drawn: Any) -> list[Any]:
        """Ask the run to stop."""
        gr.Info(request_stop(self._database, run_id))
        return self.show_run(run_id, last_drawn)

    @show_user_errors
    def resume(self, run_id: int | None, last_drawn: Any) -> list[Any]:
        """Resume the run from its last checkpoint."""
        if run_id is None or not self._jobs.resume(run_id):
            raise UserError("only a stopped, failed or interrupted run can be resumed")
        return self.show_run(run_id, last_drawn)
