"""`backup` and `restore`: the data folder with the pictures of its cards as one file, checked by hash both ways."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sqlite3
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

from filelock import Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from app.batch.batch import CARDS, ROWS
from app.settings import DataFolder, UserError, check_file
from app.terminal import ProgressMeter, print_message
from db import file_paths
from db.backups import copy_database, is_sound
from db.cards import counts
from db.file_paths import FileReference
from db.migrate import damaged_message
from db.session import Database, DatabaseUnusable
from engine.experiments.run_folder import PAIRS
from engine.paths import unreadable_reason
from engine.storage.atomic import atomic_write, write_text
from engine.storage.disk_space import disk_full_message
from engine.storage.file_hash import sha256

CONTENTS = "contents.json"
FORMAT = 1
DATABASE = "loupe.db"
COMPRESSED = {".db", ".json", ".jsonl", ".csv", ".txt", ".md"}
# Parts of the data folder that hold nothing of the user's: caches, uploads, exports and locks are not backed up.
FOLDERS = ("runs", "snapshots", "pictures", "test_openings", "batches")
TEMPORARY = {".lock", ".part"}
DAMAGED_BEFORE = "{}/{}: restored as it was, it was already damaged ({})"
SQLITE_HEADER = b"SQLite format 3\0"
HAS_REVISION = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
CHUNK_BYTES = 1 << 20
MAX_BACKUP_BYTES = 1 << 50  # of any disk
# Errors that zipfile was observed to raise on damaged and foreign files; RuntimeError for one that claims a password.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, KeyError, ValidationError, UnicodeDecodeError, EOFError),
    *(RuntimeError, NotImplementedError),
)


class BackupEntry(BaseModel):
    """A file of a backup: its name there, its content, and the path that it had."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str
    size: int
    path: str


class Contents(BaseModel):
    """Table of contents of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    made_at: str
    root: str
    files: list[BackupEntry]


class Source(NamedTuple):
    """A file to back up: its name in the backup, its path, and the hash recorded for it, "" if there is none."""

    name: str
    path: Path
    sha256: str


def back_up(data: DataFolder, target: Path) -> dict[str, Any]:
    """Write the database, the pictures of all cards, snapshots, runs, models and batches to a ZIP file; runs may go on.

    A file that is missing, or is not the one that was recorded, is left out and named. Returns `path`, `files`, `bytes`
    and `left_out`, each {path, reason}. Raises UserError, DatabaseUnusable, DiskFull.
    """
    check_file(target, "FILE")
    if not data.database.exists():
        raise UserError(f"{data.root} holds no cards and no runs; give the data folder to back up with --data")
    entries: list[BackupEntry] = []
    left_out: list[dict[str, str]] = []
    meter = ProgressMeter()
    with (
        TemporaryDirectory(dir=target.absolute().parent, prefix=".backup-") as folder,
        atomic_write(target) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
    ):
        copy = Path(folder, DATABASE)
        references = _copy_database(data, copy)
        sources = [Source(DATABASE, copy, ""), *_sources(data, references)]
        for done, source in enumerate(sources):
            meter("files", done, len(sources))
            try:
                entries.append(_add(archive, source))
            except _LeftOut as error:
                left_out.append({"path": str(source.path), "reason": str(error)})
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        contents = Contents(format=FORMAT, made_at=made_at, root=str(data.root), files=entries)
        archive.writestr(CONTENTS, contents.model_dump_json(indent=1), zipfile.ZIP_DEFLATED)
    for file in left_out:
        print_message(f"{file['path']}: left out: {file['reason']}")
    return {
        "path": str(target.absolute()),
        "files": len(entries),
        "bytes": target.stat().st_size,
        "left_out": left_out,
    }


def _copy_database(data: DataFolder, copy: Path) -> list[FileReference]:
    """Copy the database, upgraded if it is older; returns the files that it refers to."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        try:
            is_copied = copy_database(data.database, copy)
        except sqlite3.Error as error:
            raise UserError(f"{data.database} cannot be copied ({error}); free some space and retry") from error
        if not is_copied:
            raise DatabaseUnusable(damaged_message(data.database))
        # Read after the copy: all files that the copy refers to are among them.
        with database.reading() as session:
            return file_paths.file_references(session)


def _sources(data: DataFolder, references: Sequence[FileReference]) -> Iterator[Source]:
    """All files to back up but the database, each once; recorded files first, since their hashes are known."""
    done: set[Path] = set()
    for reference in references:
        path = Path(reference.path)
        if path not in done:
            done.add(path)
            yield Source(_name(data, reference), path, reference.sha256)
    # Rows before the folders are listed: a batch that is being graded writes what belongs to a row before the row.
    for row_file in sorted(data.batches.glob(f"*/{ROWS}")):
        yield Source(row_file.relative_to(data.root).as_posix(), row_file, "")
    for folder in FOLDERS:
        for path in sorted((data.root / folder).rglob("*")):
            is_row_file = folder == data.batches.name and path.name == ROWS
            if path.is_file() and path not in done and not is_row_file and path.suffix not in TEMPORARY:
                yield Source(path.relative_to(data.root).as_posix(), path, "")


