"""A batch in the data folder: its cards, its rows as they are graded, and its state.

batches/batch-0001/cards.json    the cards, in order; written once
                   rows.jsonl    a line per graded card, append-only; its lock is held by the process that grades
                   graded/       JSON and report page of each graded card
                   stop          there after a request to stop
                   log.txt       output of the process
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from app.runs.jobs import Jobs, is_alive
from app.settings import DataFolder, UserError
from engine.storage.atomic import write_text
from engine.storage.disk_space import translate_disk_full
from engine.storage.jsonl import JsonLinesFile

State = Literal["starting", "running", "stopping", "stopped", "interrupted", "finished"]
# A process takes its lock within seconds, on a busy machine within a minute.
START_DEADLINE_S = 60.0
CARDS, ROWS = "cards.json", "rows.jsonl"
LOG_LINE = "loupe: "
Row = Mapping[str, Any]
FOLDER_NAME = re.compile(r"batch-([0-9]+)")
DAMAGED = "{}: {} is damaged; delete the folder {}, or restore it from a backup"


@dataclass(frozen=True)
class BatchCard:
    """A card of a batch: its pictures, or a sentence if it was refused."""

    card_id: str
    front: str | None = None
    back: str | None = None
    error: str = ""


class Content(BaseModel):
    """Stored content of a batch, written when it is created; `model` is None for the grading model."""

    model_config = ConfigDict(frozen=True)

    source: str
    created_at: str
    model: str | None
    cards: list[BatchCard]


@dataclass(frozen=True)
class Batch:
    """A batch by its folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def rows_file(self) -> JsonLinesFile:
        """The rows; the lock of the file is that of the process."""
        return JsonLinesFile(self.folder / ROWS)

    @property
    def stop_file(self) -> Path:
        """The request to stop."""
        return self.folder / "stop"

    @property
    def log(self) -> Path:
        """The output of the process."""
        return self.folder / "log.txt"

    def graded(self, number: int, suffix: str) -> Path:
        """JSON or HTML page of a graded card."""
        return self.folder / "graded" / f"{number:06d}{suffix}"

    @property
    def content(self) -> Content:
        """Source, time, model and cards. Raises UserError if the batch was deleted, or is damaged."""
        try:
            return Content.model_validate_json((self.folder / CARDS).read_bytes())
        except FileNotFoundError as error:
            raise UserError(f"{self.name} is not there any more; reload the page") from error
        except ValidationError as error:
            raise UserError(DAMAGED.format(self.name, CARDS, self.folder)) from error

    @property
    def is_readable(self) -> bool:
        """False if the batch was deleted, or is damaged."""
        try:
            return bool(self.content)
        except UserError:  # shown where the batch is used
            return False

    @property
    def cards(self) -> list[BatchCard]:
        """The cards, in order."""
        return self.content.cards

    def rows(self) -> list[Row]:
        """The rows so far in the order of the cards, each card once."""
        # A line that is JSON by chance, after damage, is no row.
        rows = (row for row in self.rows_file.read() if isinstance(row, dict) and {"number", "card_id"} <= row.keys())
        by_number = {row["number"]: row for row in rows}
        return [by_number[number] for number in sorted(by_number)]

    def state(self) -> State:
        """State of the batch: what its process does, or how it ended."""
        # Before the lock: the process takes seconds to end after the last card.
        if len(self.rows()) == len(self.content.cards):
            return "finished"
        if is_alive(FileLock(self.folder / "rows.lock", timeout=0)):
            return "stopping" if self.stop_file.exists() else "running"
        if self.stop_file.exists():
            return "stopped"
        is_new = self.log.exists() and time.time() - self.log.stat().st_mtime < START_DEADLINE_S
        return "starting" if is_new and not self.problem() else "interrupted"

    def problem(self) -> str:
        """The sentence with which the last process ended, if it ended with one."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return lines[-1].removeprefix(LOG_LINE) if lines and lines[-1].startswith(LOG_LINE) else ""


def create_batch(
    data: DataFolder, find_cards: Callable[[Path], Sequence[BatchCard]], *, source: str, model: str | None = None
) -> Batch:
    """Store a new batch.

    find_cards  returns its cards; it gets a folder, to be created, for pictures that are deleted with the batch
    source      shown to the user
    raises      UserError without cards, and what `find_cards` raises
    """
    batch = Batch(_new_folder(data))
    try:
        # In the folder, whatever file of it did not fit: the pictures of the user are not what is full.
        with translate_disk_full(batch.folder):
            cards = find_cards(batch.folder / "pictures")
        if not cards:
            raise UserError("there are no cards to grade; give pictures, a folder, a ZIP file or a CSV file")
        (batch.folder / "graded").mkdir()
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        content = Content(source=source, created_at=created_at, model=model, cards=list(cards))
        write_text(batch.folder / CARDS, content.model_dump_json(indent=1))
    except BaseException:
        shutil.rmtree(batch.folder)
        raise
    return batch


def _new_folder(data: DataFolder) -> Path:
    names = (FOLDER_NAME.fullmatch(path.name) for path in data.batches.glob("batch-*"))
    number = 1 + max((int(name[1]) for name in names if name), default=0)
    while True:
        try:
            data.batch_folder(number).mkdir(parents=True)
        except FileExistsError:  # of another request, meanwhile
            number += 1
        else:
            return data.batch_folder(number)


def batches(data: DataFolder) -> list[Batch]:
    """All batches, the newest first."""
    return [Batch(path.parent) for path in sorted(data.batches.glob(f"batch-*/{CARDS}"), reverse=True)]


def find_batch(data: DataFolder, name: str | None) -> Batch | None:
    """The batch of this name, else the newest that can be read; None without any."""
    known = batches(data)
    named = next((batch for batch in known if batch.name == name), None)
    return named or next((batch for batch in known if batch.is_readable), None)


def start(jobs: Jobs, data: DataFolder, batch: Batch) -> None:
    """Start or resume the process of a batch; it goes on with the cards that have no row."""
    batch.stop_file.unlink(missing_ok=True)
    # The last process's error, or the pause of a stop, must not count for this one.
    batch.log.unlink(missing_ok=True)
    jobs.start_process(["grade", "--app-batch", batch.name, "--data", str(data.root)], batch.log)


def request_stop(batch: Batch) -> None:
    """Ask the process of a batch to stop after the cards that it is grading."""
    batch.stop_file.touch()


def delete_batch(batch: Batch) -> None:
    """Delete a batch and the pictures uploaded for it. Raises UserError while it is being graded."""
    if batch.state() in ("starting", "running", "stopping"):
        raise UserError("this batch is being graded; stop it first")
    shutil.rmtree(batch.folder)
