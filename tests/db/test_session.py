"""Reading and writing sessions, connection settings, and the error message for an unusable file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from db.cards import all_cards, counts
from db.schema import Picture
from db.session import Database, DatabaseUnusable
from tests.db.row_factory import add_card, add_picture, card_by_name


def add_one(session, number: int) -> None:
    picture = add_picture(session, path=Path("/p"), sha256=f"{number:064x}", width=1, height=1, phash="0" * 16)
    add_card(session, name=f"card {number}", front_id=picture.id)


def names_behind_our_back(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return [name for (name,) in raw.execute("SELECT name FROM cards ORDER BY id")]


def test_a_write_is_in_the_file_when_its_block_ends(database, tmp_path):
    with database.writing() as session:
        add_one(session, 1)
        assert names_behind_our_back(tmp_path / "loupe.db") == []
    assert names_behind_our_back(tmp_path / "loupe.db") == ["card 1"]


def test_an_error_rolls_the_write_back(database, tmp_path):
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        add_one(session, 1)
        raise ZeroDivisionError
    assert names_behind_our_back(tmp_path / "loupe.db") == []


def test_two_threads_writing_at_once_lose_nothing(database, tmp_path):
    """Each thread increments a number that it has read: without a lock from the start, increments would be lost."""
    with database.writing() as session:
        add_one(session, 0)

    def count_up() -> None:
        for _ in range(50):
            with database.writing() as session:
                session.get(Picture, 1).width += 1

    threads = [threading.Thread(target=count_up) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(sqlite3.connect(tmp_path / "loupe.db")) as raw:
        assert raw.execute("SELECT width FROM pictures").fetchone() == (101,)


def test_a_reader_sees_one_state_while_another_session_writes(database):
    with database.reading() as reader:
        assert counts(reader).cards == 0
        with database.writing() as writer:
            add_one(writer, 1)
        assert counts(reader).cards == 0
    with database.reading() as reader:
        assert counts(reader).cards == 1


def test_writing_in_a_reading_session_is_refused(database):
    with pytest.raises(OperationalError, match="readonly"), database.reading() as session:
        add_one(session, 1)


def test_rows_are_usable_after_their_session(database):
    with database.writing() as session:
        add_one(session, 1)
    with database.reading() as session:
        card = card_by_name(session, name="card 1")
    assert card.front.width == 1


def test_every_connection_enforces_foreign_keys_and_waits_for_locks(database):
    for open_session in (database.reading, database.writing):
        with open_session() as session:
            settings = {
                name: session.execute(text(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
            }
        assert settings == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000, "synchronous": 1}


def test_a_card_of_a_picture_that_does_not_exist_is_refused(database):
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), database.writing() as session:
        add_card(session, name="a", front_id=77)


def test_times_are_read_with_a_time_zone_in_utc(database, tmp_path):
    noon_in_tokyo = datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=9)))
    with database.writing() as session:
        add_one(session, 1)
        session.get(Picture, 1).created_at = noon_in_tokyo
    with closing(sqlite3.connect(tmp_path / "loupe.db")) as raw:
        assert raw.execute("SELECT created_at FROM pictures").fetchone()[0].startswith("2026-01-02 03:00:00")
    with database.reading() as session:
        assert session.get(Picture, 1).created_at == noon_in_tokyo
        assert session.get(Picture, 1).created_at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(database):
    with pytest.raises(StatementError, match="no time zone"), database.writing() as session:
        add_one(session, 1)
        session.get(Picture, 1).created_at = datetime(2026, 1, 2)


def test_a_url_opens_the_same_file_as_its_path(database, tmp_path):
    with database.writing() as session:
        add_one(session, 1)
    again = Database.open(f"sqlite:///{tmp_path / 'loupe.db'}")
    with again.reading() as session:
        assert [card.name for card in all_cards(session)] == ["card 1"]
    again.close()


def test_a_missing_folder_is_created(tmp_path):
    Database.open(tmp_path / "new" / "folder" / "loupe.db").close()
    assert (tmp_path / "new" / "folder" / "loupe.db").is_file()


@pytest.mark.slow
def test_programs_that_start_together_on_a_new_file_all_open_it(tmp_path):
    open_it = f"from db.session import Database; Database.open({str(tmp_path / 'loupe.db')!r}).close()"
    processes = [subprocess.Popen([sys.executable, "-c", open_it], stderr=subprocess.PIPE) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", 0)] * 4


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "loupe.db"
    path.write_text("card_id,front\n" * 200)
    with pytest.raises(DatabaseUnusable, match=rf"{path} is not a Loupe database; move"):
        Database.open(path)


def test_another_program_s_database_is_not_changed(tmp_path):
    path = tmp_path / "loupe.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(DatabaseUnusable, match="belongs to another program"):
        Database.open(path)


def test_a_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnusable, match=r"cannot be created .* choose another data folder"):
        Database.open(tmp_path / "file" / "loupe.db")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DatabaseUnusable, match="check that its folder exists and may be written to"):
        Database.open(tmp_path / "loupe.db")
    tmp_path.chmod(0o700)


def test_a_lock_held_too_long_is_explained(database, tmp_path, monkeypatch):
    impatient = Database.open(tmp_path / "loupe.db")
    with impatient.reading() as session:
        session.execute(text("PRAGMA busy_timeout = 1"))
    with database.writing(), pytest.raises(DatabaseUnusable, match="locked by another program"), impatient.writing():
        pass
    impatient.close()


def test_a_damaged_table_gives_one_message_for_reading_and_writing(database, tmp_path):
    with database.writing() as session:
        add_one(session, 1)
    database.close()
    path = tmp_path / "loupe.db"
    with closing(sqlite3.connect(path)) as raw:
        (root,) = raw.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'cards'").fetchone()
        (page_bytes,) = raw.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)
    for open_session in (database.reading, database.writing):
        damaged = rf"{path} is damaged, and there is no copy"
        with pytest.raises(DatabaseUnusable, match=damaged), open_session() as session:
            all_cards(session)


def set_schema_format(content):
    """Of the header, which is damaged: SQLite knows schema formats 1 to 4."""
    return content[:47] + b"\x09" + content[48:]


def damage_schema(content):
    """The text of the schema, which SQLite quotes in its message, as bytes that are no UTF-8."""
    return content.replace(b"CREATE TABLE cards", b"CREATE TABLE\xe5cards")


def damage_text(content):
    return content.replace(b"0" * 63 + b"1", b"0" * 63 + b"\xe5")


@pytest.mark.parametrize("damage", [set_schema_format, damage_schema, damage_text])
def test_damage_that_sqlite_has_no_error_code_for_gives_the_same_message(database, tmp_path, damage):
    with database.writing() as session:
        add_one(session, 1)
    database.close()
    path = tmp_path / "loupe.db"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole
    damaged = rf"{path} is damaged"
    with pytest.raises(DatabaseUnusable, match=damaged), Database.open(path) as opened, opened.reading() as session:
        session.scalars(select(Picture)).all()


@pytest.mark.parametrize("sent", ["inside", "by the commit"])
def test_a_full_disk_gives_one_message_and_the_write_is_rolled_back(database, tmp_path, sent):
    with database.reading() as session:  # the writer gets the same connection, whose file may not grow any more
        pages = session.execute(text("PRAGMA page_count")).scalar()
        session.execute(text(f"PRAGMA max_page_count = {pages}"))
    path = tmp_path / "loupe.db"
    with pytest.raises(DatabaseUnusable, match=rf"{path} cannot grow: the disk is full"), database.writing() as session:
        for number in range(pages):
            session.add(Picture(path="/p" * 4096, sha256=f"{number:064x}", width=1, height=1, phash="0" * 16))
        if sent == "inside":
            session.flush()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM pictures").fetchone() == (0,)


def test_a_caller_s_exception_passes_through_reading_and_writing_unchanged(database):
    for open_session in (database.reading, database.writing):
        for raised in (ZeroDivisionError(), FileNotFoundError("a.png"), sqlite3.DatabaseError("another file")):
            with pytest.raises(type(raised)) as caught, open_session():
                raise raised
            assert caught.value is raised


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url):
    with pytest.raises(DatabaseUnusable, match="give a file"):
        Database.open(url)


def test_an_invalid_url_is_refused():
    with pytest.raises(DatabaseUnusable, match="is not a database URL"):
        Database.open("://nowhere")


def test_a_kind_of_database_without_a_driver_is_named():
    with pytest.raises(DatabaseUnusable, match="no driver for nonesuch databases is installed"):
        Database.open("nonesuch://host/loupe")


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE label_events",
        "ALTER TABLE cards DROP COLUMN notes",
        "UPDATE pictures SET quality = '{'",
        "UPDATE cards SET created_at = 'x'",
    ],
)
def test_a_database_that_another_program_changed_is_named_as_damaged(migrated_file, tmp_path, damage):
    path = tmp_path / "loupe.db"
    shutil.copy(migrated_file, path)
    with Database.open(path) as database, database.writing() as session:
        add_one(session, 1)
    with closing(sqlite3.connect(path)) as other:
        other.execute(damage)
        other.commit()
    with (
        pytest.raises(DatabaseUnusable, match=rf"^{path} is damaged[,;] "),
        Database.open(path) as database,
        database.reading() as session,
    ):
        all_cards(session)


@pytest.mark.parametrize(("lose", "problem"), [(Path.unlink, "is missing"), (lambda p: p.write_bytes(b""), "is empty")])
def test_a_database_that_is_gone_but_has_a_copy_is_not_begun_again_in_silence(migrated_file, tmp_path, lose, problem):
    path = tmp_path / "loupe.db"
    shutil.copy(migrated_file, path)
    with Database.open(path) as database, database.writing() as session:
        add_one(session, 1)
    Database.open(path).close()
    (copy,) = (tmp_path / "backups").glob("*.db")
    lose(path)
    for _ in range(2):
        with pytest.raises(DatabaseUnusable, match=f"^{path} {problem}; put its newest copy back: .* restore {copy};"):
            Database.open(path)
    (tmp_path / "backups").rename(tmp_path / "elsewhere")
    with Database.open(path) as database, database.reading() as session:
        assert counts(session).cards == 0
