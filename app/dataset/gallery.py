"""Cards of the Dataset tab as small pictures with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from app.labels.card_names import label_text
from app.labels.previews import made_thumbnail, preview_file
from app.labels.shown_card import file_url, sides_of
from app.settings import DataFolder
from db import cards, labels
from db.schema import Picture
from db.session import Database
from labeling.picture_files import find_pictures, recorded_place
from labeling.splits import split_of


def gallery_cards(
    database: Database, data: DataFolder, card_ids: Sequence[int], *, search: bool = False
) -> list[dict[str, Any]]:
    """Cards by row id as JSON: {id, name, label, split, front, back}; without those that are gone or in the bin.

    A side is {url, problem}, its URL None if there is no file to show; None for a side without a picture.

    search  as of `thumbnails`
    """
    with database.reading() as session:
        rows = [cards.get(session, card_id=card_id) for card_id in card_ids]
        shown = [card for card in rows if card is not None and card.deleted_at is None]
        current = [labels.current_label(session, card_id=card.id) for card in shown]
    small = thumbnails(database, data, [picture for card in shown for picture in card.pictures], search=search)
    return [
        {
            "id": card.id,
            "name": card.title or card.name,
            "label": label_text(label) + (", unsure" if label is not None and label.unsure else ""),
            "split": card.fixed_split or split_of(card.group_name),
            **{side: None if picture is None else small[picture.id] for side, picture in sides_of(card).items()},
        }
        for card, label in zip(shown, current, strict=True)
    ]


def thumbnails(
    database: Database, data: DataFolder, pictures: Iterable[Picture], *, search: bool = False
) -> dict[int, dict[str, str | None]]:
    """Thumbnails of pictures by row id, as {url, problem}, made on first use; the URL is None without a usable file.

    search  also look for moved files, in the folders of all pictures: two seconds with 100,000 cards
    """
    pictures = list(pictures)
    made = {picture.id: made_thumbnail(picture, data) for picture in pictures}
    missing = [picture for picture in pictures if made[picture.id] is None]
    locations = (
        find_pictures(database, missing) if search else {picture.id: recorded_place(picture) for picture in missing}
    )
    shown: dict[int, dict[str, str | None]] = {}
    for picture in pictures:
        path, problem = made[picture.id], ""
        if path is None:
            path, problem = preview_file(picture, locations[picture.id], data, size="thumbnail")
        shown[picture.id] = {"url": None if path is None else file_url(path), "problem": problem}
    return shown
