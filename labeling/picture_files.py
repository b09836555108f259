"""Files of the recorded pictures: checked by content hash before use, and found again if they were moved."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from db import cards as card_rows
from db.schema import Picture
from db.session import Database
from engine.image.content_hash import CHANGED, content_hash, file_version
from engine.image.read import BadPicture
from labeling.discover import GRADE_FOLDER, has_utf8_name, is_picture

PICTURE_REASON = "the picture "  # beginning of every reason
MISSING = "is missing; restore it, or import it again from its new location"
# Candidates whose hashes are remembered between searches.
REMEMBERED_FILES = 100_000


@dataclass(frozen=True)
class PictureLocation:
    """The file with a recorded picture; `reason` is a sentence if there is none, and the file must not be used."""

    path: Path
    reason: str = ""


@dataclass(frozen=True)
class _File:
    """A file that was read; without a hash it could not be, and `problem` says why."""

    path: Path
    sha256: str = ""
    size_bytes: int = 0
    version: str | None = None
    problem: str = ""


def locate_pictures(database: Database, pictures: Iterable[Picture]) -> dict[int, PictureLocation]:
    """Find the file of each picture by its content, by row id; the new path of a moved file is recorded.

    A file that was renamed, or exchanged with another, is found among the recorded files and in the folders of all
    recorded pictures; a file elsewhere is found once it is imported again.
    """
    pictures = list({picture.id: picture for picture in pictures}.values())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        files = list(pool.map(lambda picture: _read(Path(picture.path)), pictures))
    found = {file.sha256: file for file in files if file.sha256}
    lost = [picture for picture in pictures if picture.sha256 not in found]
    if lost:
        found |= _search(database, lost, known={str(file.path) for file in files if file.sha256})
    in_place = {
        picture.id: file for picture, file in zip(pictures, files, strict=True) if file.sha256 == picture.sha256
    }
    # The recorded file first: a copy elsewhere does not replace it.
    file_of = {picture.id: in_place.get(picture.id) or found.get(picture.sha256) for picture in pictures}
    _record_files(database, pictures, file_of)
    return {
        picture.id: PictureLocation(file.path) if (file := file_of[picture.id]) else _not_found(recorded)
        for picture, recorded in zip(pictures, files, strict=True)
    }


def find_pictures(database: Database, pictures: Iterable[Picture]) -> dict[int, PictureLocation]:
    """As `locate_pictures`, for a page that shows card after card: a file of the recorded version is not read."""
    pictures = list(pictures)
    in_place = {
        picture.id: PictureLocation(Path(picture.path)) for picture in pictures if _is_recorded_version(picture)
    }
    others = [picture for picture in pictures if picture.id not in in_place]
    return {**in_place, **(locate_pictures(database, others) if others else {})}


def recorded_place(picture: Picture) -> PictureLocation:
    """The recorded file of a picture, not read: whoever shows it checks its content."""
    path = Path(picture.path)
    return PictureLocation(path, "" if path.is_file() else f"{PICTURE_REASON}{path} {MISSING}")


def lost_pictures(database: Database, pictures: Iterable[Picture]) -> set[int]:
    """Row ids of the pictures that `locate_pictures` finds nowhere.

    For a page that is opened often: a file of the recorded version is not read, and any other is read once.
    """
    unverified = {picture.id: picture for picture in pictures if not _is_recorded_version(picture)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        current = list(pool.map(lambda picture: _current_file(Path(picture.path)), unverified.values()))
    files = dict(zip(unverified, current, strict=True))
    intact = {id_: picture for id_, picture in unverified.items() if files[id_].sha256 == picture.sha256}
    _record_files(database, list(intact.values()), files)
    suspects = [picture for id_, picture in unverified.items() if id_ not in intact]
    return {picture_id for picture_id, place in locate_pictures(database, suspects).items() if place.reason}


def _is_recorded_version(picture: Picture) -> bool:
    return picture.file_version is not None and file_version(Path(picture.path)) == picture.file_version


def _current_file(path: Path) -> _File:
    """A file with its hash, read once unless its size or one of its times differs."""
    try:
        status = path.stat()
    except OSError:
        return _read(path)
    return _remembered_file(path, status.st_size, max(status.st_mtime_ns, status.st_ctime_ns))


def _read(path: Path) -> _File:
    version = file_version(path)
    try:
        return _File(path, content_hash(path), path.stat().st_size, version)
    except BadPicture as error:
        return _File(path, problem=str(error).removeprefix(f"{path.name}: "))


def _not_found(file: _File) -> PictureLocation:
    if file.sha256:
        problem = CHANGED
    elif not file.path.exists():
        problem = MISSING
    else:
        problem = file.problem
    return PictureLocation(file.path, f"{PICTURE_REASON}{file.path} {problem}")


def _search(database: Database, lost: Sequence[Picture], *, known: Collection[str]) -> dict[str, _File]:
    """Search the folders of all recorded pictures for the lost ones; returns the files found, by hash.

    known  paths of files that are none of the lost pictures
    """
    with database.reading() as session:
        recorded = [Path(path) for path in card_rows.paths_by_sha(session).values()]
    hashes_of_size: dict[int | None, set[str]] = defaultdict(set)
    for picture in lost:
        hashes_of_size[picture.size_bytes].add(picture.sha256)
    of_any_size = hashes_of_size.pop(None, set())
    found: dict[str, _File] = {}
    for path in _candidates(recorded):
        status = path.stat()
        wanted = hashes_of_size.get(status.st_size, set()) | of_any_size
        if wanted and str(path) not in known:
            file = _current_file(path)
            if file.sha256 in wanted:
                found[file.sha256] = file
    return found


def _candidates(recorded: Iterable[Path]) -> Iterator[Path]:
    """The pictures in the folders of recorded pictures, in the folder that holds grade folders, and one level below."""
    folders = {path.parent for path in recorded}
    folders |= {folder.parent for folder in folders if GRADE_FOLDER.fullmatch(folder.name)}
    folders |= {entry for folder in folders for entry in _listing(folder) if entry.is_dir()}
    for folder in sorted(folders):
        yield from (path for path in _listing(folder) if has_utf8_name(path) and is_picture(path))


def _listing(folder: Path) -> list[Path]:
    """The entries of a folder; none if it is gone or may not be read."""
    is_readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    return sorted(folder.iterdir()) if is_readable else []


@lru_cache(maxsize=REMEMBERED_FILES)
def _remembered_file(path: Path, size_bytes: int, changed_ns: int) -> _File:
    """Hash a file that may be a moved picture; once, unless its size or its time of change differs."""
    return _read(path)


def _record_files(database: Database, pictures: Sequence[Picture], file_of: Mapping[int, _File | None]) -> None:
    """Record the paths of moved files, and the sizes and versions of files that have others, or none, recorded."""
    changed = {
        picture.id: new
        for picture in pictures
        if (file := file_of[picture.id])
        and (new := (str(file.path), file.size_bytes, file.version or picture.file_version))
        != (picture.path, picture.size_bytes, picture.file_version)
    }
    if changed:
        with database.writing() as session:
            card_rows.update_files(session, files=changed)
