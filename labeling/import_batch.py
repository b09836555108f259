"""The pictures and cards that one batch of an import may touch, as they stand while the batch is placed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from db import cards as card_rows
from db.schema import Card, Picture
from db.session import Session
from labeling.picture_info import PictureFile


class Shelf:
    """Loaded with a handful of queries for the whole batch, where one by one would take five for each card."""

    def __init__(self, session: Session, *, files: Sequence[PictureFile], names: Sequence[str]) -> None:
        self.new: list[Card] = []
        self.by_name = card_rows.cards_by_name(session, names=names)
        self._pictures = _picture_rows(session, files)
        self._showing: defaultdict[int, list[Card]] = defaultdict(list)  # by picture id
        ids = [picture.id for picture in self._pictures.values()]
        for card in card_rows.cards_of_pictures(session, picture_ids=ids):
            self._show(card)

    def picture(self, file: PictureFile | None) -> Picture | None:
        """The row of a file's bytes."""
        return None if file is None else self._pictures[file.sha256]

    def matches(self, front: Picture | None, back: Picture | None) -> list[Card]:
        """The cards that these pictures may show (see db.cards.matching_cards)."""
        sides = [side.id for side in (front, back) if side is not None]
        cards = dict.fromkeys(card for side in sides for card in self._showing[side])
        return card_rows.matching_cards(
            cards, front_id=None if front is None else front.id, back_id=None if back is None else back.id
        )

    def put(self, card: Card) -> None:
        """Put a new card on the shelf."""
        self.new.append(card)
        self.by_name[card.name] = card
        self._show(card)

    def complete(self, card: Card, front: Picture | None, back: Picture | None) -> None:
        """Give a card the sides that it does not have yet."""
        if front is not None and card.front_id is None:
            card.front, card.front_id = front, front.id
        if back is not None and card.back_id is None:
            card.back, card.back_id = back, back.id

    def _show(self, card: Card) -> None:
        for side in (card.front_id, card.back_id):
            if side is not None:
                self._showing[side].append(card)


def _picture_rows(session: Session, files: Sequence[PictureFile]) -> dict[str, Picture]:
    """The rows of some files by hash; unknown ones are added, and one whose old file is gone gets the new path."""
    rows = card_rows.pictures_by_sha(session, sha256s={file.sha256 for file in files})
    new: list[Picture] = []
    for file in files:
        row = rows.get(file.sha256)
        if row is None:
            row = rows[file.sha256] = _as_row(file)
            new.append(row)
        elif row.path != str(file.path) and not Path(row.path).exists():
            row.path = str(file.path)
    card_rows.add_pictures(session, pictures=new)
    return rows


def _as_row(file: PictureFile) -> Picture:
    assert file.content is not None  # only known bytes come undecoded, and a known picture is never deleted
    return Picture(
        path=str(file.path),
        sha256=file.sha256,
        width=file.content.width,
        height=file.content.height,
        phash=file.content.phash,
        quality=file.content.quality,
    )
