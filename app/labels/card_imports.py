"""Imports in the browser: previewed, run in a thread of the server, stopped, resumed after a stop or a kill.

imports/import-0001/import.json    what is imported; written when it is previewed
                    progress.json  counts of the present pass, and the result once it has ended
                    report.csv     a line for each file: taken, or left out with the reason
pictures/import-0001/              uploaded files, which stay where they are when their cards are imported
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import user_message
from app.settings import DataFolder, UserError
from app.unpack_zip import ZIP, root_of_cards, unpack_zip
from db import cards
from db.session import Database
from engine.cards.pairs import CardPair, Refused
from engine.cards.table import defuse_formula
from engine.storage.atomic import write_text
from labeling.discover import TABLE_SUFFIXES, Endings
from labeling.import_cards import ImportHooks, import_source
from labeling.import_listing import ImportSource
from labeling.import_preview import ImportPreview, preview_import
from labeling.import_rows import RecordedCard

State = Literal["previewed", "running", "unfinished", "finished"]
RECORD, PROGRESS, REPORT = "import.json", "progress.json", "report.csv"
REPORT_COLUMNS = ("file", "card_id", "side", "grade", "result", "reason")
FOLDER_NAME = re.compile(r"import-([0-9]+)")
PREVIEW_KEPT_S = 24 * 3600.0
SAVE_INTERVAL_S = 0.5
MAX_SHOWN = 20  # files left out that the page names
PROGRAM_ERROR = "the program made an error, which the terminal that runs Loupe shows; resume the import to continue"
GONE = "this import is not there any more; reload the page"
BUSY = "another import is running; wait until it has ended, or stop it first"


class LeftOut(BaseModel):
    """A file that was not taken when it was uploaded."""

    model_config = ConfigDict(frozen=True)

    path: str
    reason: str


class ImportRecord(BaseModel):
    """Record of an import: the source and the choices of the user.

    name         of its folder
    title        shown to the user
    path         a folder, or a manifest
    is_uploaded  the files were uploaded, and are in the data folder
    left_out     of the uploaded files
    is_started   the user has confirmed it
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    path: str
    is_uploaded: bool = False
    left_out: list[LeftOut] = []
    endings: Endings = "left out"
    labels_win: bool = False
    is_started: bool = False

    @property
    def source(self) -> ImportSource:
        """The source for the import."""
        path = Path(self.path)
        left_out = [Refused(item.path, item.reason) for item in self.left_out]
        inside = (path if path.is_dir() else path.parent) if self.is_uploaded else None
        return ImportSource(path, endings=self.endings, within=inside, left_out=left_out)

    def shown_path(self, path: str) -> str:
        """The path of a file within the imported folder; other paths, and lines of a table, as they are."""
        root = Path(self.path).absolute()
        root = root if root.suffix.lower() not in TABLE_SUFFIXES else root.parent
        return os.path.relpath(path, root) if Path(path).is_relative_to(root) else path


class ImportProgress(BaseModel):
    """Progress of an import; of a pass that was resumed, counted from its beginning.

    step        "" while cards are imported
    earlier     cards that were in already after the passes before, which are among `known`
    problem     the sentence with which the import ended early
    is_ended    all cards are done
    """

    model_config = ConfigDict(frozen=True)

    step: str = ""
    done: int = 0
    total: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    earlier: int = 0
    changed_labels: int = 0
    notices: list[str] = []
    first_refused: list[str] = []
    problem: str = ""
    is_ended: bool = False


@dataclass(frozen=True)
class ImportStatus:
    """An import with its state and progress."""

    record: ImportRecord
    state: State
    progress: ImportProgress


