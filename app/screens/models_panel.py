"""Models of the Train tab: compare one with the model in use, use it for grading, or go back to an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from app.errors import user_message
from app.labels.previews import preview_file
from app.markdown import escape
from app.models import promotion
from app.models.compare_models import ModelComparison, compare_models
from app.models.comparison_text import changed_text, figures_text, verdict_text
from app.models.named_model import NamedModel, model_of_name, usable_model_in_use
from app.screens import charts
from app.screens.error_messages import show_user_errors
from app.screens.login import labeler
from app.settings import DataFolder, UserError
from db import cards
from db.schema import STARTER, Promotion
from db.session import Database
from engine.evaluation.paired_models import ChangedCard
from engine.events import Notice, Progress
from labeling.picture_files import locate_pictures

NO_MODEL = "No model in use yet: cards are measured but not graded."
CHOOSE = "choose a model first"
WORST, BEST = 8, 4  # changed cards that are shown with their picture
BACK_TO_STARTER = ("Starter, ships with Loupe", 0)

# Updates by widget; those left out stay as they are.
Updates = dict[Any, Any]


class ModelsPanel:
    """The models of one data folder."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        """Add the panel to the Gradio layout being built; `wire` connects its events."""
        self._database, self._data = database, data
        gr.Markdown("## Models")
        self._in_use = gr.Markdown(elem_id="model-in-use")
        with gr.Row(elem_classes="level"):
            self.model = gr.Dropdown([], label="Model", elem_id="compared-model", scale=2)
            self._compare = gr.Button("Compare with the model in use", elem_id="compare-models")
            self._promote = gr.Button("Use this model for grading", variant="primary", elem_id="use-model")
        self._verdict = gr.Markdown(elem_id="comparison-verdict")
        with gr.Row(elem_classes="level", visible=False) as self._override:
            self._reason = gr.Textbox(
                label="Why use it nevertheless?", elem_id="promotion-reason", scale=2, max_length=promotion.MAX_REASON
            )
            self._anyway = gr.Button("Use it nevertheless", variant="stop", elem_id="promote-anyway")
        self._figures = gr.Markdown(elem_id="comparison-figures")
        # "hidden", not removed: see `_plot_update` of the tab.
        self._reliability = gr.LinePlot(
            x="confidence",
            y="accuracy",
            color="model",
            title="How often a grade given with this confidence is right",
            height=260,
            buttons=[],
            visible="hidden",
            elem_id="comparison-reliability",
        )
        self._changed_text = gr.Markdown(elem_id="changed-cards-text")
        self._changed = gr.Gallery(
            columns=4, object_fit="contain", show_label=False, buttons=[], visible=False, elem_id="changed-cards"
        )
        with gr.Accordion("Models in use before", open=False, visible=False) as self._before:
            self._history = gr.Markdown(elem_id="model-history")
            with gr.Row(elem_classes="level"):
                self._earlier = gr.Dropdown([], label="Go back to", elem_id="earlier-model", scale=2)
                self._roll_back = gr.Button("Use it again", elem_id="roll-back")
        self._wire()

    def _wire(self) -> None:
        options: dict[str, Any] = {"show_progress": "hidden"}
        outputs = self.outputs
        self._compare.click(self.compare, self.model, outputs, **options)
        self._promote.click(self.promote, self.model, outputs, **options)
        self._anyway.click(self.promote, [self.model, self._reason], outputs, **options)
        self._roll_back.click(self.roll_back, [self._earlier, self.model], outputs, **options)
        self.model.input(self.clear, None, outputs, **options)

    @property
    def outputs(self) -> list[Any]:
        """The widgets that `fill` and the handlers update."""
        return [
            *(self._in_use, self.model, self._verdict, self._override, self._reason, self._figures),
            *(self._reliability, self._changed_text, self._changed, self._before, self._history, self._earlier),
        ]

    def fill(self, chosen: str | None = None) -> Updates:
        """Updates of the model in use, the choices and the history; `chosen` stays chosen if it exists."""
        choices = promotion.candidates(self._database)
        names = [name for _, name in choices]
        rows = promotion.history(self._database)
        return {
            self._in_use: self._in_use_text(),
            self.model: gr.update(choices=choices, value=chosen if chosen in names else next(iter(names), None)),
            self._before: gr.update(visible=bool(rows)),
            self._history: history_text(rows),
            self._earlier: gr.update(choices=earlier_choices(rows), value=promotion.next_rollback(self._database)),
        }

    def choices(self) -> dict[str, Any]:
        """Update of the models to choose from, such as that of a run which has saved its first."""
        return gr.update(choices=promotion.candidates(self._database))

    def _in_use_text(self) -> str:
        """The model in use, or why it cannot be used: the rest of the panel serves to choose another."""
        try:
            return in_use_text(promotion.in_use(self._database, self._data))
        except UserError as error:
            return f"**{escape(error)}.**"

    @show_user_errors
    def clear(self) -> Updates:
        """Take the last comparison off the page: it is that of another model."""
        return {self._verdict: "", **self._hidden()}

    def _hidden(self) -> Updates:
        """Updates that take the last comparison and its question off the page."""
        return {
            self._override: gr.update(visible=False),
            self._reason: "",
            self._figures: "",
            self._reliability: gr.update(visible="hidden"),
            self._changed_text: "",
            self._changed: gr.update(visible=False),
        }

    def compare(self, name: str | None) -> Iterator[Updates]:
        """Compare the chosen model with the one in use; shows the progress first."""
        yield from self._answered(self._compared(name))

    def promote(self, name: str | None, reason: str | None = "") -> Iterator[Updates]:
        """Use the chosen model for grading; a model that the comparison speaks against needs a reason."""
        yield from self._answered(self._promoted(name, reason or ""))

    def _answered(self, updates: Iterator[Updates]) -> Iterator[Updates]:
        """The updates; a user error ends them with its message on the page."""
        try:
            yield from updates
        except Exception as error:
            if (message := user_message(error)) is None:
                raise
            yield {self._verdict: f"**Not done:** {escape(message)}.", **self._hidden()}

    def _compared(self, name: str | None) -> Iterator[Updates]:
        candidate, reference = self._chosen(name), usable_model_in_use(self._database, self._data)
        if reference is not None and reference.sha256 == candidate.sha256:
            raise UserError(f"{candidate.name} is the model in use; choose another")
        yield from self._shown(compare_models(self._database, self._data, candidate, reference))

    def _promoted(self, name: str | None, reason: str) -> Iterator[Updates]:
        candidate = self._chosen(name)
        try:
            yield from self._shown(
                promotion.promote(self._database, self._data, candidate.name, reason=reason, author=labeler())
            )
        except promotion.PromotionRefused as refused:
            yield {**self._comparison(refused.comparison), self._override: gr.update(visible=True)}
            return
        done = f"**{escape(candidate.name.capitalize())} grades from now on.**"
        yield {**self.fill(name), self._verdict: done, **self._hidden()}

    @show_user_errors
    def roll_back(self, number: int | None, chosen: str | None) -> Updates:
        """Use the chosen earlier model again: what this page shows, whatever another one did meanwhile."""
        if number is None:
            raise UserError(CHOOSE)
        row = promotion.roll_back(self._database, self._data, to=number, author=labeler())
        done = f"**{escape(row.title.capitalize())} grades again.**"
        return {**self.fill(chosen), self._verdict: done, **self._hidden()}

    def _chosen(self, name: str | None) -> NamedModel:
        """The chosen model. Raises UserError for anything but a run or the starter: a path is for the terminal."""
        if name is None or not (name == STARTER or name.removeprefix("run ").isdecimal()):
            raise UserError(CHOOSE)
        return model_of_name(self._database, self._data, name)

    def _shown(self, events: Iterator[Notice | Progress | ModelComparison]) -> Iterator[Updates]:
        for event in events:
            if isinstance(event, Progress):
                yield {self._verdict: f"{escape(event.step)} {event.done} of {event.total}", **self._hidden()}
            elif isinstance(event, ModelComparison):
                yield self._comparison(event)

    def _comparison(self, comparison: ModelComparison) -> Updates:
        paired = comparison.paired
        if paired is None:
            return {self._verdict: verdict_text(comparison), **self._hidden()}
        reference = "" if comparison.reference is None else comparison.reference.name
        bins = {
            f"{reference} (in use)": paired.reference["reliability"],
            comparison.candidate.name: paired.candidate["reliability"],
        }
        run_id = comparison.candidate.run_id
        wrong = "" if run_id is None else f"\n\n[The cards that run {run_id} gets wrong](#dataset:run-{run_id})"
        return {
            **self._hidden(),
            self._verdict: verdict_text(comparison) + wrong,
            self._figures: figures_text(comparison),
            self._reliability: gr.update(value=charts.reliability_of_models(bins), visible=True),
            self._changed_text: changed_text(paired.changed, WORST, BEST),
            self._changed: gr.update(value=self._pictures(shown_cards(paired.changed)), visible=bool(paired.changed)),
        }

    def _pictures(self, changed: Sequence[ChangedCard]) -> list[tuple[str, str]]:
        """The front of each card, the back of one without, with the grades; without the cards that have no file."""
        with self._database.reading() as session:
            by_name = cards.cards_by_name(session, names=[card.card_id for card in changed])
        pictures = {name: card.pictures[0] for name, card in by_name.items()}
        locations = locate_pictures(self._database, pictures.values())
        shown = []
        for card in changed:
            if (picture := pictures.get(card.card_id)) is not None:
                path, _ = preview_file(picture, locations[picture.id], self._data)
                if path is not None:
                    shown.append((path, caption(card)))
        return shown


def shown_cards(changed: Sequence[ChangedCard]) -> list[ChangedCard]:
    """Of the changed cards, worst first, those that are shown: the worst, then the best."""
    best = [card for card in reversed(changed) if card.worse < 0][:BEST]
    return [*[card for card in changed if card not in best][:WORST], *best]


def caption(card: ChangedCard) -> str:
    """The grades of a changed card, as under its picture."""
    return f"{card.reference} → {card.candidate}, label {card.truth}: {card.card_id}"


def in_use_text(model: promotion.ModelInUse | None) -> str:
    """The model in use, since when, and by whom."""
    if model is None:
        return NO_MODEL
    since = "" if model.since is None else f", since {model.since[:16].replace('T', ' ')} UTC"
    by = f", by {escape(model.by)}" if model.by else ""
    return f"In use: **{escape(model.name)}**{since}{by}. [The cards that it gets wrong](#dataset:in-use)"


def history_text(rows: Sequence[Promotion]) -> str:
    """The models in use, latest first, as a Markdown list."""
    return "\n".join(
        f"- {row.id}: **{escape(row.title)}**, since {row.created_at:%Y-%m-%d %H:%M} UTC"
        f"{f', by {escape(row.author)}' if row.author else ''}: {_how(row)}"
        f"{f', because: {escape(row.reason)}' if row.reason else ''}"
        for row in rows
    )


def _how(row: Promotion) -> str:
    if row.is_rollback:
        return "put back"
    if row.comparison is None:
        return "not compared"
    return "passed the comparison" if row.comparison.get("passes") else "against the comparison"


def earlier_choices(rows: Sequence[Promotion]) -> list[tuple[str, int]]:
    """Models to go back to as (text, promotion's id), the latest first, each once; without the one in use."""
    choices: dict[str, tuple[str, int]] = {}
    for row in rows:
        choices.setdefault(row.sha256, (f"{row.id}: {row.title}", row.id))
    if rows:
        choices.pop(rows[0].sha256)
    in_use_is_starter = bool(rows) and rows[0].model_path == STARTER
    starters = [] if in_use_is_starter or not promotion.has_starter() else [BACK_TO_STARTER]
    return [*choices.values(), *starters]
