"""ZIP files of pictures: unpacked into a folder, never outside it, and only if they are what they claim to be."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from app.settings import UserError
from engine.image.read import MAX_FILE_BYTES
from engine.storage.disk_space import disk_full_message
from labeling.discover import GRADE_FOLDER
from labeling.side_names import SIDE_FOLDER

ZIP = ".zip"
ENCRYPTED = 1  # bit of an entry's flags
# Errors of zipfile for damaged files, unknown compressions (NotImplementedError), and folders nested too deeply.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
MAX_UNPACKED_BYTES, MAX_ENTRIES = 50 * 10**9, 250_000
# Pictures are compressed already; a ZIP file of a few megabytes that fills the disk is no collection of them.
MAX_RATIO, MIN_CHECKED_BYTES = 50, 10**9


def unpack_zip(file: Path, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Unpack a ZIP file. Raises UserError if it is damaged, has a password, or does not fit on the disk.

    progress  called with (files unpacked, total files)
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if any(entry.flag_bits & ENCRYPTED for entry in archive.infolist()):
                raise UserError(f"{file.name}: has a password; pack the pictures without one")
            if problem := _size_problem(archive, file.stat().st_size, folder):
                raise UserError(f"{file.name}: {problem}")
            if twice := _name_twice(archive, folder):
                raise UserError(
                    f"{file.name}: another file is also named {twice}; rename one, or make two ZIP files of them"
                )
            # Never outside the folder: `extract` removes "..", drives and leading slashes. It reads no more of an entry
            # than the size that it claims.
            entries = archive.infolist()
            for done, entry in enumerate(entries, start=1):
                archive.extract(entry, folder)
                progress(done, len(entries))
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
        return f"holds {len(entries):,} files, more than {MAX_ENTRIES:,}; make several of it"
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
    """The name in a ZIP file that `extract` uses, which never leads out of its folder."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def root_of_cards(folder: Path) -> Path:
    """The folder that holds the cards: a ZIP file often has all of them in one folder."""
    while True:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        inner = entries[0] if len(entries) == 1 and entries[0].is_dir() else None
        if inner is None or GRADE_FOLDER.fullmatch(inner.name) or SIDE_FOLDER.fullmatch(inner.name):
            return folder
        folder = inner
