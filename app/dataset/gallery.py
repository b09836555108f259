"""Cards of the Dataset tab as small pictures with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from app.labels.card_names import label_text
from app.labels.previews import preview_file
from app.labels.shown_card import file_url, sides_of
from app.settings import DataFolder
from db import cards, labels
from db.schema import Picture
from db.session import Database
from labeling.picture_files import PictureLocation, find_pictures
from labeling.splits import split_of


def gallery_cards(database: Database, data: DataFolder, card_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Cards by row id as JSON: {id, name, label, split, front, back}; without those that are gone or in the bin.

    A side is {url, problem}, its URL None if there is no file to show; None for a side without a picture.
    """
    with database.reading() as session:
        rows = [cards.get(session, card_id=card_id) for card_id in card_ids]
        shown = [card for card in rows if card is not None and card.deleted_at is None]
        current = [labels.current_label(session, card_id=card.id) for card in shown]
    locations = find_pictures(database, [picture for card in shown for picture in card.pictures])
    return [
        {
            "id": card.id,
            "name": card.title or card.name,
            "label": label_text(label) + (", unsure" if label is not None and label.unsure else ""),
            "split": card.fixed_split or split_of(card.group_name),
            **{side: thumbnail(data, picture, locations) for side, picture in sides_of(card).items()},
        }
        for card, label in zip(shown, current, strict=True)
    ]


def thumbnail(
    data: DataFolder, picture: Picture | None, locations: dict[int, PictureLocation]
) -> dict[str, str | None] | None:
    """The URL of a picture's thumbnail, made on first use, and why its file cannot be used; None without a picture."""
    if picture is None:
        return None
    path, problem = preview_file(picture, locations[picture.id], data, size="thumbnail")
    return {"url": None if path is None else file_url(path), "problem": problem}


def thumbnails(database: Database, data: DataFolder, pictures: Iterable[Picture]) -> list[dict[str, str | None] | None]:
    """Thumbnails of pictures, in their order."""
    pictures = list(pictures)
    locations = find_pictures(database, pictures)
    return [thumbnail(data, picture, locations) for picture in pictures]