class CardImports:
    """The imports of one data folder; one of them runs at a time."""

    def __init__(self, database: Database, data: DataFolder) -> None:
        self._database, self._data = database, data
        self._turn = threading.Lock()
        self._running: tuple[str, threading.Event, threading.Thread] | None = None
        self._live: dict[str, ImportProgress] = {}

    def new_folder(self) -> str:
        """Reserve the name of an import; old uploads and previews that were never confirmed are deleted."""
        self._data.imports.mkdir(parents=True, exist_ok=True)
        for folder in list(self._data.imports.glob("import-*")):
            if time.time() - folder.stat().st_mtime > PREVIEW_KEPT_S:
                self.forget_preview(folder.name)
        names = [FOLDER_NAME.fullmatch(path.name) for path in self._data.imports.iterdir()]
        number = 1 + max((int(name[1]) for name in names if name), default=0)
        while True:
            try:
                (self._data.imports / f"import-{number:04d}").mkdir()
            except FileExistsError:  # of another page, meanwhile
                number += 1
            else:
                return f"import-{number:04d}"

    def uploads(self, name: str) -> Path:
        """The folder of the uploaded files of an import."""
        return self._data.pictures / self._folder(name).name

    def add_path(self, path: Path) -> str:
        """Record the import of a path of this machine; returns its name."""
        name = self.new_folder()
        self._save(ImportRecord(name=name, title=path.name or str(path), path=str(path.absolute())))
        return name

    def open_uploads(self, name: str) -> Path:
        """The folder of the uploaded files of an import that is not recorded yet. Raises UserError."""
        if not self._folder(name).is_dir() or (self._folder(name) / RECORD).exists():
            raise UserError(GONE)
        folder = self.uploads(name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def add_upload(
        self,
        name: str,
        title: str,
        *,
        left_out: Sequence[Refused],
        max_bytes: int,
        unpacking: Callable[[int, int], None],
    ) -> None:
        """Record the import of uploaded files, which are in its folder of uploads. Raises UserError.

        left_out   files that were not uploaded
        max_bytes  of a picture; larger files are left out, also those of a ZIP file
        unpacking  progress of a ZIP file
        """
        folder = self.open_uploads(name)
        for file in [file for file in folder.iterdir() if file.suffix.lower() == ZIP and file.is_file()]:
            unpack_zip(file, folder, unpacking)
            file.unlink()
        root = root_of_cards(folder)
        tables = [file for file in root.iterdir() if file.suffix.lower() in TABLE_SUFFIXES]
        path = tables[0] if len(tables) == 1 else root
        too_large = [Path(parent, file) for parent, _, files in os.walk(folder) for file in files]
        too_large = [file for file in too_large if file.stat().st_size > max_bytes]
        items = [LeftOut(path=item.path, reason=item.reason) for item in left_out]
        for file in too_large:
            reason = f"has {file.stat().st_size / 1e6:.0f} MB, more than {max_bytes / 1e6:.0f} MB; save it smaller"
            items.append(LeftOut(path=os.path.relpath(file, root), reason=reason))
            file.unlink()
        self._save(ImportRecord(name=name, title=title, path=str(path), is_uploaded=True, left_out=items))

    def forget_preview(self, name: str) -> None:
        """Delete an import that was not started; no-op for any other."""
        if FOLDER_NAME.fullmatch(name) is None or not self._folder(name).is_dir():
            return
        if (self._folder(name) / RECORD).exists() and self.record(name).is_started:
            return
        self.discard(name)

    def preview(
        self, name: str, endings: Endings, progress: Callable[[str, int, int], None]
    ) -> tuple[ImportRecord, ImportPreview]:
        """Preview an import; `progress` gets (step, done, total). Raises UserError, ImportRefused."""
        record = self.record(name).model_copy(update={"endings": endings})
        self._save(record)
        preview = preview_import(
            self._database,
            record.source,
            listing=lambda done, total: progress("Reading the table", done, total),
            progress=lambda done, total: progress("Looking at the files", done, total),
        )
        return record, preview

    def record(self, name: str) -> ImportRecord:
        """The record of an import. Raises UserError if it is gone."""
        try:
            return ImportRecord.model_validate_json((self._folder(name) / RECORD).read_bytes())
        except (FileNotFoundError, ValidationError) as error:
            raise UserError(GONE) from error

    def start(self, name: str, *, labels_win: bool | None = None) -> None:
        """Start an import, or resume it. Raises UserError while another one runs.

        labels_win  None: as it was started
        """
        record = self.record(name)
        update = {"is_started": True} if labels_win is None else {"is_started": True, "labels_win": labels_win}
        with self._turn:
            if self._is_running():
                raise UserError(BUSY)
            record = record.model_copy(update=update)
            before = self._progress(name)
            self._save(record)
            self._live[name] = ImportProgress(step="Looking for cards", earlier=before.added + before.earlier)
            stop = threading.Event()
            thread = threading.Thread(target=self._run, args=[record, stop], name="import", daemon=True)
            self._running = name, stop, thread
            thread.start()

    def stop(self, name: str) -> None:
        """Ask an import to stop after the cards that are being read."""
        running = self._running
        if running is not None and running[0] == name:
            running[1].set()

    def discard(self, name: str) -> None:
        """Delete a preview or an unfinished import; cards that are in stay, with their pictures. Raises UserError."""
        with self._turn:
            if self._is_running(name):
                raise UserError("this import is running; stop it first")
            self._delete_unused_uploads(name)
            shutil.rmtree(self._folder(name), ignore_errors=True)

    def current(self) -> ImportStatus | None:
        """The import that runs, else the newest that was started and has not ended."""
        unfinished = [status for status in self._all() if status.state in ("running", "unfinished")]
        return max(unfinished, key=lambda status: (status.state == "running", status.record.name), default=None)

    def status(self, name: str) -> ImportStatus:
        """State and progress of an import. Raises UserError if it is gone."""
        record = self.record(name)
        is_running = self._is_running(name)
        progress = self._live.get(name) if is_running else None
        progress = progress or self._progress(name)
        if is_running:
            return ImportStatus(record, "running", progress)
        state: State = "finished" if progress.is_ended else "unfinished" if record.is_started else "previewed"
        return ImportStatus(record, state, progress)

    def report(self, name: str) -> Path:
        """The report of an import."""
        return self._folder(name) / REPORT

    def _folder(self, name: str) -> Path:
        if FOLDER_NAME.fullmatch(name) is None:
            raise UserError(GONE)
        return self._data.imports / name

    def _all(self) -> Iterator[ImportStatus]:
        for path in sorted(self._data.imports.glob(f"import-*/{RECORD}")):
            try:
                yield self.status(path.parent.name)
            except UserError:  # damaged, or deleted meanwhile
                continue

    def _is_running(self, name: str | None = None) -> bool:
        running = self._running
        return running is not None and running[2].is_alive() and name in (None, running[0])

    def _save(self, record: ImportRecord) -> None:
        write_text(self._folder(record.name) / RECORD, record.model_dump_json(indent=1))

    def _progress(self, name: str) -> ImportProgress:
        try:
            return ImportProgress.model_validate_json((self._folder(name) / PROGRESS).read_bytes())
        except (FileNotFoundError, ValidationError):
            return ImportProgress()

    def _run(self, record: ImportRecord, stop: threading.Event) -> None:
        """Import the cards of a record in a thread; how it ends is in its progress."""
        folder, started = self._folder(record.name), self._live[record.name]
        try:
            with (folder / REPORT).open("w", encoding="utf-8-sig", newline="") as file:
                current = _Pass(self._live, record, file, started, folder / PROGRESS)
                hooks = ImportHooks(current.listing, current.progress, current.results, stop.is_set)
                imported = import_source(self._database, record.source, labels_win=record.labels_win, hooks=hooks)
            ended = current.counts.model_copy(
                update={
                    "step": "",
                    "changed_labels": imported.changed_labels,
                    "notices": imported.notices,
                    "is_ended": imported.is_complete,
                }
            )
        except Exception as error:  # noqa: BLE001 - the page says that the import has ended, whatever the reason
            if not threading.main_thread().is_alive():  # the server ends; the import can be resumed
                return
            problem = user_message(error)
            if problem is None:
                traceback.print_exception(error)
            ended = self._live[record.name].model_copy(update={"step": "", "problem": problem or PROGRAM_ERROR})
        self._live[record.name] = ended
        if ended.is_ended:
            self._delete_unused_uploads(record.name)
        write_text(folder / PROGRESS, ended.model_dump_json())

    def _delete_unused_uploads(self, name: str) -> None:
        """Delete the uploaded files of an import that are the picture of no card."""
        folder = self.uploads(name)
        if not folder.is_dir():
            return
        with self._database.reading() as session:
            used = set(cards.paths_by_sha(session).values())
        for parent, _, names in os.walk(folder, topdown=False):
            for file in (Path(parent) / file_name for file_name in names):
                if str(file) not in used:
                    file.unlink()
            if not any(Path(parent).iterdir()):
                Path(parent).rmdir()


class _Pass:
    """One pass of an import: counts for the page, and the lines of the report."""

    def __init__(
        self,
        live: dict[str, ImportProgress],
        record: ImportRecord,
        report: TextIO,
        started: ImportProgress,
        saved: Path,
    ) -> None:
        self.counts = started
        self._live, self._record, self._file, self._saved = live, record, report, saved
        self._report = csv.writer(report)
        self._report.writerow(REPORT_COLUMNS)
        self._saved_at = 0.0

    def listing(self, done: int, total: int) -> None:
        self._set(step="Reading the table", done=done, total=total)

    def progress(self, done: int, total: int) -> None:
        self._set(step="", done=done, total=total)

    def results(self, recorded: Sequence[RecordedCard], refused: Sequence[Refused]) -> None:
        self._report.writerows(self._lines(recorded, refused))
        self._file.flush()
        added, counts = sum(card.is_new for card in recorded), self.counts
        shown = [_sentence(self._record, item) for item in refused[: max(0, MAX_SHOWN - len(counts.first_refused))]]
        self._set(
            added=counts.added + added,
            known=counts.known + len(recorded) - added,
            refused=counts.refused + len(refused),
            first_refused=[*counts.first_refused, *shown],
        )
        if time.monotonic() - self._saved_at > SAVE_INTERVAL_S:
            self._saved_at = time.monotonic()
            write_text(self._saved, self.counts.model_dump_json())

    def _set(self, **values: Any) -> None:
        self.counts = self.counts.model_copy(update=values)
        self._live[self._record.name] = self.counts

    def _lines(self, recorded: Iterable[RecordedCard], refused: Iterable[Refused]) -> Iterator[list[str]]:
        for card in recorded:
            result = "imported" if card.is_new else "already imported"
            for side, path in (("front", card.pair.front), ("back", card.pair.back)):
                if path is not None:
                    yield self._line(str(path), card.pair.card_id, side, _grade(card.pair), result, "")
        for item in refused:
            yield self._line(item.path, item.card_id, "", "", "left out", item.reason)
            for other in item.others:
                yield self._line(other, item.card_id, "", "", "left out", "the other side of its card is left out")

    def _line(self, path: str, *cells: str) -> list[str]:
        # A name may hold bytes that are no letters.
        texts = (self._record.shown_path(path), *cells)
        return [defuse_formula(text).encode(errors="replace").decode() for text in texts]


def _sentence(record: ImportRecord, refused: Refused) -> str:
    return str(replace(refused, path=record.shown_path(refused.path))).encode(errors="replace").decode()


def _grade(pair: CardPair) -> str:
    grade = "" if pair.grade is None else f"{pair.grade:g}"
    return f"{grade} {pair.qualifier}".strip() if pair.qualifier else grade
