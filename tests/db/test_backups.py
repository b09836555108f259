"""Copies of the database: one a day, seven kept, never of a damaged file, and named when the file is damaged."""

import os
import sqlite3
from contextlib import closing
from datetime import date, timedelta

import pytest

from db import backups
from db.cards import all_cards
from db.session import Database, DatabaseUnusable
from tests.db.row_factory import add_card, add_picture


@pytest.fixture
def file(database, tmp_path):
    """A database with one card."""
    with database.writing() as session:
        picture = add_picture(session, path="/p", sha256="0" * 64, width=1, height=1, phash="0" * 16)
        add_card(session, name="a card", front_id=picture.id)
    return tmp_path / "loupe.db"


class Calendar(date):
    """A date class whose today can be set."""

    day = date(2026, 3, 1)

    @classmethod
    def today(cls):
        return cls.day


@pytest.fixture(autouse=True)
def calendar(monkeypatch):
    monkeypatch.setattr(backups, "date", Calendar)
    monkeypatch.setattr(Calendar, "day", date(2026, 3, 1))
    return Calendar


def open_and_close(file):
    Database.open(file).close()


def copies(file):
    return sorted(path.name for path in (file.parent / "backups").glob("*"))


def damage(file):
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    content = bytearray(file.read_bytes())
    content[4096 : len(content) // 2] = os.urandom(len(content) // 2 - 4096)
    file.write_bytes(bytes(content))


def test_the_first_opening_of_a_day_copies_the_database_and_seven_copies_are_kept(file, calendar):
    for _ in range(9):
        for _ in range(2):
            open_and_close(file)
        calendar.day += timedelta(days=1)
    assert copies(file) == [f"loupe-daily-2026-03-{day:02d}.db" for day in range(3, 10)]
    with closing(sqlite3.connect(file.parent / "backups" / "loupe-daily-2026-03-09.db")) as copy:
        assert copy.execute("SELECT name FROM cards").fetchall() == [("a card",)]
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",), "a copy is a single file"


def test_a_database_without_cards_and_runs_is_not_copied(database, tmp_path):
    open_and_close(tmp_path / "loupe.db")
    assert not (tmp_path / "backups").exists()


def test_a_copy_that_fails_leaves_nothing_behind_and_the_database_open(file, monkeypatch):
    (file.parent / "backups").write_text("a file where the folder should be")
    open_and_close(file)
    (file.parent / "backups").unlink()
    with monkeypatch.context() as full:
        full.setattr(backups, "is_sound", lambda copy: copy.execute("SELECT * FROM nowhere"))
        open_and_close(file)
    assert copies(file) == []
    open_and_close(file)
    assert copies(file) == ["loupe-daily-2026-03-01.db"]


def test_copies_of_a_damaged_database_do_not_push_out_good_ones(file, database, calendar):
    open_and_close(file)
    database.close()
    damage(file)
    for _ in range(8):
        calendar.day += timedelta(days=1)
        backups.copy_daily(file, file.parent / "backups")
    assert copies(file) == ["loupe-daily-2026-03-01.db"]


@pytest.mark.parametrize("kind", ["pages", "no database at all"])
def test_a_damaged_database_is_reported_with_its_newest_copy(file, database, calendar, kind):
    for _ in range(2):
        open_and_close(file)
        calendar.day += timedelta(days=1)
    newest = file.parent / "backups" / "loupe-daily-2026-03-02.db"
    os.utime(newest, (2e9, 2e9))
    database.close()
    if kind == "pages":
        damage(file)
    else:
        file.write_bytes(os.urandom(20_000))
    message = rf"{file} is damaged; close Loupe and put .*restore {newest}$"
    with pytest.raises(DatabaseUnusable, match=message), Database.open(file) as opened, opened.reading() as session:
        all_cards(session)
