"""Upgrade a database to the newest revision, after a backup of an older file."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

from db.backups import copy_database, default_folder, newest_copy

MIGRATIONS = Path(__file__).parent / "migrations"


def damaged_message(file: Path) -> str:
    """Sentence on a damaged database file that names its newest copy, if there is one."""
    copy = newest_copy(file)
    if copy is None:
        return f"{file} is damaged, and there is no copy of it; move it away to begin with an empty one"
    return f"{file} is damaged; close Loupe and put its newest copy back: python launch.py restore {copy}"


class DatabaseUnusable(RuntimeError):
    """The database cannot be used; the message is one sentence with its name, the problem and the remedy."""


def migrate(readers: Engine, writers: Engine, *, file: Path | None, backup_dir: Path | None) -> None:
    """Upgrade to the newest revision if needed.

    The upgrade is one transaction with the write lock: of two programs started together only one migrates, and a failed
    migration leaves the database unchanged.

    file         the SQLite file, None for other databases
    backup_dir   folder of the backup; None: the folder `backups` next to the file
    raises       DatabaseUnusable if the database is newer than this program or belongs to another program
    """
    scripts = _scripts(MIGRATIONS)
    newest = scripts.get_current_head()
    with readers.connect() as connection:
        if _revision(connection) == newest:
            return
    with writers.begin() as connection:
        revision = _revision(connection)
        if revision == newest:
            return
        _check_revision(connection, revision, scripts)
        if file is not None and revision is not None:
            _back_up(file, revision, backup_dir or default_folder(file))
        command.upgrade(_config(connection), "head")


@cache
def _scripts(folder: Path) -> ScriptDirectory:
    """The migrations in a folder, compiled once: a command opens the database several times."""
    return ScriptDirectory(str(folder))


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # % is special to ConfigParser
    config.attributes["connection"] = connection
    return config


def _check_revision(connection: Connection, revision: str | None, scripts: ScriptDirectory) -> None:
    name = connection.engine.url.render_as_string(hide_password=True)
    if revision is None:
        if inspect(connection).get_table_names():
            raise DatabaseUnusable(f"{name} belongs to another program; choose another data folder")
    elif revision not in {script.revision for script in scripts.walk_revisions()}:
        raise DatabaseUnusable(f"{name} was written by a newer Loupe (revision {revision}); update this one")


def _back_up(file: Path, revision: str, backup_dir: Path) -> None:
    """Back up a live SQLite file. Raises DatabaseUnusable."""
    backup = backup_dir / f"{file.stem}-{revision}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
    try:
        backup_dir.mkdir(parents=True, exist_ok=True)
        is_copied = copy_database(file, backup)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnusable(f"{backup}: the backup before the upgrade failed ({error}); free some space") from error
    if not is_copied:
        raise DatabaseUnusable(damaged_message(file))
