"""The named API of the app: plain JSON in and out, as the commands of these names have it. Other events are private.

Pictures are uploads. A path on the server is taken by /import_cards alone, from a client on the same machine.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from app.batch.batch import start
from app.batch.exports import results
from app.batch.sources import batch_from_files
from app.runs.jobs import Jobs, queue_run
from app.runs.plan_input import PlanInput, build_plan, undeclared_bundle_warning
from app.runs.run_json import run_json, unknown_run
from app.screens.error_messages import answer_user_errors
from app.screens.login import labeler
from app.screens.picture_input import check_picture_size
from app.screens.security import is_local
from app.screens.uploaded_files import uploaded_file
from app.settings import DataFolder, ServerOptions, UserError
from db import cards, labels, runs
from db.schema import STARTER
from db.session import Database
from engine import recipes
from engine.cards.grades import parse_grade, parse_qualifier
from engine.config import parse_settings
from labeling.ranking import QUEUE_ORDERS

POLL_INTERVAL_S = 0.5
MAX_ROW_ID = 2**63 - 1
ONLY_LOCAL = "/import_cards takes a path from a client on the machine that runs Loupe only; run `import` there"
MODELS = ("", "current", "starter")
# What gradio_client's handle_file makes; or a text, as assistants give it, see uploaded_files.
File = FileData | str


class Api:
    """Endpoints of one data folder."""

    def __init__(
        self, page: gr.Blocks, database: Database, data: DataFolder, jobs: Jobs, options: ServerOptions
    ) -> None:
        """Add the endpoints to the page being built, and keep all of its events so far from clients."""
        self._database, self._data, self._jobs, self._options = database, data, jobs, options
        for event in page.fns.values():
            # Without its name, which an endpoint may have: Gradio would call the endpoint grade_1.
            event.api_visibility, event.api_name = "private", None
        for endpoint in (
            *(self.grade, self.grade_batch, self.label, self.queue, self.import_cards),
            *(self.start_run, self.run, self.stop_run, self.models, self.promote, self.health),
        ):
            gr.api(endpoint, api_name=endpoint.__name__)

    @answer_user_errors
    def grade(self, front: File, back: File | None = None, model: str = "") -> dict:
        """Grade a card from its uploaded pictures; returns the JSON of `python launch.py grade`.

        model: "current", "starter", or "" for the default of the command.
        """
        from app.commands.grade import CommandOptions, grade_pair  # noqa: PLC0415 - loads torch

        _check_model(model)
        if front is None:
            raise UserError("the front is missing; upload a picture of it")
        front_path = self._uploaded(front, "front")
        back_path = None if back is None else self._uploaded(back, "back")
        return grade_pair(self._data, front_path, back_path, CommandOptions(model=model or None))

    @answer_user_errors
    def grade_batch(self, files: list[File], model: str = "") -> list[dict]:
        """Grade the cards of uploaded files: pictures, a CSV file that names them, a ZIP file of both.

        Returns the JSON of `python launch.py grade --batch` when all are graded. The batch is also in the tab of that
        name; it goes on if the client leaves.
        """
        _check_model(model)
        if not isinstance(files, list) or not files:
            raise UserError("the files are missing; upload pictures, a ZIP file, or a CSV file with its pictures")
        paths = [self._uploaded(file, f"file {number}") for number, file in enumerate(files, 1)]
        batch = batch_from_files(self._data, paths, model or None)
        start(self._jobs, self._data, batch)
        while (state := batch.state()) in ("starting", "running", "stopping"):
            time.sleep(POLL_INTERVAL_S)
        if state != "finished":
            raise UserError(f"the batch is {state}: {batch.problem() or 'resume it in the Batch tab'}")
        return results(batch)

    @answer_user_errors
    def label(self, card_id: str, grade: str | float | None = None, qualifier: str = "") -> dict:
        """Give a card a label; neither grade nor qualifier withdraws it. `card_id` is the card's name."""
        parsed = (parse_grade(_text(grade, "grade")), parse_qualifier(_text(qualifier, "qualifier")))
        name = _text(card_id, "card_id")
        with self._database.writing() as session:
            card = cards.cards_by_name(session, names=[name]).get(name)
            if card is None or card.deleted_at is not None:
                raise UserError(f"there is no card {name!r}; import it first, or correct its card_id")
            labels.add_label(
                session, card_id=card.id, grade=parsed[0], qualifier=parsed[1], source="person", author=labeler()
            )
        return {"card_id": name, "grade": parsed[0], "qualifier": parsed[1]}

    @answer_user_errors
    def queue(self, by: str = "suspect", limit: int | None = None) -> list[dict]:
        """The cards whose labels matter most; returns the JSON of `python launch.py queue`."""
        from app.commands import queue  # noqa: PLC0415 - loads torch

        if by not in QUEUE_ORDERS:
            raise UserError(f"the order {by!r} is not known here; use one of {', '.join(QUEUE_ORDERS)}")
        is_count = limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit > 0)
        if not is_count:
            raise UserError(f"limit is {limit!r}; use a number of cards, or null for all")
        return queue.ranked_cards(self._data, by, limit)

    @answer_user_errors
    def import_cards(self, path: str, labels_win: bool = False, request: gr.Request | None = None) -> dict:
        """Import the cards at a path of this machine; returns the JSON of `python launch.py import`."""
        from app.commands import import_cards  # noqa: PLC0415 - imports what only this endpoint needs

        if request is None or not is_local(request):
            raise UserError(ONLY_LOCAL)
        text = _text(path, "path")
        if not text:
            raise UserError("the path is empty; give a folder or a CSV file")
        if not isinstance(labels_win, bool):
            raise UserError(f"labels_win is {labels_win!r}; use true or false")
        return import_cards.run(self._data, Path(text), None, labels_win=labels_win)

    @answer_user_errors
    def start_run(
        self, recipe: str = recipes.DEFAULT, settings: dict | None = None, several_changes_because: str = ""
    ) -> dict:
        """Queue a training run on the labels and start it; `settings` are those of `train --set`, by name."""
        if not isinstance(settings, Mapping | None):
            raise UserError(f"settings are {settings!r}; give them by name, such as {{'batch_size': 8}}")
        name = _text(recipe, "recipe")
        pairs = [f"{key}={value}" for key, value in (settings or {}).items()]
        config = recipes.recipe_config(name, parse_settings(pairs))
        plan = build_plan(PlanInput(bundle=_text(several_changes_because, "several_changes_because")), config, name)
        if warning := undeclared_bundle_warning(plan):
            raise UserError(f"{warning}; make one change at a time, or give several_changes_because")
        run_id = queue_run(self._database, self._data, recipe=name, parent=plan.parent, config=config, plan=plan)
        self._jobs.start(run_id)
        return self._run(run_id)

    @answer_user_errors
    def run(self, run: int) -> dict:
        """State, progress and epochs of a training run."""
        return self._run(run)

    @answer_user_errors
    def stop_run(self, run: int) -> dict:
        """Ask a training run to stop after the present batch; returns its state."""
        self._run(run)
        with self._database.writing() as session:
            runs.request_stop(session, run_id=run)
        return self._run(run)

    @answer_user_errors
    def models(self) -> dict:
        """The model in use and the history of models; returns the JSON of `python launch.py models list`."""
        from app.commands import models  # noqa: PLC0415 - loads torch

        return models.models(self._database, self._data)

    @answer_user_errors
    def promote(self, model: str, reason: str = "") -> dict:
        """Use a run's model, by its number, or the starter for grading; as `python launch.py models promote`.

        reason: why, if the comparison with the model in use speaks against it.
        """
        from app.commands import models  # noqa: PLC0415 - loads torch
        from app.models import promotion  # noqa: PLC0415 - loads torch
        from app.models.compare_models import ModelComparison  # noqa: PLC0415 - loads torch

        name = _text(model, "model")
        if name != STARTER and not (name.isdecimal() and int(name) <= MAX_ROW_ID):
            raise UserError(f"the model {name!r} is not known here; give the number of a run, or {STARTER!r}")
        events = promotion.promote(self._database, self._data, name, reason=_text(reason, "reason"), author=labeler())
        [comparison] = [event for event in events if isinstance(event, ModelComparison)]
        return models.promoted(self._database, self._data, comparison)

    @answer_user_errors
    def health(self) -> dict:
        """The version, and the number of cards and runs: the server and its database answer."""
        with self._database.reading() as session:
            return {
                "status": "ok",
                "version": version("loupe"),
                "cards": cards.counts(session).cards,
                "runs": len(runs.runs(session)),
            }

    def _uploaded(self, file: Any, name: str) -> Path:
        """The path of an uploaded file. Raises UserError for anything else, BadPicture for too large a picture."""
        path = uploaded_file(file, name, self._data.uploads)
        if path.suffix.lower() != ".zip":
            check_picture_size(path, self._options.max_picture_bytes)
        return path

    def _run(self, run_id: Any) -> dict[str, Any]:
        remedy = "give the number that /start_run returned"
        if not isinstance(run_id, int) or isinstance(run_id, bool) or not 0 < run_id <= MAX_ROW_ID:
            raise unknown_run(repr(run_id), remedy)
        return run_json(self._database, run_id, remedy)


def _check_model(model: Any) -> None:
    if model not in MODELS:
        raise UserError(f"the model {model!r} is not known here; use 'current', 'starter', or ''")


def _text(value: Any, name: str) -> str:
    """A text parameter, or a number as text. Raises UserError for another type."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UserError(f"{name} is {value!r}; give a text")
    return str(value).strip()
