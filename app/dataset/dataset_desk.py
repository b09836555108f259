"""Desk of the Dataset tab: counts, the filtered cards and changes of many at once, as plain values for the page."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.dataset.bulk_acts import MAX_CARDS_AT_ONCE, BulkActs, Outcome, outcome_text, undone_text
from app.dataset.confusion_cells import cards_of_cell, confusion_table, model_choices, sha256_of_model_in_use
from app.dataset.gallery import gallery_cards
from app.dataset.kept_together import cards_kept_together
from app.dataset.overview import overview
from app.dataset.picture_views import EXTREMES, extremes, slabs
from app.labels.page_functions import Name, PageRequest, RecentPages, RowId, author_of, checked
from app.labels.queue_orders import ALL_CARDS, PageFilters, queue_filter
from app.settings import DataFolder, UserError
from db import label_queue
from db.session import Database
from engine.cards.grades import check_label, grade_name, parse_grade, parse_qualifier
from labeling.queue import queue_of
from labeling.rare_grades import cards_of_rare_grade

OTHER_FOLDER = "this page was opened with another data folder; reload it"
MAX_GALLERY_CARDS = 48


class AskCards(PageRequest):
    """Row ids of the cards that pass filters."""

    filters: PageFilters = PageFilters()


class AskGallery(PageRequest):
    """Cards of the gallery by row id; `search`: also look for files that were moved."""

    ids: Annotated[tuple[RowId, ...], Field(max_length=MAX_GALLERY_CARDS)]
    search: bool = False


class AskExtremes(PageRequest):
    """The pictures at one end of a measurement's range."""

    extreme: Literal[*EXTREMES]  # type: ignore[valid-type]


class AskModel(PageRequest):
    """The confusion matrix of a model of `confusion_models`."""

    model: Annotated[str, Field(max_length=100)]


class AskCell(AskModel):
    """One cell of it."""

    truth: Annotated[int, Field(ge=1, le=10)]
    predicted: Annotated[int, Field(ge=1, le=10)]


class AskRareGrade(PageRequest):
    """A grade that has too few labels."""

    grade: Annotated[int, Field(ge=1, le=10)]


class ChangeCards(PageRequest):
    """A change of cards, or the undo of the last change.

    page    of the browser
    number  counts the changes of the page, from 1 on; the parts of one change have the same
    part    counts the requests of the page: a request whose answer was lost is sent again and not done twice
    folder  as `dataset_counts` named it
    """

    page: Annotated[str, Field(min_length=1, max_length=60)]
    number: Annotated[int, Field(ge=1)]
    part: Annotated[int, Field(ge=1)]
    folder: Annotated[str, Field(max_length=64)]
    kind: Literal["label", "remove", "bin", "undo"]
    ids: Annotated[tuple[RowId, ...], Field(max_length=MAX_CARDS_AT_ONCE)] = ()
    grade: float | None = None
    qualifier: Name = ""


class _Page:
    """The changes of a page, and its last request with the answer."""

    def __init__(self) -> None:
        self.acts = BulkActs()
        self.part = 0
        self.answer: dict[str, Any] = {}
        # Of the change or undo that is under way, over its parts.
        self.number = 0
        self.changed = self.unchanged = 0


