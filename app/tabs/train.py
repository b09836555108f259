"""The Train tab: choose a recipe, start a run, watch it, stop it, resume it, and make its model the grading model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from app import charts, form
from app.jobs import Jobs, queue_run
from app.settings import DataFolder, Trouble
from app.tabs.plainly import plainly
from app.watching import NO_RUNS, run_choices, watch
from db import labels, models, runs
from db.session import Database
from engine import recipes
from engine.checkpoint import sha256
from engine.train import MODEL

POLL_EVERY_S = 1.5
NO_CARDS = (
    "### No labelled cards yet\nBring cards in and label some in the **Label** tab; then a run can be started here."
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
    """Queue a run with the form's settings and start its process; returns its id. Raises BadConfig and kin."""
    config = form.read(entered)
    run_id = queue_run(database, data, recipe=recipe, parent=recipes.recipe(recipe).parent, config=config)
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
    kept = path.with_name(f"{sha256(path)[:16]}.pt")
    if not kept.exists():
        # A copy under its own name: the run may go on and write a better model.pt, the promoted one stays what it was.
        kept.hardlink_to(path)
    with database.writing() as session:
        models.promote(session, model_path=kept.absolute(), sha256=sha256(kept), run_id=run.id)
    return f"Run {run.id}'s model now grades."


def cards_text(database: Database) -> str:
    """How many cards a run would have, or what to do where there are none."""
    with database.reading() as session:
        counts = labels.count_by_grade(session)
    labelled = sum(count for grade, count in counts.items() if grade is not None)
    return f"{labelled} labelled cards are ready to train on." if labelled else NO_CARDS


def _plot(title: str, y: str, color: str | None) -> gr.LinePlot:
    columns = ["epoch", y, color] if color else ["epoch", y]
    return gr.LinePlot(pd.DataFrame(columns=columns), x="epoch", y=y, color=color, title=title, height=240)


def build(database: Database, data: DataFolder, jobs: Jobs) -> Callable[[gr.Blocks], None]:
    """Lay out the tab; returns what fills it whenever the page is loaded."""
    with gr.Tab("Train", id="train") as tab:
        cards = gr.Markdown(elem_id="train-cards")
        with gr.Row():
            recipe = gr.Dropdown(list(recipes.RECIPES), value=recipes.DEFAULT, label="Recipe", elem_id="recipe")
            tests = gr.Markdown(recipe_text(recipes.DEFAULT))
        widgets = form.draw()
        download = gr.Markdown(DOWNLOADS, visible=False)
        start = gr.Button("Start", variant="primary", elem_id="start-run")
        gr.Markdown("## Runs")
        with gr.Row():
            chosen = gr.Dropdown([], label="Run", elem_id="chosen-run", scale=2)
            stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="stop-run")
            resume = gr.Button("Resume", interactive=False, elem_id="resume-run")
            use = gr.Button("Use this model for grading", interactive=False, elem_id="use-model")
        status = gr.Markdown(NO_RUNS, elem_id="run-status")
        with gr.Row():
            plots = [_plot("Loss", "loss", "of"), _plot("QWK", "QWK", "of"), _plot("Learning rate", "rate", None)]
        log = gr.Textbox(label="Log", lines=8, max_lines=16, interactive=False, elem_id="run-log", autoscroll=True)
        drawn = gr.State(None)
        timer = gr.Timer(POLL_EVERY_S, active=False)

    shown = [status, log, stop, resume, use, *plots, drawn]

    def look(run_id: int | None, last_drawn: Any) -> list[Any]:
        seen = watch(database, run_id)
        mark = (run_id, len(seen.epochs), seen.epochs[-1].created_at if seen.epochs else None)
        tables = [charts.losses(seen.epochs), charts.agreement(seen.epochs), charts.rates(seen.epochs)]
        # The plots are sent only when an epoch has come, so that they do not flicker at every poll.
        drawings = [gr.skip()] * 3 if mark == last_drawn else tables
        buttons = [gr.update(interactive=can) for can in (seen.can_stop, seen.can_resume, seen.has_model)]
        return [seen.status, seen.log, *buttons, *drawings, mark]

    def poll(run_id: int | None, last_drawn: Any) -> list[Any]:
        return [gr.update(choices=run_choices(database)), *look(run_id, last_drawn)]

    def fill(run_id: int | None) -> list[Any]:
        choices = run_choices(database)
        known = run_id if run_id in [value for _, value in choices] else (choices[0][1] if choices else None)
        return [cards_text(database), gr.update(choices=choices, value=known), *look(known, None)]

    def choose_recipe(name: str) -> list[Any]:
        return [recipe_text(name), *form.values(recipes.recipe_config(name))]

    @plainly
    def begin(name: str, *entered: Any) -> list[Any]:
        run_id = start_run(database, data, jobs, name, list(entered))
        return [gr.update(choices=run_choices(database), value=run_id), *look(run_id, None)]

    @plainly
    def end(run_id: int | None, last_drawn: Any) -> list[Any]:
        gr.Info(request_stop(database, run_id))
        return look(run_id, last_drawn)

    @plainly
    def go_on(run_id: int | None, last_drawn: Any) -> list[Any]:
        if run_id is None or not jobs.resume(run_id):
            raise Trouble("only a stopped, failed or lost run can be resumed")
        return look(run_id, last_drawn)

    @plainly
    def promote(run_id: int | None, last_drawn: Any) -> list[Any]:
        gr.Info(use_for_grading(database, run_id))
        return look(run_id, last_drawn)

    def warn_of_download(pretrained: str) -> dict[str, Any]:
        return gr.update(visible=pretrained == "imagenet")

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    form.pretrained(widgets).change(warn_of_download, form.pretrained(widgets), download, **quiet)
    recipe.change(choose_recipe, recipe, [tests, *widgets], **quiet)
    start.click(begin, [recipe, *widgets], [chosen, *shown])
    stop.click(end, [chosen, drawn], shown)
    resume.click(go_on, [chosen, drawn], shown)
    use.click(promote, [chosen, drawn], shown)
    chosen.change(look, [chosen, drawn], shown, **quiet)
    timer.tick(poll, [chosen, drawn], [chosen, *shown], **quiet)
    # A timer ticks only on a page that is looked at, and only once its tab was opened: so the tab starts it.
    tab.select(fill, chosen, [cards, chosen, *shown], **quiet)
    tab.select(lambda: gr.Timer(active=True), None, timer, **quiet)

    def on_load(page: gr.Blocks) -> None:
        page.load(lambda: form.values(recipes.recipe_config(recipes.DEFAULT)), None, widgets, **quiet)
        page.load(fill, chosen, [cards, chosen, *shown], **quiet)

    return on_load
