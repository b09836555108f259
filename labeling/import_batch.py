"""Identity map of the pictures and cards of one import batch."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from db import cards as card_rows
from db.schema import Card, Picture
from db.session import Session
from labeling.picture_info import PictureFile


class ImportBatch:
    """Pictures and cards that a batch may touch, loaded with a few queries instead of five per card."""

    def __init__(self, session: Session, *, files: Sequence[PictureFile], names: Sequence[str]) -> None:
        self.new_cards: list[Card] = []
        self.by_name = cards_by_composed_name(session, names)
        self._pictures = _picture_rows(session, files)
        self._cards_by_picture: defaultdict[int, list[Card]] = defaultdict(list)  # by picture id
        ids = [picture.id for picture in self._pictures.values()]
        for card in card_rows.cards_of_pictures(session, picture_ids=ids):
            self._index(card)

    def picture(self, file: PictureFile | None) -> Picture | None:
        """The row of a picture file."""
        return None if file is None else self._pictures[file.sha256]

    def matches(self, front: Picture | None, back: Picture | None) -> list[Card]:
        """Cards that these pictures may belong to (see db.cards.matching_cards)."""
        sides = [side.id for side in (front, back) if side is not None]
        cards = dict.fromkeys(card for side in sides for card in self._cards_by_picture[side])
        return card_rows.matching_cards(
            cards, front_id=None if front is None else front.id, back_id=None if back is None else back.id
        )

    def add(self, card: Card) -> None:
        """Add a new card to the batch."""
        self.new_cards.append(card)
        self.by_name[card.name] = card
        self._index(card)

    def add_sides(self, card: Card, front: Picture | None, back: Picture | None) -> None:
        """Add the sides that a card does not have yet."""
        if front is not None and card.front_id is None:
            card.front, card.front_id = front, front.id
        if back is not None and card.back_id is None:
            card.back, card.back_id = back, back.id

    def _index(self, card: Card) -> None:
        for side in (card.front_id, card.back_id):
            if side is not None:
                self._cards_by_picture[side].append(card)


def cards_by_composed_name(session: Session, names: Sequence[str]) -> dict[str, Card]:
    """The stored cards among some composed names (NFC), which earlier versions may have stored decomposed."""
    decomposed = (unicodedata.normalize("NFD", name) for name in names)
    cards = card_rows.cards_by_name(session, names=list({*names, *decomposed}))
    return {unicodedata.normalize("NFC", name): card for name, card in cards.items()}


def _picture_rows(session: Session, files: Sequence[PictureFile]) -> dict[str, Picture]:
    """The rows of the files by hash; adds new pictures, and updates the path of a row whose own file is gone."""
    rows = card_rows.pictures_by_sha(session, sha256s={file.sha256 for file in files})
    new: list[Picture] = []
    for file in files:
        row = rows.get(file.sha256)
        if row is None:
            row = rows[file.sha256] = _as_row(file)
            new.append(row)
        elif file.is_only or row.size_bytes is None:
            row.path = str(file.path) if file.is_only else row.path
            row.size_bytes = file.size_bytes
            row.file_version = file.version if row.path == str(file.path) else None
    card_rows.add_pictures(session, pictures=new)
    return rows


def _as_row(file: PictureFile) -> Picture:
    assert file.content is not None  # a picture without a row is always decoded
    return Picture(
        path=str(file.path),
        size_bytes=file.size_bytes,
        file_version=file.version,
        sha256=file.sha256,
        width=file.content.width,
        height=file.content.height,
        phash=file.content.phash,
        quality=file.content.quality,
    )