class DatasetDesk:
    """The desk of one data folder; every public method takes and returns plain JSON values.

    A request that cannot be used, and an error that the user can mend, is answered by `{"problem": sentence}`.
    """

    def __init__(self, database: Database, data: DataFolder, login: str | None = None) -> None:
        """`login` is the user who logged in: he makes the changes whatever the page says."""
        self._database, self._data, self._login = database, data, login
        self._folder = hashlib.sha256(str(data.root).encode()).hexdigest()
        self._pages = RecentPages(_Page)
        self._turn = threading.Lock()

    def functions(self) -> list[Callable[[Any], dict[str, Any]]]:
        """The functions that the page calls, by their names."""
        handlers: dict[str, tuple[type[BaseModel], Callable[[Any], dict[str, Any]]]] = {
            "dataset_counts": (PageRequest, self.dataset_counts),
            "dataset_cards": (AskCards, self.dataset_cards),
            "gallery_cards": (AskGallery, self.gallery_cards),
            "change_cards": (ChangeCards, self.change_cards),
            "picture_extremes": (AskExtremes, self.picture_extremes),
            "slab_cards": (PageRequest, self.slab_cards),
            "kept_together": (PageRequest, self.kept_together),
            "rare_grade_cards": (AskRareGrade, self.rare_grade_cards),
            "confusion_models": (PageRequest, self.confusion_models),
            "confusion_table": (AskModel, self.confusion_table),
            "confusion_cards": (AskCell, self.confusion_cards),
        }
        return [checked(name, model, handler) for name, (model, handler) in handlers.items()]

    def dataset_counts(self, _request: PageRequest) -> dict[str, Any]:
        """Counts as `overview`, and the name of the data folder for `change_cards`."""
        with self._database.reading() as session:
            return {**overview(session), "folder": self._folder}

    def dataset_cards(self, request: AskCards) -> dict[str, Any]:
        """Row ids of the cards that pass the filters, unlabelled first, and what the filters choose among."""
        with self._database.reading() as session:
            ids, _ = queue_of(session, queue_filter(ALL_CARDS, request.filters))
            choices = label_queue.choices(session)
        return {"ids": ",".join(map(str, ids)), "choices": choices}

    def gallery_cards(self, request: AskGallery) -> dict[str, Any]:
        """Cards as `gallery_cards`."""
        return {"cards": gallery_cards(self._database, self._data, request.ids, search=request.search)}

    def picture_extremes(self, request: AskExtremes) -> dict[str, Any]:
        """Pictures as `extremes`."""
        return extremes(self._database, self._data, request.extreme)

    def slab_cards(self, _request: PageRequest) -> dict[str, Any]:
        """Cards as `slabs`."""
        with self._database.reading() as session:
            return slabs(session)

    def kept_together(self, _request: PageRequest) -> dict[str, Any]:
        """Cards as `cards_kept_together`."""
        with self._database.reading() as session:
            return cards_kept_together(session)

    def rare_grade_cards(self, request: AskRareGrade) -> dict[str, Any]:
        """Row ids of the cards whose labels would help a grade."""
        model_sha256 = sha256_of_model_in_use(self._data)
        with self._database.reading() as session:
            return {"ids": cards_of_rare_grade(session, request.grade, model_sha256=model_sha256)}

    def confusion_models(self, _request: PageRequest) -> dict[str, Any]:
        """The models with answers, as `model_choices`."""
        return {"models": model_choices(self._database, self._data)}

    def confusion_table(self, request: AskModel) -> dict[str, Any]:
        """The matrix of a model, as `confusion_table`."""
        return confusion_table(self._database, self._data, request.model)

    def confusion_cards(self, request: AskCell) -> dict[str, Any]:
        """The cards of a cell, as `cards_of_cell`."""
        return cards_of_cell(self._database, self._data, request.model, request.truth, request.predicted)

    def change_cards(self, request: ChangeCards) -> dict[str, Any]:
        """Change cards, or take the last change back: {message, left, undo}.

        left  number of cards that an undo has still to take back, by further requests
        undo  the change that the next undo takes back, "" without one
        """
        if request.folder != self._folder:
            raise UserError(OTHER_FOLDER)
        author = author_of(request.name, self._login)
        with self._turn:
            page = self._pages.of(request.page)
            if request.part > page.part:
                page.answer = self._change(request, page, author)
                page.part = request.part
            return page.answer

    def _change(self, request: ChangeCards, page: _Page, author: str) -> dict[str, Any]:
        ids = list(dict.fromkeys(request.ids))
        wanted = ""
        with self._database.writing() as session:
            if request.kind == "undo":
                outcome, acts = page.acts.undo(session, author=author)
            elif request.kind == "bin":
                outcome, acts = page.acts.move_to_bin(session, ids, number=request.number)
            else:
                grade, qualifier = _label_of(request)
                wanted = _wanted_text(grade, qualifier)
                label: dict[str, Any] = {"grade": grade, "qualifier": qualifier, "author": author}
                outcome, acts = page.acts.label(session, ids, number=request.number, **label)
        page.acts = acts
        if request.number != page.number:
            page.number, page.changed, page.unchanged = request.number, 0, 0
        page.changed += outcome.changed
        page.unchanged += outcome.unchanged
        whole = Outcome(page.changed, page.unchanged)
        message = undone_text(whole) if request.kind == "undo" else outcome_text(request.kind, wanted, whole)
        return {"message": message, "left": outcome.left, "undo": acts.next_undo}


def _label_of(request: ChangeCards) -> tuple[float | None, str | None]:
    """Grade and qualifier that a change gives its cards. Raises BadGrade and UserError."""
    if request.kind == "remove":
        return None, None
    grade, qualifier = parse_grade(request.grade), parse_qualifier(request.qualifier)
    check_label(grade, qualifier)
    if grade is None and qualifier is None:
        raise UserError("choose a grade first")
    return grade, qualifier


def _wanted_text(grade: float | None, qualifier: str | None) -> str:
    name = "" if grade is None else f"{grade:g} {grade_name(grade)}"
    return " ".join(filter(None, [name, qualifier]))
