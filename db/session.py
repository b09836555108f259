"""Database sessions: reading() is a consistent read, writing() is one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from db.append_only import guard
from db.backups import copy_daily, default_folder, newest_copy
from db.migrate import DatabaseUnusable, damaged_message, migrate
from db.schema import Base, DamagedValue

__all__ = ["Database", "DatabaseUnusable", "Session"]

BUSY_TIMEOUT_S = 10
# Messages for the user by SQLite's primary error code.
SQLITE_ERRORS = {
    sqlite3.SQLITE_NOTADB: "is not a Loupe database; move that file away or choose another data folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its folder exists and may be written to",
    sqlite3.SQLITE_READONLY: "may not be written to; check the permissions of the file and its folder",
    sqlite3.SQLITE_PERM: "may not be written to; check the permissions of the file and its folder",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error; check the disk",
    sqlite3.SQLITE_BUSY: f"was locked by another program for more than {BUSY_TIMEOUT_S} s; close it and retry",
}
# Of damage in the header, and in a text; SQLite has no error code for them.
DAMAGE_WITHOUT_CODE = ("unsupported file format", "Could not decode to UTF-8")


class Database:
    """An open, migrated database. Rows returned by its sessions stay usable after the session is closed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._readers = sessionmaker(_reading(engine), expire_on_commit=False)
        self._writers = sessionmaker(_writing(engine), expire_on_commit=False)
        guard(self._writers)

    @classmethod
    def open(cls, url_or_path: str | Path, *, backup_dir: Path | None = None) -> Database:
        """Open a database; create it if missing, upgrade it if older, and copy it if that was not done today.

        url_or_path   a file path or a database URL
        backup_dir    folder for the daily copies and those before an upgrade; default: `backups` next to the file
        raises        DatabaseUnusable
        """
        url = _as_url(url_or_path)
        file = _sqlite_file(url)
        if file is not None:
            _make_folder(file.parent)
            _require_not_lost(file)
        engine = _server_engine(url) if file is None else _sqlite_engine(url)
        try:
            with _translate_errors(engine):
                migrate(_reading(engine), _writing(engine), file=file, backup_dir=backup_dir)
                _require_all_columns(_reading(engine))
                if file is not None:
                    copy_daily(file, backup_dir or default_folder(file))
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A read-only session that sees the database as of its first query.

        Raises DatabaseUnusable if the file cannot be read.
        """
        with _translate_errors(self.engine, writes=False), self._readers() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is one transaction: committed at the end, rolled back on any exception.

        On SQLite the write lock is acquired at once (BEGIN IMMEDIATE), so data read here cannot change before it is
        written back. Keep it short: other writers wait for at most 10 s. Raises DatabaseUnusable after that, or if the
        file cannot be read or written.
        """
        with _translate_errors(self.engine), self._writers.begin() as session:
            session.connection()
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reading(engine: Engine) -> Engine:
    return engine.execution_options(writes=False, postgresql_readonly=True)


def _writing(engine: Engine) -> Engine:
    return engine.execution_options(writes=True)


def _as_url(url_or_path: str | Path) -> URL:
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return URL.create("sqlite", database=str(Path(url_or_path).expanduser().absolute()))
    try:
        return make_url(url_or_path)
    except ArgumentError as error:
        raise DatabaseUnusable(
            f"{url_or_path!r} is not a database URL; write for example sqlite:////path/to/loupe.db"
        ) from error


def _sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    if not url.database or url.database == ":memory:":
        raise DatabaseUnusable("a database in memory cannot be shared by the app and its runs; give a file")
    return Path(url.database)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnusable(
            f"{folder}: the folder cannot be created ({error.strerror}); choose another data folder"
        ) from error


def _require_not_lost(file: Path) -> None:
    """Raise DatabaseUnusable if a file is missing or empty, but was a database: there is a copy of it.

    SQLite would take it for a new database, and all cards would seem to be gone.
    """
    if (not file.exists() or file.stat().st_size == 0) and (copy := newest_copy(file)) is not None:
        problem = "is empty" if file.exists() else "is missing"
        raise DatabaseUnusable(
            f"{file} {problem}; put its newest copy back: python launch.py restore {copy}; or move {copy.parent} away "
            "to begin without cards"
        )


def _require_all_columns(engine: Engine) -> None:
    """Raise DatabaseUnusable if a table or column of the schema is missing."""
    inspector = inspect(engine)
    tables = set(inspector.get_table_names())
    for name, table in Base.metadata.tables.items():
        columns = {column["name"] for column in inspector.get_columns(name)} if name in tables else set()
        if not {column.name for column in table.columns} <= columns:
            raise DatabaseUnusable(damaged_message(Path(engine.url.database or "")))


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DamagedValue(f"{text[:20]!r} is not JSON") from error


def _server_engine(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise DatabaseUnusable(
            f"no driver for {url.drivername} databases is installed ({error}); install one"
        ) from error


def _sqlite_engine(url: URL) -> Engine:
    """An engine with explicit transactions.

    By default Python's sqlite3 begins a transaction only before the first write, which makes read-then-write unsafe.
    Connection.autocommit needs Python 3.12 and has no IMMEDIATE; isolation_level None with an explicit BEGIN works on
    every version.
    """
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, json_deserializer=_parse_json)
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options()["writes"]
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_damaged(error: DBAPIError | UnicodeDecodeError, file: Path) -> bool:
    """True for the errors on a damaged file, or on one that is no database but was: there is a copy of it."""
    if isinstance(error, UnicodeDecodeError):  # SQLite's message quotes the schema, which is damaged
        return bytes(error.object).startswith(b"malformed database schema")
    primary = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_CORRUPT or str(error.orig).startswith(DAMAGE_WITHOUT_CODE):
        return True
    return primary == sqlite3.SQLITE_NOTADB and newest_copy(file) is not None


@contextmanager
def _translate_errors(engine: Engine, *, writes: bool = True) -> Iterator[None]:
    """Translate SQLite's errors about the file into DatabaseUnusable; other exceptions pass unchanged."""
    try:
        yield
    except DamagedValue as error:
        raise DatabaseUnusable(damaged_message(Path(engine.url.database or ""))) from error
    except (DBAPIError, UnicodeDecodeError) as error:
        file = Path(engine.url.database or "")
        if engine.url.get_backend_name() == "sqlite" and _is_damaged(error, file):
            raise DatabaseUnusable(damaged_message(file)) from error
        code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
        problem = None if code is None else SQLITE_ERRORS.get(code & 0xFF)
        # A write in a read-only session is a bug, not a problem of the file.
        if problem is None or (code == sqlite3.SQLITE_READONLY and not writes):
            raise
        raise DatabaseUnusable(f"{engine.url.database} {problem}") from error