def _name(data: DataFolder, reference: FileReference) -> str:
    """Name of a recorded file in a backup; a file outside the data folder moves into it when it is restored."""
    path = Path(reference.path)
    if path.is_relative_to(data.root):
        return path.relative_to(data.root).as_posix()
    return f"{reference.kind}s/backed-up/{reference.sha256}{path.suffix.lower()}"


class _LeftOut(Exception):
    """A file that cannot be backed up; the message is the reason."""


def _add(archive: zipfile.ZipFile, source: Source) -> BackupEntry:
    """Copy a file into the archive; its hash is that of the bytes that were copied. Raises _LeftOut."""
    info = zipfile.ZipInfo(source.name)
    info.compress_type = zipfile.ZIP_DEFLATED if source.path.suffix in COMPRESSED else zipfile.ZIP_STORED
    try:
        if source.sha256 and sha256(source.path) != source.sha256:
            raise _LeftOut("the file has changed since it was recorded; import it again if the change is meant")
        file = source.path.open("rb")
    except OSError as error:
        raise _LeftOut(f"cannot be read ({error.strerror})") from error
    with file, archive.open(info, "w", force_zip64=True) as copy:
        digest, size = _copy(file, copy)
    return BackupEntry(name=source.name, sha256=digest, size=size, path=str(source.path))


def _copy(source: IO[bytes], target: IO[bytes], *, max_bytes: float = math.inf) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(int(min(CHUNK_BYTES, max(0, max_bytes - size)))):
        target.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def restore(data: DataFolder, backup: Path) -> dict[str, Any]:
    """Restore a backup into an empty data folder, or a copy of the database into the folder that it was made of.

    Every file is checked before anything is put in its place; paths in the database, snapshots and runs become those of
    the new folder. Returns `data`, `files`, `bytes` and `cards`. Raises UserError, DatabaseUnusable, DiskFull.
    """
    try:
        if reason := unreadable_reason(backup, MAX_BACKUP_BYTES):
            raise UserError(f"{backup} {reason}")
        with backup.open("rb") as file:
            is_database = file.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    except OSError as error:
        raise UserError(f"{backup} cannot be read ({error.strerror}); give a file written by `backup`") from error
    with _unused(data):
        return _restore_database(data, backup) if is_database else _restore_all(data, backup)


@contextmanager
def _unused(data: DataFolder) -> Iterator[None]:
    """Keep the app and training runs from using the data folder. Raises UserError if one does."""
    try:
        with data.server_lock(), data.training_lock():
            yield
    except Timeout as error:
        raise UserError(f"the data folder {data.root} is in use; close the app and stop its runs first") from error


def _restore_database(data: DataFolder, copy: Path) -> dict[str, Any]:
    """Put a daily copy in the place of the database, which is moved away, not deleted."""
    if not _holds_loupe_database(copy):
        raise UserError(f"{copy} is damaged, or is not a database of Loupe; restore another copy")
    moved_to = data.backups / f"{DATABASE}-replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    with atomic_write(data.database) as temporary:
        shutil.copyfile(copy, temporary)
        for suffix in ("-wal", "-shm", ""):  # a log that is left behind would be applied to the copy
            file = data.database.with_name(DATABASE + suffix)
            if file.exists():
                data.backups.mkdir(exist_ok=True)
                file.replace(moved_to.with_name(moved_to.name + suffix))
    if moved_to.exists():
        print_message(f"the database that was there is now {moved_to}")
    return _restored(data, files=1, size=copy.stat().st_size)


