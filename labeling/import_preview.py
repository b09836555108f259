"""Preview of an import: what it would do with every card, found without decoding a picture or writing anything."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from db import cards as card_rows
from db import labels as label_rows
from db.query_parts import VALUES_PER_QUERY, query_parts
from db.schema import Card, LabelEvent
from db.session import Database, Session
from engine.cards.pairs import SAME_PICTURE, CardPair, Refused
from engine.image.content_hash import file_version, is_same_picture, readable_hash
from engine.image.read import BadPicture, require_picture_file
from labeling.discover import Progress, has_grade_folders
from labeling.import_batch import cards_by_composed_name
from labeling.import_cards import NOT_UTF8, non_utf8_name
from labeling.import_listing import ImportSource, list_cards
from labeling.import_rows import namesake_message

CARDS_PER_QUERY = VALUES_PER_QUERY // 2  # two pictures each
CARDS_PER_CALL = 50  # of a thread

Layout = Literal["table", "grade folders", "names"]


@dataclass(frozen=True)
class ChangedLabel:
    """A label of the import that differs from what a person has said since; `card` is a recorded card's name."""

    card: str
    imported: CardPair
    given: LabelEvent


@dataclass(frozen=True)
class ImportPreview:
    """Result of an import that is not made.

    layout     how the cards were found
    separator  between the cells of a table; "" without one
    columns    (column of the table as it is written, the known column or "" if it is not used)
    cards      to be imported, among them `known` that are recorded already
    refused    files and rows that would not be taken; pictures that cannot be decoded are found by the import only
    changed    labels unlike a person's
    unclear    number of pictures that may be a back by the ending of their name, see `Endings`
    """

    layout: Layout
    separator: str
    columns: list[tuple[str, str]]
    cards: list[CardPair]
    known: int
    refused: list[Refused]
    changed: list[ChangedLabel]
    notices: list[str]
    unclear: int

    @property
    def sides(self) -> Counter[str]:
        """Number of cards with "both" sides, with the "front" alone and the "back" alone."""
        return Counter("both" if pair.front and pair.back else "front" if pair.front else "back" for pair in self.cards)

    @property
    def grades(self) -> Counter[float | None]:
        """Number of cards by grade; None counts those without."""
        return Counter(pair.grade for pair in self.cards)

    def samples(self, count: int) -> list[CardPair]:
        """A few cards from the whole range of the import, those with both sides first."""
        pairs = [pair for pair in self.cards if pair.front and pair.back] or self.cards
        step = max(1, len(pairs) / count)
        return [pairs[int(number * step)] for number in range(min(count, len(pairs)))]


@dataclass(frozen=True)
class _CheckedCard:
    """A listed card with the hashes of its pictures that may be recorded, or the reason why it is refused."""

    pair: CardPair
    front_sha256: str = ""
    back_sha256: str = ""
    refused: Refused | None = None


class _RecordedFiles:
    """The recorded pictures, to find whether a file is one of them: by its version, else by its size, then its hash."""

    def __init__(self, session: Session) -> None:
        self.id_of: dict[str, int] = {}
        self._version_of: dict[str, tuple[str | None, str]] = {}
        self._sizes: set[int | None] = set()
        for row_id, sha256, path, size_bytes, version in card_rows.picture_files(session):
            self.id_of[sha256] = row_id
            self._version_of[path] = version, sha256
            self._sizes.add(size_bytes)

    def recorded_hash(self, path: Path, size_bytes: int) -> str:
        """The hash of a file if it may be recorded, else ""."""
        version, sha256 = self._version_of.get(str(path), (None, ""))
        if version is not None and version == file_version(path):
            return sha256
        return readable_hash(path) if size_bytes in self._sizes or None in self._sizes else ""


