"""The Train tab: choose a recipe, start a run, watch it, stop it, resume it, and make its model the grading model."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from app.grading.model_registry import NO_GRADER
from app.runs.jobs import Jobs, queue_run
from app.runs.run_status import model_choices, run_choices, watch
from app.screens import charts, plan_form, settings_form
from app.screens.error_messages import plainly
from app.settings import DataFolder, Trouble
from db import labels, models, runs
from db.session import Database
from engine import recipes
from engine.cards.grades import LeftOut, training_target
from engine.config import BadConfig
from engine.experiments.run_folder import MODEL, sha256

POLL_EVERY_S = 1.5
NO_CARDS = (
    "### No labelled cards yet\nBring cards in and label some in the **Label** tab; then a run can be started here."
)
NO_PLAIN_GRADES = (
    "### No card to train on yet\nLabel some with a plain grade in the **Label** tab; then a run can be started here."
)
DOWNLOADS = (
    "**pretrained = imagenet downloads torchvision's weights once, if they are not on this machine yet. "
    "It is the only request this program ever makes.**"
)


def recipe_text(name: str) -> str:
    """What a recipe asks and where it comes from."""
    recipe = recipes.recipe(name)
    return f"*{recipe.tests}* Parent: {recipe.parent or 'none'}."


def start_run(database: Database, data: DataFolder, jobs: Jobs, recipe: str, entered: list[Any]) -> int:
    """Queue a run with what both forms hold and start its process; returns its id. Raises what `queue_run` does."""
    config = settings_form.read(entered[: len(settings_form.names())])
    plan = plan_form.declared_plan(plan_form.read(entered[len(settings_form.names()) :]), config, recipe, database)
    run_id = queue_run(database, data, recipe=recipe, parent=plan.parent, config=config, plan=plan)
    jobs.start(run_id)
    return run_id


def request_stop(database: Database, run_id: int | None) -> str:
    """Ask a run to stop; says what happens next."""
    if run_id is None:
        raise Trouble("choose a run first")
    with database.writing() as session:
        asked = runs.request_stop(session, run_id=run_id)
    return "Asked to stop: it saves after this batch, then ends." if asked else "This run is not on."


def use_for_grading(database: Database, run_id: int | None) -> str:
    """Make a run's best model the one that grades."""
    with database.reading() as session:
        run = None if run_id is None else runs.get(session, run_id=run_id)
    path = Path(run.folder) / MODEL if run else None
    if run is None or path is None or not path.is_file():
        raise Trouble("this run has saved no model yet; let it finish at least one epoch")
    if (seen := run.config.get("seen", "card")) != "card":
        raise Trouble(f"run {run.id}: {NO_GRADER.format(seen)}")
    # A copy named after its content: the run may go on and write a better model.pt, the promoted one stays what it was.
    aside = path.with_name("promoted.part")
    shutil.copyfile(path, aside)
    digest = sha256(aside)
    kept = aside.replace(path.with_name(f"{digest[:16]}.pt"))
    with database.writing() as session:
        models.promote(session, model_path=kept.absolute(), sha256=digest, run_id=run.id)
    return f"Run {run.id}'s model now grades."


def cards_text(database: Database) -> tuple[str, bool]:
    """How many cards a run would have, or what to do where there are none; and whether a run can be started."""
    with database.reading() as session:
        holding = [(label.grade, label.qualifier) for label in labels.current_labels(session).values()]
    # Neither grade nor qualifier: a label that was taken back.
    targets = [training_target(*label) for label in holding if label != (None, None)]
    left_out = sum(isinstance(target, LeftOut) for target in targets)
    ready = len(targets) - left_out
    if not targets:
        return NO_CARDS, False
    head = f"{_labelled(ready)} ready to train on." if ready else NO_PLAIN_GRADES
    more = (
        f" {_labelled(left_out)} left out: a model learns from plain grades, without a qualifier." if left_out else ""
    )
    return head + more, ready > 0


def _labelled(count: int) -> str:
    return "1 labelled card is" if count == 1 else f"{count} labelled cards are"


