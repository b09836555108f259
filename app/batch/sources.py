"""Cards of a batch from a folder, a ZIP file, a CSV file, or uploaded files."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from app.batch.batch import Batch, BatchCard, create_batch
from app.settings import DataFolder, UserError
from engine.cards.pairs import CardPair, Refused, manifest_rows
from engine.image.read import MAX_FILE_BYTES
from engine.storage.disk_space import disk_full_message
from labeling.discover import GRADE_FOLDER, TABLE_SUFFIXES, ImportRefused, cards_in_folder, manifest_at
from labeling.side_names import SIDE_FOLDER

ZIP = ".zip"
NOT_UPLOADED = "{}: the picture {} was not uploaded; upload it with the CSV file, and name it there without a folder"
ENCRYPTED = 1  # bit of an entry's flags
# Errors of zipfile for damaged files, unknown compressions (NotImplementedError), and folders nested too deeply.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
MAX_UNPACKED_BYTES, MAX_ENTRIES = 50 * 10**9, 100_000
# Pictures are compressed already; a ZIP file of a few megabytes that fills the disk is no collection of them.
MAX_RATIO, MIN_CHECKED_BYTES = 50, 10**9


def batch_from_path(data: DataFolder, path: Path, model: str | None = None) -> Batch:
    """A batch of the cards at a path of this machine, which stay where they are; a ZIP file is unpacked.

    Raises UserError, ImportRefused, BadManifest.
    """
    if path.suffix.lower() == ZIP and path.is_file():
        return batch_from_files(data, [path], model)
    return create_batch(data, lambda _: cards_at(path), source=path.name or str(path), model=model)


def batch_from_files(data: DataFolder, files: Sequence[Path], model: str | None = None) -> Batch:
    """A batch of uploaded files, which are copied: pictures, a CSV file that names them, ZIP files of both.

    Raises UserError, ImportRefused, BadManifest.
    """
    if not files:
        raise UserError("choose the files first: pictures, a ZIP file, or a CSV file with its pictures")

    source = files[0].name if len(files) == 1 else f"{len(files)} files"

    def find_cards(folder: Path) -> list[BatchCard]:
        folder.mkdir()
        for file in files:
            if file.suffix.lower() == ZIP:
                _unpack(file, folder)
            else:
                shutil.copyfile(file, _free_name(folder / file.name))
        root = _root(folder)
        try:
            return [_if_inside(card, folder) for card in cards_at(root)]
        except ImportRefused as error:
            # The user knows what was uploaded, and not the folder into which it was copied.
            raise UserError(f"{source}: {str(error).removeprefix(f'{root}: ')}") from error

    return create_batch(data, find_cards, source=source, model=model)


def cards_at(path: Path) -> list[BatchCard]:
    """The cards at a path, in the order of the manifest or else of the file names; refused ones have an error."""
    manifest = manifest_at(path) or _only_table(path)
    if manifest is not None:
        return [_card(row, path) for row in manifest_rows(manifest)]
    found = cards_in_folder(path)
    rows: list[CardPair | Refused] = [*found.pairs, *found.refused]
    return [_card(row, path) for row in rows]


def _only_table(folder: Path) -> Path | None:
    """The one table of a folder, whatever its name; None if there is none or more than one."""
    tables = [file for file in folder.glob("*") if file.suffix.lower() in TABLE_SUFFIXES] if folder.is_dir() else []
    return tables[0] if len(tables) == 1 else None


def _card(row: CardPair | Refused, root: Path) -> BatchCard:
    """The card of a row; a refused one is named as it is within `root`, which may be a folder of the program's own."""
    if isinstance(row, Refused):
        name = (
            os.path.relpath(row.path, root.absolute()) if Path(row.path).is_relative_to(root.absolute()) else row.path
        )
        return BatchCard(row.card_id or Path(row.path).name, error=str(replace(row, path=name)))
    front, back = (None if path is None else str(path.absolute()) for path in (row.front, row.back))
    return BatchCard(row.card_id, front, back)