def preview_import(
    database: Database,
    source: ImportSource,
    *,
    listing: Progress = lambda done, total: None,
    progress: Progress = lambda done, total: None,
) -> ImportPreview:
    """Preview an import. Raises ImportRefused if nothing at the path can be imported.

    listing   called with (rows read, total rows), while a table is read
    progress  called with (cards done, total cards), while their files are looked at
    """
    manifest = list_cards(source, listing)
    with database.reading() as session:
        files = _RecordedFiles(session)
    checked = list(_checked_cards(manifest.pairs, files, progress))
    refused = [*manifest.refused, *(card.refused for card in checked if card.refused)]
    cards, known, changed = [], 0, []
    with database.reading() as session:
        for chunk in query_parts([card for card in checked if not card.refused], CARDS_PER_QUERY):
            matches, namesakes = _matches(session, chunk, files.id_of)
            for card in chunk:
                match = matches.get(card.pair.card_id)
                namesake = namesakes.get(_composed(card.pair.card_id))
                if match is None and namesake is not None:
                    refused.append(_refused_namesake(card.pair, namesake))
                    continue
                cards.append(card.pair)
                known += match is not None
            known_pairs = [(matches[card.pair.card_id], card.pair) for card in chunk if card.pair.card_id in matches]
            changed += _changed_labels(session, known_pairs)
    unclear = sum(bool(item.may_be_back_of) for item in refused)
    return ImportPreview(
        layout=_layout(source),
        separator=manifest.separator,
        columns=manifest.columns,
        cards=cards,
        known=known,
        refused=refused,
        changed=changed,
        notices=manifest.notices,
        unclear=unclear,
    )


def _layout(source: ImportSource) -> Layout:
    if source.table is not None:
        return "table"
    return "grade folders" if has_grade_folders(source.path) else "names"


def _checked_cards(pairs: Sequence[CardPair], files: _RecordedFiles, progress: Progress) -> Iterator[_CheckedCard]:
    """Look at the files of the cards on all cores, in order."""

    def check(chunk: Sequence[CardPair]) -> list[_CheckedCard]:
        return [_check(pair, files) for pair in chunk]

    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for checked in pool.map(check, query_parts(pairs, CARDS_PER_CALL)):
            done += len(checked)
            progress(done, len(pairs))
            yield from checked


def _check(pair: CardPair, files: _RecordedFiles) -> _CheckedCard:
    if unwritable := non_utf8_name(pair):
        return _CheckedCard(pair, refused=Refused(unwritable, NOT_UTF8))
    hashes: list[str] = []
    for path in (pair.front, pair.back):
        try:
            hashes.append("" if path is None else files.recorded_hash(path, require_picture_file(path)))
        except BadPicture as error:
            return _CheckedCard(pair, refused=Refused(str(path), str(error), pair.card_id))
    if pair.front and pair.back and is_same_picture(pair.front, pair.back):
        reason = f"card {pair.card_id!r} {SAME_PICTURE}"
        return _CheckedCard(pair, refused=Refused(str(pair.front), reason, pair.card_id))
    front_sha256, back_sha256 = hashes
    return _CheckedCard(pair, front_sha256, back_sha256)


def _matches(
    session: Session, cards: Sequence[_CheckedCard], id_of: Mapping[str, int]
) -> tuple[dict[str, Card], dict[str, Card]]:
    """The recorded card of each listed one by its id, and the recorded cards of the same names."""
    sides = {card.pair.card_id: (id_of.get(card.front_sha256), id_of.get(card.back_sha256)) for card in cards}
    ids = sorted({row_id for pair in sides.values() for row_id in pair if row_id is not None})
    cards_of: defaultdict[int, list[Card]] = defaultdict(list)
    for row in card_rows.cards_of_pictures(session, picture_ids=ids) if ids else ():
        for side in (row.front_id, row.back_id):
            if side is not None:
                cards_of[side].append(row)
    matches: dict[str, Card] = {}
    for card_id, (front_id, back_id) in sides.items():
        candidates = dict.fromkeys(card for side in (front_id, back_id) if side for card in cards_of[side])
        if found := card_rows.matching_cards(candidates, front_id=front_id, back_id=back_id):
            matches[card_id] = found[0]
    return matches, cards_by_composed_name(session, [_composed(card.pair.card_id) for card in cards])


def _composed(card_id: str) -> str:
    return unicodedata.normalize("NFC", card_id)


def _refused_namesake(pair: CardPair, namesake: Card) -> Refused:
    paths = [path for path, _ in pair.sides]
    reason = f"card {pair.card_id!r}: {namesake_message(namesake, paths)}"
    return Refused(str(paths[0]), reason, pair.card_id, others=tuple(map(str, paths[1:])))


def _changed_labels(session: Session, known: Sequence[tuple[Card, CardPair]]) -> list[ChangedLabel]:
    given = label_rows.last_labels(session, card_ids=[card.id for card, _ in known], source="person")
    return [
        ChangedLabel(card.name, pair, label)
        for card, pair in known
        if (label := given.get(card.id)) is not None
        and (pair.grade is not None or pair.qualifier is not None)
        and (label.grade, label.qualifier) != (pair.grade, pair.qualifier)
    ]
