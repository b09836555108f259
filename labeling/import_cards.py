"""Import of cards: list them, load their pictures on all cores, record them in small transactions."""

from __future__ import annotations

import os
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from db.cards import paths_by_sha
from db.session import Database
from engine.cards.pairs import CardPair, Refused
from engine.image.read import BadPicture
from labeling.discover import TRUTH_FILE, ImportRefused, Progress
from labeling.history_file import history_path, read_history
from labeling.import_listing import ImportSource, list_cards
from labeling.import_rows import BatchCounts, LoadedCard, RecordedCard, Recorder
from labeling.picture_info import PictureFile, load_picture_file

__all__ = ["ImportRefused", "Imported", "import_cards", "import_source"]

BATCH_CARDS = 200  # cards per transaction: short enough for other writers to wait, large enough to make commits cheap
BATCH_S = 3.0  # cards of large pictures are recorded as soon, so that a stop loses little
# Of a thread: a call costs as much as finding that three files are missing.
MIN_CARDS_PER_CALL, MAX_CARDS_PER_CALL = 4, 256
SHORT_CALL_S, LONG_CALL_S = 0.005, 0.03
CALLS_AHEAD = 2  # per core


NOT_UTF8 = "its name is not valid UTF-8 and cannot be stored; rename it"


@dataclass(frozen=True)
class Imported:
    """Result of an import.

    added           number of new cards
    known           number of known cards, including completed ones
    refused         files and rows that were not taken
    changed_labels  number of labels that differ from what a person has said since
    notices         sentences for the user, such as the names of unused columns
    is_complete     False if it was stopped
    """

    added: int
    known: int
    refused: list[Refused]
    changed_labels: int = 0
    notices: list[str] = field(default_factory=list)
    is_complete: bool = True


@dataclass(frozen=True)
class ImportHooks:
    """Functions that an import calls.

    listing     with (rows read, total rows), while a manifest is read
    progress    with (cards done, total cards), after each card
    results     with the cards that were recorded and those that were refused, after each transaction
    is_stopped  returns True to end the import after the cards that are being loaded
    """

    listing: Progress = lambda done, total: None
    progress: Progress = lambda done, total: None
    results: Callable[[Sequence[RecordedCard], Sequence[Refused]], None] = lambda recorded, refused: None
    is_stopped: Callable[[], bool] = lambda: False


NO_HOOKS = ImportHooks()


