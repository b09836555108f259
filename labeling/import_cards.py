"""Import of cards: list them, load their pictures on all cores, record them in small transactions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from db.cards import known_sha256s
from db.session import Database
from engine.cards.pairs import CardPair, Manifest, Refused
from engine.image.read import BadPicture
from labeling.discover import ImportRefused, cards_at, cards_in_folder
from labeling.import_rows import LoadedCard, Recorder
from labeling.label_file import with_labels
from labeling.picture_info import PictureFile, load_picture_file

__all__ = ["ImportRefused", "Imported", "import_cards"]

BATCH_CARDS = 200  # cards per transaction: short enough for other writers to wait, large enough to make commits cheap
TRUTH_FILE = "truth.jsonl"  # written by the simulator, marks its cards as synthetic


@dataclass(frozen=True)
class Imported:
    """Result of an import: number of new cards, of known cards (including completed ones), and the refused entries."""

    added: int
    known: int
    refused: list[Refused]


def import_cards(
    database: Database,
    path: Path,
    *,
    labels: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import the cards at a path; repeating an import, also one that was killed, changes nothing that is recorded.

    path       a manifest CSV, or a folder: with a manifest.csv or labels.csv, with a folder per grade, or plain
    labels     a CSV card_id,grade[,qualifier] for the cards of a folder, by name
    progress   called after each card with (cards done, total cards)
    raises     ImportRefused if nothing at the path can be imported; single refused cards are in `refused`
    """
    manifest = _list_cards(path, labels)
    recorder = Recorder(synthetic=((path if path.is_dir() else path.parent) / TRUTH_FILE).exists())
    added, known, refused = 0, 0, list(manifest.refused)
    with database.reading() as session:
        known_hashes = known_sha256s(session)
    batch: list[LoadedCard] = []
    with _loaded_cards(manifest.pairs, known_hashes) as cards:
        for done, card in enumerate(cards, start=1):
            if isinstance(card, Refused):
                refused.append(card)
            else:
                batch.append(card)
            if len(batch) == BATCH_CARDS or done == len(manifest.pairs):
                with database.writing() as session:
                    counts = recorder.record(session, batch)
                added, known, refused = added + counts.added, known + counts.known, refused + counts.refused
                batch = []
            if progress is not None:
                progress(done, len(manifest.pairs))
    return Imported(added, known, refused)


def _list_cards(path: Path, labels: Path | None) -> Manifest:
    if labels is None:
        return cards_at(path)
    if path.is_file():
        raise ImportRefused(f"{path}: a manifest holds its own grades; omit {labels.name}")
    return with_labels(cards_in_folder(path), labels)


@contextmanager
def _loaded_cards(pairs: Sequence[CardPair], known_hashes: Set[str]) -> Iterator[Iterator[LoadedCard | Refused]]:
    """Load cards on all cores, in order; pending work is cancelled on exit."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield pool.map(partial(_load_card, known_hashes=known_hashes), pairs)
    finally:
        pool.shutdown(cancel_futures=True)


def _load_card(pair: CardPair, *, known_hashes: Set[str]) -> LoadedCard | Refused:
    if unwritable := _non_utf8_name(pair):
        return Refused(unwritable, "its name is not valid UTF-8 and cannot be stored; rename it")
    sides: list[PictureFile | None] = []
    for path in (pair.front, pair.back):
        try:
            sides.append(None if path is None else load_picture_file(path, known_hashes=known_hashes))
        except BadPicture as error:
            return Refused(str(path), str(error))
    return LoadedCard(pair, *sides)


def _non_utf8_name(pair: CardPair) -> str:
    """The card's name or path that is not valid UTF-8, with question marks for invalid bytes; "" if all are valid."""
    names = (pair.card_id, *(str(path) for path in (pair.front, pair.back) if path is not None))
    readable_names = [(name, name.encode(errors="replace").decode()) for name in names]
    return next((readable for name, readable in reversed(readable_names) if readable != name), "")
