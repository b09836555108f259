"""Keep a graded card in the collection, and grade the cards of the collection again with the current model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.collection.collection import CollectionCard, Prices, load_collection, save_prices, save_title
from app.grading.json_report import report
from app.grading.line_corrections import current_corrections
from app.labels.keep_card import keep_card
from app.models.grading_model import grading_model
from app.models.model_registry import sha256_in_use
from app.settings import DataFolder, UserError
from db import cards, collection
from db.schema import Card
from db.session import Database
from engine.image.read import BadPicture
from engine.inference.grade_card import GradedCard, grade_card
from engine.storage.file_hash import sha256
from labeling.picture_files import locate_pictures


@dataclass(frozen=True)
class Regraded:
    """A card that was graded again; `problem` is a sentence if it could not be."""

    title: str
    problem: str = ""


def kept_grading(graded: GradedCard) -> dict[str, Any]:
    """The kept part of a grading: the JSON of `grade`, and the hashes of the two picture files."""
    hashes = [None if side is None else side.sha256 for side in graded.sides.values()]
    return {"pictures": hashes, "report": report(graded)}


def keep_graded_card(
    database: Database,
    data: DataFolder,
    front: Path | None,
    back: Path | None,
    *,
    grading: Mapping[str, Any] | None = None,
    title: str = "",
    grade: float | None = None,
    prices: Prices | None = None,
    author: str = "",
) -> Card:
    """Store a pair with its grading in the collection; without a model it is stored as a card to label only.

    grading  the pair's grading, see `kept_grading`; the pair is graded here if it is None or of other pictures
    grade    the card's true grade, if known
    raises   BadPicture, BadModel, UserError
    """
    if grading is None or grading["pictures"] != [None if path is None else sha256(path) for path in (front, back)]:
        if front is None and back is None:
            raise UserError("add at least one picture of the card first")
        model = grading_model(data)
        grading = kept_grading(grade_card(front, back, model, current_corrections(database), with_saliency=False))
    card = keep_card(database, data, front, back, grade, author)
    if title:
        save_title(database, card.id, title)
    if prices:
        save_prices(database, card.id, prices)
    if grading["report"]["model"] is not None:
        add_grading(database, card.id, grading["report"])
    with database.reading() as session:
        return cards.get(session, card_id=card.id) or card


def add_grading(database: Database, card_id: int, values: Mapping[str, Any]) -> None:
    """Record a grading, the JSON of `grade`, unless the card's last one is the same prediction of the same model."""
    name, digest = values["model"]["name"], values["model"]["sha256"]
    with database.writing() as session:
        for earlier in collection.gradings_by_card(session, card_ids=[card_id]).get(card_id, [])[-1:]:
            if (earlier.model_sha256, earlier.prediction["probabilities"]) == (digest, values["probabilities"]):
                return
        collection.add_grading(session, card_id=card_id, model_name=name, model_sha256=digest, report=values)


def outdated(all_cards: list[CollectionCard], data: DataFolder) -> list[CollectionCard]:
    """The cards whose last grading is by another model than the current one. Raises UserError."""
    digest = sha256_in_use(data)
    return [card for card in all_cards if digest is not None and card.grading.model_sha256 != digest]


def regrade_outdated(database: Database, data: DataFolder) -> Iterator[Regraded]:
    """Grade the outdated cards with the current model, one by one; each is saved before the next is begun.

    A card whose picture is gone, changed or unusable is yielded with its problem. Raises UserError, BadModel.
    """
    model = grading_model(data)
    if model is None:
        raise UserError("there is no grading model; choose one in the Train tab")
    for entry in outdated(load_collection(database), data):
        pictures = [picture for picture in (entry.card.front, entry.card.back) if picture is not None]
        locations = locate_pictures(database, pictures)
        problems = [location.reason for location in locations.values() if location.reason]
        front, back = (
            None if picture is None else locations[picture.id].path for picture in (entry.card.front, entry.card.back)
        )
        try:
            if problems:
                raise BadPicture("; ".join(problems))
            graded = grade_card(front, back, model, current_corrections(database), with_saliency=False)
        except BadPicture as error:
            yield Regraded(entry.title, str(error))
        else:
            add_grading(database, entry.card.id, report(graded))
            yield Regraded(entry.title)
