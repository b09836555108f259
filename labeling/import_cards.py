"""Take cards in: list them, look at their pictures on all cores, record them in small transactions."""

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
from labeling.import_rows import Recorder, SeenCard
from labeling.label_file import with_labels
from labeling.picture_info import PictureFile, look_at

__all__ = ["ImportRefused", "Imported", "import_cards"]

BATCH_CARDS = 200  # one transaction: short enough for other writers to wait, long enough that commits cost nothing
TRUTH_FILE = "truth.jsonl"  # lies beside what the simulator made


@dataclass(frozen=True)
class Imported:
    """What an import did: cards that are new, cards that were known (also if completed), and what was refused."""

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
    """Import the cards at a path; to do it twice, or again after it was killed, changes nothing that is done.

    path       a manifest CSV, or a folder: with a manifest.csv or labels.csv, with a folder per grade, or plain
    labels     a CSV card_id,grade[,qualifier] for the cards of a folder, by name
    progress   called with (cards done, cards in all), often
    raises     ImportRefused where nothing at the path can be imported; single cards that cannot are in `refused`
    """
    listed = _listed(path, labels)
    recorder = Recorder(synthetic=((path if path.is_dir() else path.parent) / TRUTH_FILE).exists())
    added, known, refused = 0, 0, list(listed.refused)
    with database.reading() as session:
        hashes = known_sha256s(session)
    batch: list[SeenCard] = []
    with _looking_at(listed.pairs, hashes) as looks:
        for done, look in enumerate(looks, start=1):
            if isinstance(look, Refused):
                refused.append(look)
            else:
                batch.append(look)
            if len(batch) == BATCH_CARDS or done == len(listed.pairs):
                with database.writing() as session:
                    recorded = recorder.record(session, batch)
                added, known, refused = added + recorded.added, known + recorded.known, refused + recorded.refused
                batch = []
            if progress is not None:
                progress(done, len(listed.pairs))
    return Imported(added, known, refused)


def _listed(path: Path, labels: Path | None) -> Manifest:
    if labels is None:
        return cards_at(path)
    if path.is_file():
        raise ImportRefused(f"{path}: a manifest brings its own grades; leave {labels.name} out")
    return with_labels(cards_in_folder(path), labels)


@contextmanager
def _looking_at(pairs: Sequence[CardPair], known: Set[str]) -> Iterator[Iterator[SeenCard | Refused]]:
    """Look at cards on all cores, in their order; what is still to do when the caller leaves is dropped."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield pool.map(partial(_look_at_card, known=known), pairs)
    finally:
        pool.shutdown(cancel_futures=True)


def _look_at_card(pair: CardPair, *, known: Set[str]) -> SeenCard | Refused:
    if unwritable := _not_utf8(pair):
        return Refused(unwritable, "its name is not UTF-8, so that no database can hold it; rename it")
    sides: list[PictureFile | None] = []
    for path in (pair.front, pair.back):
        try:
            sides.append(None if path is None else look_at(path, known=known))
        except BadPicture as error:
            return Refused(str(path), str(error))
    return SeenCard(pair, *sides)


def _not_utf8(pair: CardPair) -> str:
    """The name or path of a card that is not UTF-8, its odd bytes as question marks; "" where all can be written."""
    names = (pair.card_id, *(str(path) for path in (pair.front, pair.back) if path is not None))
    told = [(name, name.encode(errors="replace").decode()) for name in names]
    return next((readable for name, readable in reversed(told) if readable != name), "")