def import_cards(
    database: Database,
    path: Path,
    *,
    labels: Path | None = None,
    labels_win: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Import the cards at a path, see ImportSource. Raises ImportRefused; single refused cards are in `refused`.

    labels_win  labels that differ from those given by a person replace them; else they are only counted
    progress    called after each card with (cards done, total cards)
    """
    hooks = NO_HOOKS if progress is None else ImportHooks(progress=progress)
    return import_source(database, ImportSource(path, labels), labels_win=labels_win, hooks=hooks)


def import_source(
    database: Database, source: ImportSource, *, labels_win: bool = False, hooks: ImportHooks = NO_HOOKS
) -> Imported:
    """Import cards; repeating an import, also one that was stopped or killed, changes nothing that is recorded.

    A picture whose hash is recorded is not decoded again. Raises ImportRefused if nothing can be imported.
    """
    manifest = list_cards(source, hooks.listing)
    path, table = source.path, source.table
    is_simulated = ((path if path.is_dir() else path.parent) / TRUTH_FILE).exists()
    history = {} if table is None else read_history(history_path(table))
    recorder = Recorder(synthetic=is_simulated, labels_win=labels_win, history=history)
    added, known, changed_labels, refused = 0, 0, 0, list(manifest.refused)
    hooks.results([], refused)
    with database.reading() as session:
        recorded_paths = paths_by_sha(session)
    done, total = 0, len(manifest.pairs)
    with _loaded_cards(manifest.pairs, recorded_paths) as cards:
        for batch in _batches(cards, total, hooks):
            counts = _record(database, recorder, [card for card in batch if isinstance(card, LoadedCard)])
            batch_refused = [*(card for card in batch if isinstance(card, Refused)), *counts.refused]
            hooks.results(counts.recorded, batch_refused)
            done, added, known = done + len(batch), added + counts.added, known + counts.known
            changed_labels += counts.changed_labels
            refused += batch_refused
    return Imported(added, known, refused, changed_labels, manifest.notices, is_complete=done == total)


def _batches(
    cards: Iterator[LoadedCard | Refused], total: int, hooks: ImportHooks
) -> Iterator[list[LoadedCard | Refused]]:
    """The cards of one transaction after another, until a stop; the progress of the last one follows its record."""
    batch: list[LoadedCard | Refused] = []
    began = time.monotonic()
    for done, card in enumerate(cards, start=1):
        batch.append(card)
        is_stopped = hooks.is_stopped()
        if len(batch) == BATCH_CARDS or done == total or is_stopped or time.monotonic() - began > BATCH_S:
            yield batch
            batch, began = [], time.monotonic()
        hooks.progress(done, total)
        if is_stopped:
            return


def _record(database: Database, recorder: Recorder, cards: Sequence[LoadedCard]) -> BatchCounts:
    if not cards:
        return BatchCounts([], [], 0)
    with database.writing() as session:
        return recorder.record(session, cards)


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


@contextmanager
def _loaded_cards(
    pairs: Sequence[CardPair], recorded_paths: Mapping[str, str]
) -> Iterator[Iterator[LoadedCard | Refused]]:
    """Load cards on all cores, in order, a little ahead of their use; pending work is cancelled on exit."""
    cores = os.cpu_count() or 1
    pool = ThreadPoolExecutor(cores)

    def load(start: int, count: int) -> tuple[list[LoadedCard | Refused], float]:
        began = time.monotonic()
        cards = [_load_card(pair, recorded_paths=recorded_paths) for pair in pairs[start : start + count]]
        return cards, time.monotonic() - began

    def loaded() -> Iterator[LoadedCard | Refused]:
        pending: deque[Future[tuple[list[LoadedCard | Refused], float]]] = deque()
        start, count = 0, MIN_CARDS_PER_CALL
        while pending or start < len(pairs):
            while start < len(pairs) and len(pending) <= CALLS_AHEAD * cores:
                pending.append(pool.submit(load, start, count))
                start += count
            cards, seconds = pending.popleft().result()
            if seconds < SHORT_CALL_S:
                count = min(2 * count, MAX_CARDS_PER_CALL)
            elif seconds > LONG_CALL_S:
                count = MIN_CARDS_PER_CALL
            yield from cards

    try:
        yield loaded()
    finally:
        pool.shutdown(cancel_futures=True)


def _load_card(pair: CardPair, *, recorded_paths: Mapping[str, str]) -> LoadedCard | Refused:
    if unwritable := non_utf8_name(pair):
        return Refused(unwritable, NOT_UTF8)
    sides: list[PictureFile | None] = []
    for path in (pair.front, pair.back):
        try:
            sides.append(None if path is None else load_picture_file(path, recorded_paths=recorded_paths))
        except BadPicture as error:
            return _refused(pair, str(path), str(error))
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises, the other pictures are imported
            detail = " ".join(f"{type(error).__name__}: {error}".split())
            return _refused(pair, str(path), f"cannot be read ({detail}); export it again, as a PNG")
    # Composed: a file system may have written the accents of the same name decomposed.
    return LoadedCard(replace(pair, card_id=unicodedata.normalize("NFC", pair.card_id)), *sides)


def _refused(pair: CardPair, path: str, reason: str) -> Refused:
    others = tuple(str(side) for side, _ in pair.sides if str(side) != path)
    return Refused(path, reason, pair.card_id, others=others)


def non_utf8_name(pair: CardPair) -> str:
    """The card's name or path that is not valid UTF-8, with question marks for invalid bytes; "" if all are valid."""
    names = (pair.card_id, *(str(path) for path in (pair.front, pair.back) if path is not None))
    readable_names = [(name, name.encode(errors="replace").decode()) for name in names]
    return next((readable for name, readable in reversed(readable_names) if readable != name), "")
