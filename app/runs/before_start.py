"""Cost of a run before it starts: its cards by split, those left out, its time and its disk space, in Markdown."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from threading import Lock

from app.markdown import counted, escape
from app.runs.jobs import Jobs
from app.runs.pace_probe import PaceProbe
from app.runs.run_status import duration_text
from app.settings import DataFolder
from db.session import Database
from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data.picture_cache import prepared_pictures
from engine.data.selection import SPLITS, check_labels, check_splits, training_and_validation
from engine.errors import BadInput
from engine.training.pace import Pace, RunSize, bytes_of_run, seconds_of_run
from labeling.picture_files import PICTURE_REASON
from labeling.snapshot import LeftOutCard, pairs_from_rows
from labeling.splits import LeakingSplit

PICTURE_GONE = "a picture is missing or has changed"
# Reading every label takes a second for many cards; the page asks every other second.
KEPT_S = 20.0
GB = 1e9


class BeforeStart:
    """Cost of the runs of one data folder."""

    def __init__(self, database: Database, data: DataFolder, jobs: Jobs) -> None:
        self._database, self._data = database, data
        self.probe = PaceProbe(database, data, jobs)
        self._cards: tuple[float, list[CardPair], list[LeftOutCard]] | None = None
        self._last: tuple[Config, float, str] | None = None
        self._lock = Lock()

    def text(self, config: Config, page: str = "") -> str:
        """Markdown on a run with these settings; asking starts the measurement of its time for a page."""
        if self._last is not None and self._last[0] == config and time.monotonic() - self._last[1] < KEPT_S:
            return self._last[2]
        text, is_complete = self._text(config, page)
        self._last = (config, time.monotonic(), text) if is_complete else None
        return text

    def _text(self, config: Config, page: str) -> tuple[str, bool]:
        try:
            pairs, left_out = self._labelled_cards()
        except LeakingSplit as error:
            return f"**{escape(error)}.**", False
        head = cards_text(pairs, left_out, config)
        try:
            check_splits(pairs, config)
            check_labels(pairs, config)
        except BadInput as error:
            return f"{head}\n\n**It cannot start: {escape(error)}.**", False
        used = [pair for pair in training_and_validation(pairs, config) if pair.has_class]
        pace = self.probe.pace(config, used, page)
        if isinstance(pace, str):
            return f"{head}\n\n{escape(pace)}", False
        size = self._size(used, config)
        free = shutil.disk_usage(self._data.root).free
        return "\n\n".join([head, time_text(pace, config, size), disk_text(bytes_of_run(pace, size), free)]), True

    def _labelled_cards(self) -> tuple[list[CardPair], list[LeftOutCard]]:
        with self._lock:
            if self._cards is None or time.monotonic() - self._cards[0] > KEPT_S:
                self._cards = (time.monotonic(), *pairs_from_rows(self._database))
            return self._cards[1:]

    def _size(self, used: Sequence[CardPair], config: Config) -> RunSize:
        prepared = prepared_pictures(self._data.cache, config.canvas_shape, config.input_region)
        pictures = {sha256 for pair in used for _, sha256 in pair.sides}
        splits = Counter(pair.split for pair in used)
        return RunSize(splits["train"], splits["val"], len(pictures - prepared))


def cards_text(pairs: Sequence[CardPair], left_out: Sequence[LeftOutCard], config: Config) -> str:
    """The cards of a run by split, and those left out by reason."""
    used = Counter(pair.split for pair in training_and_validation(pairs, config) if pair.has_class)
    test = sum(pair.split == "test" for pair in pairs)
    sentences = [
        f"{counted(used['train'])} to train on, {used['val']} to choose the best epoch and to compare models, "
        f"{test} kept back for a final test."
    ]
    reasons = Counter(
        PICTURE_GONE if card.reason.startswith(PICTURE_REASON) else card.reason.partition(":")[0] for card in left_out
    )
    if more := sum(pair.split in SPLITS for pair in pairs) - sum(used.values()):
        reasons["above the maximum number of cards"] = more
    if reasons:
        listed = "; ".join(f"{count} {escape(reason)}" for reason, count in reasons.most_common())
        sentences.append(f"Left out: {listed}.")
    return " ".join(sentences)


def time_text(pace: Pace, config: Config, size: RunSize) -> str:
    """The time of a run: "About 25 minutes on this machine: ..."."""
    seconds = seconds_of_run(pace, config, size)
    parts = [f"{config.epochs} {'epoch' if config.epochs == 1 else 'epochs'}"]
    if size.pictures:
        pictures = "1 picture" if size.pictures == 1 else f"{size.pictures} pictures"
        preparing = duration_text(pace.prepare * size.pictures)
        parts.insert(0, f"{preparing} to prepare {pictures}, then")
    total = duration_text(seconds)
    return f"**{total[:1].upper()}{total[1:]} on this machine**: {' '.join(parts)}."


def disk_text(needed: int, free: int) -> str:
    """The disk space that a run needs, and whether it is there."""
    sizes = f"{_gigabytes(needed)} on the disk"
    if needed > free:
        return f"**It needs {sizes}, but only {_gigabytes(free)} are free; free some space first.**"
    return f"It needs {sizes}; {_gigabytes(free)} are free."


def _gigabytes(size: int) -> str:
    return f"{size / GB:.1f} GB" if size < 10 * GB else f"{size / GB:.0f} GB"
