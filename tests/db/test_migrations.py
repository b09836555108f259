"""The migrations lead exactly to the schema, and an older file is backed up before it changes."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import db.migrate
import db.session
from db.cards import counts
from db.label_queue import queue_rows
from db.labels import add_label, current_labels, label_history
from db.line_corrections import current_lines
from db.promotions import current_model
from db.runs import runs
from db.schema import Base
from db.session import Database, DatabaseUnusable
from tests.db.row_factory import add_picture, all_pictures

NEWEST = "0012"
NEXT_STEP = '''"""A step made up for this test."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"


def upgrade() -> None:
    op.create_table("extra", sa.Column("id", sa.Integer(), primary_key=True))
    {then}
'''


def create_database_of_before(revision: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create loupe.db in a folder as the program did before a revision."""
    later = (f"{number:04d}*" for number in range(revision, int(NEWEST) + 1))
    migrations = folder / "migrations_of_then"
    shutil.copytree(db.migrate.MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__", *later))
    with monkeypatch.context() as patch:
        patch.setattr(db.migrate, "MIGRATIONS", migrations)
        patch.setattr(db.session, "_require_all_columns", lambda engine: None)  # that program knew fewer
        Database.open(folder / "loupe.db").close()


@pytest.fixture
def with_next_migration(tmp_path, monkeypatch):
    """Add a migration that ends with the given statement."""

    def install(then: str = "") -> None:
        folder = tmp_path / "100% migrations"
        shutil.copytree(db.migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / "9999_more.py").write_text(NEXT_STEP.format(newest=NEWEST, then=then))
        monkeypatch.setattr(db.migrate, "MIGRATIONS", folder)

    return install


@pytest.fixture
def database_path(tmp_path) -> Path:
    """A database file of the newest revision with one picture in it."""
    path = tmp_path / "loupe.db"
    database = Database.open(path)
    with database.writing() as session:
        add_picture(session, path=Path("/p"), sha256="a" * 64, width=1, height=1, phash="0" * 16)
    database.close()
    return path


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as raw:
        return {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def rules(path: Path) -> dict[str, set[str]]:
    """Columns and constraints of each table and index as stored by SQLite, independent of their order."""
    with closing(sqlite3.connect(path)) as raw:
        statements = raw.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql <> ''")
        stored = {name: re.sub(r'["\s]+', " ", sql) for name, sql in statements if name != "alembic_version"}
    return {
        name: {part.strip(" )") for part in re.split(r", (?=[a-z0-9_]+ |CONSTRAINT)", sql)}
        for name, sql in stored.items()
    }


def test_the_migrations_produce_the_schema(database):
    with database.engine.execution_options(writes=False).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_migrations_produce_the_schema_s_constraints(database_path, tmp_path):
    """Alembic compares no CHECK constraints; the statements that SQLite keeps hold them all."""
    engine = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    assert rules(database_path) == rules(tmp_path / "direct.db")


def test_the_schema_compiles_for_postgresql():
    for table in Base.metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=postgresql.dialect()))
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=postgresql.dialect()))


def test_opening_again_changes_nothing_and_copies_nothing(database_path):
    before = database_path.read_bytes()
    Database.open(database_path).close()
    assert database_path.read_bytes() == before
    assert not (database_path.parent / "backups").exists()


def test_a_new_file_needs_no_copy(tmp_path):
    Database.open(tmp_path / "loupe.db").close()
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("backup_dir", [None, "elsewhere/copies"])
def test_an_older_file_is_backed_up_before_it_changes(database_path, tmp_path, with_next_migration, backup_dir):
    with_next_migration()
    Database.open(database_path, backup_dir=backup_dir and tmp_path / backup_dir).close()
    [copy] = (tmp_path / (backup_dir or "backups")).iterdir()
    assert copy.name.startswith(f"loupe-{NEWEST}-")
    assert "extra" in tables(database_path)
    assert "extra" not in tables(copy)
    with closing(sqlite3.connect(copy)) as raw:
        assert raw.execute("SELECT sha256 FROM pictures").fetchall() == [("a" * 64,)]


def test_the_backup_contains_another_program_s_unmerged_write_ahead_log(database_path, tmp_path, with_next_migration):
    with closing(sqlite3.connect(database_path)) as connection:
        connection.execute("UPDATE pictures SET width = 5")
        connection.commit()  # in the -wal file only: `connection` stays open, so nothing is moved to the main file
        with_next_migration()
        Database.open(database_path).close()
        [copy] = (tmp_path / "backups").glob("*.db")
        with closing(sqlite3.connect(copy)) as raw:
            assert raw.execute("SELECT width FROM pictures").fetchone() == (5,)


def test_a_failed_migration_leaves_the_file_as_it_was(database_path, with_next_migration):
    with_next_migration("raise RuntimeError('the power went')")
    with pytest.raises(RuntimeError, match="the power went"):
        Database.open(database_path)
    assert "extra" not in tables(database_path)


def test_without_a_backup_nothing_is_migrated(database_path, tmp_path, with_next_migration):
    with_next_migration()
    (tmp_path / "full").write_text("a file where the folder should be")
    with pytest.raises(DatabaseUnusable, match="the backup before the upgrade failed"):
        Database.open(database_path, backup_dir=tmp_path / "full")
    assert "extra" not in tables(database_path)


def test_a_database_of_a_newer_program_is_refused(database_path, tmp_path, with_next_migration, monkeypatch):
    with monkeypatch.context():
        with_next_migration()
        Database.open(database_path).close()
    monkeypatch.undo()
    with pytest.raises(DatabaseUnusable, match=r"written by a newer Loupe \(revision 9999\); update"):
        Database.open(database_path)


def test_a_migrated_database_keeps_its_rows(database_path, with_next_migration):
    with_next_migration()
    database = Database.open(database_path)
    with database.reading() as session:
        assert counts(session).pictures == 1
    database.close()


def add_picture_without_size(path: Path) -> None:
    """Add a picture to a database of revision 0003 or before."""
    with closing(sqlite3.connect(path)) as raw:
        columns = "sha256, path, width, height, phash, created_at"
        values = ("a" * 64, "0" * 16, "2026-01-01 00:00:00")
        raw.execute(f"INSERT INTO pictures ({columns}) VALUES (?, '/p', 1, 1, ?, ?)", values)
        raw.commit()


def add_label_without_author(path: Path) -> None:
    """Add a card with a grade to a database of revision 0004 or before."""
    with closing(sqlite3.connect(path)) as raw:
        columns = "name, group_name, front_id, cert, game, notes, synthetic, created_at"
        raw.execute(f"INSERT INTO cards ({columns}) VALUES ('c', 'c', 1, '', '', '', 0, '2026-01-01 00:00:00')")
        columns = "card_id, grade, source, note, created_at"
        raw.execute(f"INSERT INTO label_events ({columns}) VALUES (1, 9, 'person', '', '2026-01-01 00:00:00')")
        raw.commit()


def test_a_file_without_line_corrections_is_migrated_with_its_labels(tmp_path, monkeypatch):
    create_database_of_before(2, tmp_path, monkeypatch)
    add_picture_without_size(tmp_path / "loupe.db")
    add_label_without_author(tmp_path / "loupe.db")
    assert "lines_events" not in tables(tmp_path / "loupe.db")
    with Database.open(tmp_path / "loupe.db") as database, database.reading() as session:
        assert [label.grade for label in current_labels(session).values()] == [9]
        assert current_lines(session) == {}
    [copy] = (tmp_path / "backups").glob("loupe-0*")  # and not the daily copy
    assert copy.name.startswith("loupe-0001-")


def test_a_run_without_a_plan_is_migrated_without_one(tmp_path, monkeypatch):
    create_database_of_before(3, tmp_path, monkeypatch)
    with closing(sqlite3.connect(tmp_path / "loupe.db")) as raw:
        columns = "recipe, config, folder, log_path, state, message, created_at"
        raw.execute(
            f"INSERT INTO runs ({columns}) VALUES ('r', '{{}}', '/f', '/l', 'queued', '', '2026-01-01 00:00:00')"
        )
        raw.commit()
    with Database.open(tmp_path / "loupe.db") as database, database.reading() as session:
        [run] = runs(session)
        assert (run.recipe, run.plan) == ("r", None)


def test_a_picture_without_a_size_is_migrated_with_an_unknown_size(tmp_path, monkeypatch):
    create_database_of_before(4, tmp_path, monkeypatch)
    add_picture_without_size(tmp_path / "loupe.db")
    with Database.open(tmp_path / "loupe.db") as database, database.reading() as session:
        [picture] = all_pictures(session)
        assert (picture.path, picture.size_bytes, picture.file_version) == ("/p", None, None)


def test_a_picture_of_before_the_file_versions_is_migrated_without_one(tmp_path, monkeypatch):
    create_database_of_before(7, tmp_path, monkeypatch)
    add_picture_without_size(tmp_path / "loupe.db")
    with Database.open(tmp_path / "loupe.db") as database, database.reading() as session:
        [picture] = all_pictures(session)
        assert (picture.path, picture.file_version) == ("/p", None)


def test_a_label_without_an_author_is_migrated_with_an_unknown_author(tmp_path, monkeypatch):
    create_database_of_before(5, tmp_path, monkeypatch)
    add_picture_without_size(tmp_path / "loupe.db")
    add_label_without_author(tmp_path / "loupe.db")
    with Database.open(tmp_path / "loupe.db") as database, database.writing() as session:
        add_label(session, card_id=1, grade=8, source="person", author="ann")
        assert [(label.grade, label.author) for label in label_history(session, card_id=1)] == [(9, ""), (8, "ann")]


def test_the_current_label_and_the_facts_of_an_older_database_follow_from_its_histories(tmp_path, monkeypatch):
    create_database_of_before(9, tmp_path, monkeypatch)
    histories = [[], [("import", 8), ("import", 7)], [("import", 8), ("person", 6), ("person", 5), ("import", 9)]]
    with closing(sqlite3.connect(tmp_path / "loupe.db")) as raw:
        for number, history in enumerate(histories, 1):
            values = (number, f"{number:064x}", "0" * 16, "2026-01-01 00:00:00")
            columns = "id, sha256, path, width, height, phash, created_at"
            raw.execute(f"INSERT INTO pictures ({columns}) VALUES (?, ?, '/p', 1, 1, ?, ?)", values)
            raw.execute(
                "INSERT INTO cards (id, name, group_name, front_id, cert, game, notes, synthetic, created_at) "
                f"VALUES ({number}, 'c{number}', 'c', {number}, '', '', '', 0, '2026-01-01 00:00:00')"
            )
            for source, grade in history:
                columns = "card_id, grade, source, author, note, created_at"
                raw.execute(
                    f"INSERT INTO label_events ({columns}) VALUES (?, ?, ?, '', '', '2026-01-01 00:00:00')",
                    (number, grade, source),
                )
        raw.commit()
    with Database.open(tmp_path / "loupe.db") as database, database.reading() as session:
        assert {card: label.grade for card, label in current_labels(session).items()} == {2: 7, 3: 5}
        facts = {row.card_id: (row.is_reviewed, row.lowest, row.highest) for row in queue_rows(session)}
        assert facts == {1: (False, None, None), 2: (False, 7, 7), 3: (True, 5, 9)}


def test_a_promotion_of_before_the_history_is_migrated_with_what_is_unknown(tmp_path, monkeypatch):
    create_database_of_before(10, tmp_path, monkeypatch)
    with closing(sqlite3.connect(tmp_path / "loupe.db")) as raw:
        raw.execute(f"INSERT INTO promotions VALUES (1, NULL, '/m.pt', '{'a' * 64}', '2026-11-01 10:00:00')")
        raw.commit()
    with Database.open(tmp_path / "loupe.db") as database, database.reading() as session:
        row = current_model(session)
        assert (row.model_path, row.name, row.author, row.reason) == ("/m.pt", "", "", "")
        assert (row.comparison, row.is_rollback) == (None, False)