def _holds_loupe_database(file: Path) -> bool:
    """True if a file is a sound database of Loupe. SQLite takes an empty file for an empty database."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return is_sound(connection) and connection.execute(HAS_REVISION).fetchone() == (1,)
        except sqlite3.DatabaseError:
            return False


def _restore_all(data: DataFolder, backup: Path) -> dict[str, Any]:
    for path in (data.database, *(data.root / folder for folder in FOLDERS)):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise UserError(f"{path} exists already; restore into an empty folder, given with --data")
    stage = data.root / "restore.part"
    shutil.rmtree(stage, ignore_errors=True)  # of a restore that was killed
    try:
        stage.mkdir()
        with _open_archive(backup) as (archive, contents):
            size = sum(entry.size for entry in contents.files)
            if size > (free := shutil.disk_usage(stage).free):
                raise UserError(
                    f"{backup} needs {size / 1e9:.1f} GB, and {data.root} has {free / 1e9:.1f} GB free; free some space"
                )
            meter = ProgressMeter()
            for done, entry in enumerate(contents.files):
                meter("files", done, len(contents.files))
                _extract(archive, entry, stage, backup)
        if not _holds_loupe_database(stage / DATABASE):
            raise UserError(f"{backup} is damaged: its {DATABASE} is not a sound database of Loupe; use another")
        _move_paths(stage, data.root, contents)
        for path in sorted(stage.iterdir(), key=lambda path: path.name == DATABASE):  # the database comes last
            target = data.root / path.name
            if target.is_dir():
                target.rmdir()
            path.replace(target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return _restored(data, files=len(contents.files), size=size)


def _restored(data: DataFolder, *, files: int, size: int) -> dict[str, Any]:
    with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
        return {"data": str(data.root), "files": files, "bytes": size, "cards": counts(session).cards}


@contextmanager
def _open_archive(backup: Path) -> Iterator[tuple[zipfile.ZipFile, Contents]]:
    """Open a backup and read its table of contents. Raises UserError, also if a part of it is damaged."""
    try:
        with zipfile.ZipFile(backup) as archive:
            contents = Contents.model_validate_json(archive.read(CONTENTS))
            if contents.format != FORMAT:
                raise UserError(f"{backup} was written by a newer Loupe; update this one")
            names = Counter(entry.name for entry in contents.files)
            if names[DATABASE] != 1 or max(names.values()) > 1:
                raise UserError(f"{backup} is damaged: it does not hold one {DATABASE} and each file once; use another")
            yield archive, contents
    except UserError:
        raise
    except UNREADABLE as error:
        raise UserError(f"{backup} is damaged or is no backup of Loupe; use another") from error


def _extract(archive: zipfile.ZipFile, entry: BackupEntry, stage: Path, backup: Path) -> None:
    """Extract a file and check its hash; a name outside the folder is refused."""
    name = PurePosixPath(entry.name)
    is_in_folder = len(name.parts) > 1 and name.parts[0] in (*FOLDERS, "models") and name.as_posix() == entry.name
    if not (is_in_folder or entry.name == DATABASE) or ".." in name.parts or "\\" in entry.name or ":" in entry.name:
        raise UserError(f"{backup} holds the file name {entry.name!r}, which no backup has; use another")
    target = stage / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = target.open("xb")
    except OSError as error:
        if disk_full_message(error):
            raise
        problem = f"the file name {entry.name!r}, which cannot be written here ({error.strerror})"
        raise UserError(f"{backup} holds {problem}; use another") from error
    with copy, archive.open(entry.name) as source:
        # One byte more than announced: what a hostile file unpacks to may not fit on the disk.
        digest, size = _copy(source, copy, max_bytes=entry.size + 1)
    if (digest, size) != (entry.sha256, entry.size):
        raise UserError(f"{backup} is damaged: {entry.name} is not what was backed up; use another")


def _move_paths(stage: Path, root: Path, contents: Contents) -> None:
    """Change the paths in the database, the snapshots and the runs to those below the new root."""
    moved = {entry.path: str(root / entry.name) for entry in contents.files if entry.name != DATABASE}

    def new_path(path: str) -> str:
        if path in moved:
            return moved[path]
        is_below = path.startswith((f"{contents.root}/", f"{contents.root}\\"))
        return str(root.joinpath(*path[len(contents.root) + 1 :].split(path[len(contents.root)]))) if is_below else path

    with Database.open(stage / DATABASE) as database, database.writing() as session:
        snapshots = [item for item in file_paths.file_references(session) if item.kind == "snapshot"]
        file_paths.move_files(session, new_path)
        for path in {new_path(item.path) for item in snapshots}:
            staged = stage / Path(path).relative_to(root) if Path(path).is_relative_to(root) else None
            if staged is not None and staged.is_file():
                _move_pairs(staged, new_path)
                digest = sha256(staged)
                renamed = staged.replace(staged.with_name(f"{digest[:16]}.jsonl"))
                new = str(root / renamed.relative_to(stage))
                file_paths.change_snapshot(session, path=path, new_path=new, sha256=digest)
    for pairs in (stage / "runs").rglob(PAIRS):
        _move_pairs(pairs, new_path)
    for cards in (stage / "batches").glob(f"*/{CARDS}"):
        _move_batch(cards, new_path)
    shutil.rmtree(stage / "backups", ignore_errors=True)  # made by opening the database here


def _move_pairs(file: Path, new_path: Callable[[str], str]) -> None:
    """Change the picture paths in a file of card pairs; other content stays as it is, whatever version wrote it.

    A file that was damaged before the backup stays as it is, so that all else can be restored.
    """
    try:
        rows = [json.loads(line) if line else None for line in file.read_text(encoding="utf-8").split("\n")]
    except ValueError as error:  # neither UTF-8 nor JSON
        print_message(DAMAGED_BEFORE.format(file.parent.name, file.name, error))
        return
    _move_sides(rows, new_path)
    lines = ["" if row is None else json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows]
    write_text(file, "\n".join(lines))


def _move_batch(file: Path, new_path: Callable[[str], str]) -> None:
    """Change the picture paths in the cards of a batch; a file that was damaged before stays as it is."""
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        print_message(DAMAGED_BEFORE.format(file.parent.name, file.name, error))
        return
    if isinstance(content, dict) and isinstance(content.get("cards"), list):
        _move_sides(content["cards"], new_path)
    write_text(file, json.dumps(content, ensure_ascii=False, indent=1))


def _move_sides(rows: Sequence[Any], new_path: Callable[[str], str]) -> None:
    """Change the paths of front and back in the rows that have them."""
    for row in rows:
        if isinstance(row, dict):
            row |= {
                side: row[side] and new_path(row[side]) for side in ("front", "back") if isinstance(row.get(side), str)
            }
