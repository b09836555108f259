"""Import of cards: list them, load their pictures on all cores, record them in small transactions."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from db.cards import paths_by_sha
from db.session import Database
from engine.cards.pairs import CardPair, Manifest, Refused
from engine.image.read import BadPicture
from labeling.discover import TRUTH_FILE, ImportRefused, cards_at, cards_in_folder, manifest_at
from labeling.history_file import history_path, read_history
from labeling.import_rows import LoadedCard, Recorder
from labeling.label_file import with_labels
from labeling.picture_info import PictureFile, load_picture_file

__all__ = ["ImportRefused", "Imported", "import_cards"]

BATCH_CARDS = 200  # cards per transaction: short enough for other writers to wait, large enough to make commits cheap


@dataclass(frozen=True)
class Imported:
    """Result of an import.

    added           number of new cards
    known           number of known cards, including completed ones
    refused         files and rows that were not taken
    changed_labels  number of labels that differ from what a person has said since
    notices         sentences for the user, such as the names of unused columns
    """

    added: int
    known: int
    refused: list[Refused]
    changed_labels: int = 0
    notices: list[str] = field(default_factory=list)


def import_cards(
    database: Database,
    path: Path,
    *,
    labels: Path | None = None,
    labels_win: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import the cards at a path; repeating an import, also one that was killed, changes nothing that is recorded.

    path        a manifest CSV, or a folder: with a manifest.csv or labels.csv, with a folder per grade, or plain
    labels      a CSV card_id,grade[,qualifier] for the cards of a folder, by name
    labels_win  labels that differ from those given by a person replace them; else they are only counted
    progress    called after each card with (cards done, total cards)
    raises      ImportRefused if nothing at the path can be imported; single refused cards are in `refused`
    """
    manifest = _list_cards(path, labels)
    is_simulated = ((path if path.is_dir() else path.parent) / TRUTH_FILE).exists()
    table = None if labels else manifest_at(path)
    history = {} if table is None else read_history(history_path(table))
    recorder = Recorder(synthetic=is_simulated, labels_win=labels_win, history=history)
    added, known, changed_labels, refused = 0, 0, 0, list(manifest.refused)
    with database.reading() as session:
        recorded_paths = paths_by_sha(session)
    batch: list[LoadedCard] = []
    with _loaded_cards(manifest.pairs, recorded_paths) as cards:
        for done, card in enumerate(cards, start=1):
            if isinstance(card, Refused):
                refused.append(card)
            else:
                batch.append(card)
            if len(batch) == BATCH_CARDS or done == len(manifest.pairs):
                with database.writing() as session:
                    counts = recorder.record(session, batch)
                added, known, refused = added + counts.added, known + counts.known, refused + counts.refused
                changed_labels += counts.changed_labels
                batch = []
            if progress is not None:
                progress(done, len(manifest.pairs))
    return Imported(added, known, refused, changed_labels, manifest.notices)


def changed_labels_text(count: int, *, taken: bool, remedy: str) -> str:
    """The sentence on the labels that differ from a person's; empty if there are none.

    taken   they were recorded
    remedy  what to do to record them, as an imperative
    """
    if count == 0:
        return ""
    labels = "1 label differs" if count == 1 else f"{count} labels differ"
    result = "the imported label now applies" if taken else f"the person's stays; to take the imported one, {remedy}"
    return f"{labels} from what a person has said since: {result}"


def _list_cards(path: Path, labels: Path | None) -> Manifest:
    if labels is None:
        return cards_at(path)
    if path.is_file():
        raise ImportRefused(f"{path}: a manifest holds its own grades; omit {labels.name}")
    return with_labels(cards_in_folder(path, used=[labels]), labels)


@contextmanager
def _loaded_cards(
    pairs: Sequence[CardPair], recorded_paths: Mapping[str, str]
) -> Iterator[Iterator[LoadedCard | Refused]]:
    """Load cards on all cores, in order; pending work is cancelled on exit."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield pool.map(partial(_load_card, recorded_paths=recorded_paths), pairs)
    finally:
        pool.shutdown(cancel_futures=True)


def _load_card(pair: CardPair, *, recorded_paths: Mapping[str, str]) -> LoadedCard | Refused:
    if unwritable := _non_utf8_name(pair):
        return Refused(unwritable, "its name is not valid UTF-8 and cannot be stored; rename it")
    sides: list[PictureFile | None] = []
    for path in (pair.front, pair.back):
        try:
            sides.append(None if path is None else load_picture_file(path, recorded_paths=recorded_paths))
        except BadPicture as error:
            return Refused(str(path), str(error))
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises, the other pictures are imported
            detail = " ".join(f"{type(error).__name__}: {error}".split())
            return Refused(str(path), f"cannot be read ({detail}); export it again, as a PNG")
    # Composed: a file system may have written the accents of the same name decomposed.
    return LoadedCard(replace(pair, card_id=unicodedata.normalize("NFC", pair.card_id)), *sides)


def _non_utf8_name(pair: CardPair) -> str:
    """The card's name or path that is not valid UTF-8, with question marks for invalid bytes; "" if all are valid."""
    names = (pair.card_id, *(str(path) for path in (pair.front, pair.back) if path is not None))
    readable_names = [(name, name.encode(errors="replace").decode()) for name in names]
    return next((readable for name, readable in reversed(readable_names) if readable != name), "")