def _if_inside(card: BatchCard, folder: Path) -> BatchCard:
    """The card, refused if it names a picture outside the folder: an upload must not show this machine's files."""
    for path in (card.front, card.back):
        if path is not None and not Path(path).resolve().is_relative_to(folder.resolve()):
            return BatchCard(card.card_id, error=NOT_UPLOADED.format(card.card_id, Path(path).name))
    return card


def _unpack(file: Path, folder: Path) -> None:
    """Unpack a ZIP file. Raises UserError if it is damaged, has a password, or does not fit on the disk."""
    try:
        with zipfile.ZipFile(file) as archive:
            if any(entry.flag_bits & ENCRYPTED for entry in archive.infolist()):
                raise UserError(f"{file.name}: has a password; pack the pictures without one")
            if problem := _size_problem(archive, file.stat().st_size, folder):
                raise UserError(f"{file.name}: {problem}")
            if twice := _name_twice(archive, folder):
                raise UserError(
                    f"{file.name}: another file is also named {twice}; rename one, or grade them in two batches"
                )
            # Never outside the folder: `extractall` removes "..", drives and leading slashes. It reads no more of an
            # entry than the size that it claims.
            archive.extractall(folder)
    except OSError as error:  # names that are too long, or a file and a folder of one name
        if disk_full_message(error) is not None:
            raise
        raise UserError(
            f"{file.name}: cannot be unpacked ({error.strerror}); pack the pictures in one folder"
        ) from error
    except UNREADABLE as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{file.name}: is not a ZIP file that can be read ({error}); pack the pictures again"
        ) from error


def _size_problem(archive: zipfile.ZipFile, packed_bytes: int, folder: Path) -> str:
    """The reason why a ZIP file is too large to unpack into the folder; empty if it is not."""
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        return f"holds {len(entries):,} files, more than {MAX_ENTRIES:,}; make several batches of it"
    largest = max(entries, key=lambda entry: entry.file_size, default=None)
    if largest is not None and largest.file_size > MAX_FILE_BYTES:
        size = largest.file_size / 1e9
        return f"{largest.filename} in it has {size:.1f} GB unpacked, too much for a picture of a card; leave it out"
    size_bytes = sum(entry.file_size for entry in entries)
    if size_bytes > MIN_CHECKED_BYTES and size_bytes > MAX_RATIO * packed_bytes:
        return f"becomes {size_bytes / packed_bytes:.0f} times as large unpacked, as no pictures do; pack them again"
    if size_bytes > min(MAX_UNPACKED_BYTES, shutil.disk_usage(folder).free):
        size = size_bytes / 1e9
        return f"needs {size:.1f} GB unpacked, more than there is room for; free some space or give the folder instead"
    return ""


def _name_twice(archive: zipfile.ZipFile, folder: Path) -> str:
    """The first name in a ZIP file that another file there, or one in the folder, has too and would be replaced."""
    names = [_unpacked_name(entry.filename) for entry in archive.infolist() if not entry.is_dir()]
    return next((name for name, times in Counter(names).items() if times > 1 or (folder / name).is_file()), "")


def _unpacked_name(name: str) -> str:
    """The name in a ZIP file that `extractall` uses, which never leads out of its folder."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def _free_name(path: Path) -> Path:
    """The path, with a number if there is a file of that name already."""
    names = (path.with_stem(f"{path.stem} ({number})") for number in count(2))
    return next(name for name in chain([path], names) if not name.exists())


def _root(folder: Path) -> Path:
    """The folder that holds the cards: a ZIP file often has all of them in one folder."""
    while True:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        inner = entries[0] if len(entries) == 1 and entries[0].is_dir() else None
        if inner is None or GRADE_FOLDER.fullmatch(inner.name) or SIDE_FOLDER.fullmatch(inner.name):
            return folder
        folder = inner
