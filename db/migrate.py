"""Bring a database up to date, with a copy of an older file put aside first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

MIGRATIONS = Path(__file__).parent / "migrations"


class DatabaseUnusable(RuntimeError):
    """The database cannot be used; the message is one sentence naming it, the trouble and the remedy."""


def migrate(readers: Engine, writers: Engine, *, file: Path | None, backup_dir: Path | None) -> None:
    """Upgrade to the newest revision, if it is due.

    It is one transaction that holds the write lock, so that of two programs started together one migrates and the
    other then finds nothing to do, and a failed migration leaves the database as it was.

    file         the SQLite file, None for other databases
    backup_dir   where its copy goes; None: the folder `backups` beside it
    raises       DatabaseUnusable where the database is newer than this program, or another program's
    """
    scripts = ScriptDirectory(str(MIGRATIONS))
    newest = scripts.get_current_head()
    with readers.connect() as connection:
        if _revision(connection) == newest:
            return
    with writers.begin() as connection:
        revision = _revision(connection)
        if revision == newest:
            return
        _check_ours(connection, revision, scripts)
        if file is not None and revision is not None:
            _put_copy_aside(file, revision, backup_dir or file.parent / "backups")
        command.upgrade(_config(connection), "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # % is special to ConfigParser
    config.attributes["connection"] = connection
    return config


def _check_ours(connection: Connection, revision: str | None, scripts: ScriptDirectory) -> None:
    name = connection.engine.url.render_as_string(hide_password=True)
    if revision is None:
        if inspect(connection).get_table_names():
            raise DatabaseUnusable(f"{name} belongs to another program; choose another data folder")
    elif revision not in {script.revision for script in scripts.walk_revisions()}:
        raise DatabaseUnusable(f"{name} was written by a newer Loupe (revision {revision}); update this one")


def _put_copy_aside(file: Path, revision: str, backup_dir: Path) -> None:
    """Copy a live SQLite file with SQLite's own backup: a plain file copy would miss what is still in the WAL."""
    backup = backup_dir / f"{file.stem}-{revision}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
    try:
        backup_dir.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(backup)) as target:
            source.backup(target)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnusable(f"{backup}: the copy before the update failed ({error}); free some space") from error
