"""Copies of the SQLite file: one a day, of which the newest seven are kept."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import date
from pathlib import Path

KEPT_DAYS = 7
DAILY = "-daily-"


def default_folder(file: Path) -> Path:
    """The folder of a database's copies: `backups` next to it."""
    return file.parent / "backups"


def copy_database(file: Path, target: Path) -> bool:
    """Copy a SQLite file that may be in use, as one file that replaces `target` when it is complete.

    Returns False, without a copy, if the content is damaged. Raises OSError, sqlite3.Error.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        # SQLite's backup API: a copy of the file would miss the content of the write-ahead log.
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            if not is_sound(copy):
                return False
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return True


def is_sound(connection: sqlite3.Connection) -> bool:
    """True if SQLite finds no damage in the pages of a database."""
    return connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)


def copy_daily(file: Path, folder: Path) -> None:
    """Copy the database into `folder` if there is no copy of today, and delete all but the newest daily copies.

    A database without cards or runs is not copied: the copy of a day should hold what there was the day before. Nor is
    a damaged one, whose copies would push out the good ones.
    """
    target = folder / f"{file.stem}{DAILY}{date.today():%Y-%m-%d}.db"
    if target.exists():
        return
    # Without room for a copy, the database is used without; the next opening tries again.
    with suppress(OSError, sqlite3.Error):
        if _is_empty(file):
            return
        folder.mkdir(parents=True, exist_ok=True)
        if copy_database(file, target):
            for old in sorted(folder.glob(f"{file.stem}{DAILY}*.db"))[:-KEPT_DAYS]:
                old.unlink(missing_ok=True)


def _is_empty(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as connection:
        tables = ("cards", "runs")
        return not any(connection.execute(f"SELECT EXISTS (SELECT 1 FROM {name})").fetchone()[0] for name in tables)


def newest_copy(file: Path) -> Path | None:
    """The newest copy of a database, daily or made before an upgrade; None if there is none."""
    copies = default_folder(file).glob(f"{file.stem}-*.db")
    return max(copies, key=lambda path: path.stat().st_mtime, default=None)