def _drawn(rows: pd.DataFrame) -> dict[str, Any]:
    """A plot's or table's new content. An empty one is hidden but stays in the page: Gradio 6.31 goes on measuring a
    plot that was taken out of it, and fails.
    """
    return gr.update(value=rows, visible=True if len(rows) else "hidden")


class TrainTab:
    """The tab over one data folder and its runs."""

    def __init__(self, database: Database, data: DataFolder, jobs: Jobs) -> None:
        """Lay out and wire the tab where this is called."""
        self._database, self._data, self._jobs = database, data, jobs
        with gr.Tab("Train", id="train") as self._tab:
            self._cards = gr.Markdown(elem_id="train-cards")
            with gr.Column(visible=False) as self._workbench:
                self._lay_out_form()
            with gr.Column(visible=False) as self._gallery:
                self._lay_out_runs()
            self._timer = gr.Timer(POLL_EVERY_S, active=False)
        self._wire()

    def _lay_out_form(self) -> None:
        with gr.Row():
            names = list(recipes.RECIPES)
            self._recipe = gr.Dropdown(names, value=recipes.DEFAULT, label="Recipe", elem_id="recipe")
            self._tests = gr.Markdown(recipe_text(recipes.DEFAULT))
        self._settings = settings_form.draw()
        self._changes = gr.Markdown(elem_id="run-changes")
        self._said = plan_form.draw()
        self._download = gr.Markdown(DOWNLOADS, visible=False)
        self._start = gr.Button("Start", variant="primary", elem_id="start-run")

    def _lay_out_runs(self) -> None:
        gr.Markdown("## Runs")
        with gr.Row(elem_classes="level"):
            self._run = gr.Dropdown([], label="Run", elem_id="chosen-run", scale=2)
            self._stop = gr.Button("Stop", variant="stop", elem_id="stop-run")
            self._resume = gr.Button("Resume", elem_id="resume-run")
            self._use = gr.Button("Use this model for grading", elem_id="use-model")
        self._status = gr.Markdown(elem_id="run-status")
        with gr.Row():
            plot: dict[str, Any] = {"x": "epoch", "height": 240, "x_axis_format": ".3~g", "buttons": []}
            self._plots = [
                gr.LinePlot(y="loss", color="cards", title="Loss", elem_id="loss-plot", **plot),
                gr.LinePlot(y="QWK", color="cards", title="QWK", elem_id="qwk-plot", **plot),
                gr.LinePlot(y="rate", title="Learning rate", elem_id="rate-plot", **plot),
            ]
        self._table = gr.Dataframe(label="Epochs, latest first", interactive=False, max_height=260, elem_id="epochs")
        log: dict[str, Any] = {"lines": 8, "max_lines": 16, "interactive": False, "autoscroll": True}
        self._log = gr.Textbox(label="Log", elem_id="run-log", **log)
        self._drawn = gr.State(None)

    def _wire(self) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden"}
        seen = [self._status, self._log, self._stop, self._resume, self._use, *self._plots, self._table, self._drawn]
        chosen = [self._run, self._drawn]
        pretrained = settings_form.pretrained(self._settings)
        self._filled = [self._cards, self._workbench, self._gallery, self._said[0], pretrained, self._run, *seen]
        pretrained.change(lambda value: gr.update(visible=value == "imagenet"), pretrained, self._download, **quiet)
        self._recipe.change(self.choose_recipe, self._recipe, [self._tests, *self._settings], **quiet)
        entered = [self._recipe, *self._settings, *self._said]
        for widget in (*self._settings, *self._said):
            # Only what a person changes: a recipe that is chosen fills all fields, and says so once.
            widget.input(self.differs, entered, self._changes, **quiet)  # type: ignore[attr-defined]
        self._recipe.change(lambda: "", None, self._changes, **quiet)
        self._start.click(self.start, entered, [self._gallery, self._run, *seen], **quiet)
        self._stop.click(self.stop, chosen, seen, **quiet)
        self._resume.click(self.resume, chosen, seen, **quiet)
        self._use.click(self.use, chosen, seen, **quiet)
        self._run.change(self.look, chosen, seen, **quiet)
        self._timer.tick(self.poll, chosen, [self._run, *seen], **quiet)
        self._tab.select(self.fill, self._run, self._filled, **quiet)
        # A timer ticks only on a page that is looked at, and only once its tab was opened: so the tab starts it. No
        # other tab stops it: Gradio tells of the first tab's opening too, and that word may come after this one.
        self._tab.select(lambda: gr.Timer(active=True), None, self._timer, **quiet)

    def on_load(self, page: gr.Blocks) -> None:
        """The default recipe into the form; the rest is filled when the tab is opened, since Gradio 6.31 stumbles over
        a plot that it is given while it is hidden.
        """
        page.load(
            partial(self.choose_recipe, recipes.DEFAULT), None, [self._tests, *self._settings], show_progress="hidden"
        )

    def choose_recipe(self, name: str) -> list[Any]:
        """What the recipe asks, and its settings into the form."""
        return [recipe_text(name), *settings_form.values(recipes.recipe_config(name))]

    def look(self, run_id: int | None, last_drawn: Any) -> list[Any]:
        """One run as it stands; the plots only when an epoch has come, so that they do not flicker."""
        seen = watch(self._database, run_id)
        mark = (run_id, len(seen.epochs), str(seen.epochs[-1].created_at) if seen.epochs else "")
        draw = (charts.losses, charts.agreement, charts.rates, charts.epoch_table)
        drawings = [gr.skip() if mark == last_drawn else _drawn(make(seen.epochs)) for make in draw]
        buttons = [gr.update(interactive=can) for can in (seen.can_stop, seen.can_resume, seen.has_model)]
        log = gr.update(value=seen.log, visible=bool(seen.log))
        return [seen.status, log, *buttons, *drawings, mark]

    def poll(self, run_id: int | None, last_drawn: Any) -> list[Any]:
        """The list of runs and the chosen one, anew."""
        return [gr.update(choices=run_choices(self._database)), *self.look(run_id, last_drawn)]

    def fill(self, run_id: int | None) -> list[Any]:
        """The whole tab from the database: what can be started, what there is to watch."""
        choices = run_choices(self._database)
        ids = [value for _, value in choices]
        known = run_id if run_id in ids else next(iter(ids), None)
        text, ready = cards_text(self._database)
        sections = [gr.update(visible=ready), gr.update(visible=bool(ids))]
        offered = plan_form.parents(self._database)
        weights = settings_form.starting_weights(model_choices(self._database))
        return [text, *sections, offered, weights, gr.update(choices=choices, value=known), *self.look(known, None)]

    @plainly
    def differs(self, recipe: str, *entered: Any) -> str:
        """What the run would change, while it is being set up; nothing while a field is empty or out of bounds."""
        settings, said = list(entered[: len(settings_form.names())]), list(entered[len(settings_form.names()) :])
        try:
            config = settings_form.read(settings)
        except BadConfig as error:
            return str(error)
        return plan_form.difference_text(plan_form.read(said), config, recipe, self._database)

    @plainly
    def start(self, recipe: str, *entered: Any) -> list[Any]:
        """Start a run and watch it."""
        run_id = start_run(self._database, self._data, self._jobs, recipe, list(entered))
        chosen = gr.update(choices=run_choices(self._database), value=run_id)
        return [gr.update(visible=True), chosen, *self.look(run_id, None)]

    @plainly
    def stop(self, run_id: int | None, last_drawn: Any) -> list[Any]:
        """Ask the run to stop."""
        gr.Info(request_stop(self._database, run_id))
        return self.look(run_id, last_drawn)

    @plainly
    def resume(self, run_id: int | None, last_drawn: Any) -> list[Any]:
        """Let the run go on where it was."""
        if run_id is None or not self._jobs.resume(run_id):
            raise Trouble("only a stopped, failed or lost run can be resumed")
        return self.look(run_id, last_drawn)

    @plainly
    def use(self, run_id: int | None, last_drawn: Any) -> list[Any]:
        """Make the run's model the grading model."""
        gr.Info(use_for_grading(self._database, run_id))
        return self.look(run_id, last_drawn)
