"""A backup holds all that a data folder refers to, and is restored elsewhere with every hash checked."""

import hashlib
import json
import os
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app.commands.backup
from app.batch.batch import Batch
from app.batch.sources import batch_from_files
from app.commands.backup import back_up, restore
from app.models.model_registry import model_path
from app.settings import UserError, data_folder
from db import labels, promotions, runs, snapshots
from db.cards import all_cards
from db.session import Database
from engine.cards.pairs import read_snapshot
from engine.config import build
from engine.experiments import run_folder
from engine.storage.file_hash import sha256
from labeling.import_cards import import_cards
from labeling.snapshot import freeze
from tests.card_factory import write_cards
from tests.commands import call


@pytest.fixture
def filled(data_home, tmp_path):
    """A data folder with six cards, one of them labelled by a person, and a run whose model is the current one.

    The pictures and the model lie outside the folder.
    """
    data, database = data_home.data, data_home.database
    import_cards(database, write_cards(tmp_path.with_name(f"{tmp_path.name}-pictures"), [1, 5, 7, 8, 9, 10]))
    frozen = freeze(database, folder=data.snapshots)
    folder = data.run_folder(1)
    run_folder.save(folder, build({}), frozen.pairs)
    (folder / "last.ckpt").write_bytes(b"checkpoint")
    (folder / "run.lock").touch()
    model = tmp_path.with_name(f"{tmp_path.name}-model.pt")
    model.write_bytes(b"model")
    (data.root / "cache").mkdir()
    (data.root / "cache" / "large.u8").write_bytes(b"0" * 10_000)
    with database.writing() as session:
        run = runs.add_run(
            session,
            recipe="loupe",
            parent=None,
            config=build({}).model_dump(),
            snapshot_id=frozen.snapshot_id,
            folder=str(folder),
            log_path=str(data.log(1)),
        )
        run.summary = {"model": str(folder / "model.pt"), "qwk": 0.5}
        promotions.promote(session, model_path=model, sha256=sha256(model), run_id=run.id)
        labels.add_label(session, card_id=all_cards(session)[0].id, grade=3, source="person")
    return data_home


def labels_by_card(database):
    with database.reading() as session:
        current = labels.current_labels(session)
        return {card.name: current[card.id].grade for card in all_cards(session)}


def test_all_is_restored_in_another_place_after_the_first_is_gone(filled, tmp_path):
    backup = tmp_path.with_name(f"{tmp_path.name}-backup.zip")
    expected = labels_by_card(filled.database)
    written = back_up(filled.data, backup)
    assert written["left_out"] == []
    with zipfile.ZipFile(backup) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert not any("cache" in name or name.endswith(".lock") for name in names)
    assert sum(name.startswith("pictures/") for name in names) == 12

    filled.database.close()
    for path in tmp_path.parent.glob(f"{tmp_path.name}*"):
        if path != backup:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    data = data_folder(tmp_path.with_name(f"{tmp_path.name}-new"))
    restored = restore(data, backup)
    assert (restored["cards"], restored["files"]) == (6, written["files"])
    with Database.open(data.database) as database:
        assert labels_by_card(database) == expected
        with database.reading() as session:
            for card in all_cards(session):
                for picture in (card.front, card.back):
                    assert sha256(Path(picture.path)) == picture.sha256
                    assert Path(picture.path).is_relative_to(data.root)
            run = runs.get(session, run_id=1)
            snapshot = snapshots.get(session, snapshot_id=run.snapshot_id)
    assert (run.folder, run.summary["model"]) == (str(data.run_folder(1)), str(data.run_folder(1) / "model.pt"))
    assert (Path(run.folder) / "last.ckpt").read_bytes() == b"checkpoint"
    assert sha256(Path(snapshot.path)) == snapshot.sha256
    pairs = read_snapshot(Path(snapshot.path))
    assert all(path.is_file() for pair in pairs for path in (pair.front, pair.back))
    run_folder.save(data.run_folder(1), build({}), pairs)  # a resumed run compares them with those of its folder
    assert model_path("current", data).read_bytes() == b"model"
    assert sorted(path.name for path in data.root.iterdir() if path.suffix in (".part", ".zip")) == []


def test_a_batch_comes_back_with_its_uploaded_pictures_and_can_be_resumed(filled, tmp_path):
    upload = tmp_path / "card.png"
    Image.fromarray(np.full((20, 14, 3), 90, np.uint8)).save(upload)
    batch = batch_from_files(filled.data, [upload])
    batch.rows_file.append([{"number": 0, "card_id": "card", "error": "no card found"}])
    batch.graded(0, ".json").write_text('{"card_id": "card"}', encoding="utf-8")
    damaged = filled.data.batch_folder(2)
    damaged.mkdir()
    (damaged / "cards.json").write_bytes(b"{")
    backup, new = tmp_path / "backup.zip", data_folder(tmp_path / "new")
    back_up(filled.data, backup)
    shutil.rmtree(filled.data.batches)
    restore(new, backup)
    restored = Batch(new.batch_folder(1))
    assert restored.state() == "finished" and restored.rows() == [
        {"number": 0, "card_id": "card", "error": "no card found"}
    ]
    (card,) = restored.cards
    assert Path(card.front).is_relative_to(new.batches) and Path(card.front).read_bytes() == upload.read_bytes()
    assert restored.graded(0, ".json").is_file()
    assert (new.batch_folder(2) / "cards.json").read_bytes() == b"{", "damaged before, restored as it was"


def test_what_is_graded_while_a_backup_is_written_has_no_row_in_it_without_its_files(filled, tmp_path, monkeypatch):
    """A row that is added after the batch's folder was listed must not be in the backup."""
    upload = tmp_path / "card.png"
    Image.fromarray(np.full((20, 14, 3), 90, np.uint8)).save(upload)
    batch = batch_from_files(filled.data, [upload])
    batch.rows_file.append([])
    add = app.commands.backup._add

    def add_and_grade(archive, source):
        if source.path.name == "cards.json":
            batch.graded(0, ".json").write_text("{}", encoding="utf-8")
            batch.rows_file.append([{"number": 0, "card_id": "card", "error": "-"}])
        return add(archive, source)

    monkeypatch.setattr(app.commands.backup, "_add", add_and_grade)
    backup, new = tmp_path / "backup.zip", data_folder(tmp_path / "new")
    back_up(filled.data, backup)
    restore(new, backup)
    restored = Batch(new.batch_folder(1))
    assert [restored.graded(row["number"], ".json").is_file() for row in restored.rows()] == []


def test_files_that_are_missing_or_have_changed_are_named_and_the_rest_is_backed_up(filled, tmp_path):
    with filled.database.reading() as session:
        missing, changed = (Path(card.front.path) for card in all_cards(session)[:2])
    missing.unlink()
    changed.write_bytes(b"another picture")
    backup = tmp_path / "backup.zip"
    output = call("backup", backup, "--data", filled.data.root)
    assert output.exit_code == 2
    assert [Path(file["path"]) for file in output.result["left_out"]] == [missing, changed]
    assert "cannot be read (No such file or directory)" in output.err
    assert "has changed since it was recorded" in output.err
    assert restore(data_folder(tmp_path / "new"), backup)["cards"] == 6


def test_a_backup_is_restored_only_into_an_empty_folder_that_is_not_in_use(filled, tmp_path):
    backup = tmp_path / "backup.zip"
    assert call("backup", backup, "--data", filled.data.root).exit_code == 0
    error_line = call("restore", backup, "--data", filled.data.root).error_line
    assert f"{filled.data.database} exists already; restore into an empty folder, given with --data" in error_line
    new = data_folder(tmp_path / "new")
    with new.server_lock(), pytest.raises(UserError, match="is in use; close the app and stop its runs first"):
        restore(new, backup)
    assert call("restore", backup, "--data", new.root).result["cards"] == 6


def test_a_damaged_backup_is_refused_and_leaves_the_folder_empty(filled, tmp_path):
    backup, new = tmp_path / "backup.zip", data_folder(tmp_path / "new")
    back_up(filled.data, backup)
    whole, random = backup.read_bytes(), np.random.default_rng(0)
    for number in range(40):
        content = bytearray(whole)
        if number % 4 == 0:
            content = content[: random.integers(len(content))]
        else:
            for position in random.integers(len(content), size=100):
                content[position] ^= 1 << random.integers(8)
        backup.write_bytes(bytes(content))
        with pytest.raises(UserError, match=f"^{backup} ") as refused:
            restore(new, backup)
        assert "\n" not in str(refused.value)
        assert {path.name for path in new.root.iterdir()} <= {"server.lock", "training.lock"}


@pytest.mark.parametrize("name", ["../outside", "runs/../../outside", "/outside", "elsewhere/file"])
def test_a_backup_cannot_write_outside_the_data_folder(tmp_path, name):
    backup, new = tmp_path / "backup.zip", data_folder(tmp_path / "deep" / "new")
    entry = {"name": name, "sha256": "0" * 64, "size": 1, "path": "/x"}
    with zipfile.ZipFile(backup, "w") as archive:
        archive.writestr(name, "x")
        files = [entry, {**entry, "name": "loupe.db"}]
        archive.writestr("contents.json", json.dumps({"format": 1, "made_at": "", "root": "/", "files": files}))
    with pytest.raises(UserError, match="which no backup has"):
        restore(new, backup)
    assert not list(tmp_path.rglob("outside"))


def test_a_daily_copy_takes_the_place_of_a_damaged_database(filled, tmp_path):
    data, expected = filled.data, labels_by_card(filled.database)
    Database.open(data.database).close()
    filled.database.close()
    (copy,) = data.backups.glob("loupe-daily-*.db")
    data.database.write_bytes(b"\xff" * 10_000)
    data.database.with_name("loupe.db-wal").write_bytes(b"\xff" * 10_000)
    error_line = call("export", "labels", "--data", data.root).error_line
    assert error_line.endswith(f"python launch.py restore {copy}")
    output = call("restore", copy, "--data", data.root)
    assert output.result["cards"] == 6
    with Database.open(data.database) as database:
        assert labels_by_card(database) == expected
    assert {path.name.split("-replaced-")[0] for path in data.backups.glob("*-replaced-*")} == {"loupe.db"}
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(copy.read_bytes()[:5000])
    assert (
        "is damaged, or is not a database of Loupe; restore another copy"
        in call("restore", damaged, "--data", data.root).error_line
    )


def test_there_is_nothing_to_back_up_or_restore(tmp_path):
    words = ("backup", tmp_path / "b.zip", "--data", tmp_path / "empty")
    assert "holds no cards and no runs; give the data folder to back up with --data" in call(*words).error_line
    assert not (tmp_path / "b.zip").exists()
    words = ("restore", tmp_path / "b.zip", "--data", tmp_path / "empty")
    assert "cannot be read (No such file or directory)" in call(*words).error_line


def test_a_backup_made_during_labeling_is_of_one_moment(filled, tmp_path):
    with closing(sqlite3.connect(filled.data.database)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE cards SET notes = 'half'")
        back_up(filled.data, tmp_path / "backup.zip")
        writer.rollback()
    restore(data_folder(tmp_path / "new"), tmp_path / "backup.zip")
    with closing(sqlite3.connect(tmp_path / "new" / "loupe.db")) as restored:
        assert restored.execute("SELECT count(*) FROM cards WHERE notes = 'half'").fetchone() == (0,)


def rewritten(backup, target, change):
    """A copy of a backup whose files (name -> content) and list of files were changed; hashes and sizes fit."""
    with zipfile.ZipFile(backup) as archive:
        contents = json.loads(archive.read("contents.json"))
        files = {entry["name"]: archive.read(entry["name"]) for entry in contents["files"]}
    paths = {entry["name"]: entry["path"] for entry in contents["files"]}
    change(files)
    contents["files"] = [
        {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "path": paths.get(name, "")}
        for name, content in files.items()
    ]
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr("contents.json", json.dumps(contents))
    return target


NOT_OF_A_BACKUP = [
    lambda files: files.pop("loupe.db"),
    lambda files: files.update({"loupe.db": b""}),
    lambda files: files.update({"loupe.db": files["loupe.db"][:5000]}),
    lambda files: files.update({"runs": b"x"}),
    lambda files: files.update({"runs/a": b"x", "runs/a/b": b"x"}),
    lambda files: files.update({"runs/./a": b"x"}),
    lambda files: files.update({f"runs/{'a' * 300}": b"x"}),
]


def test_a_backup_without_a_whole_database_or_with_names_that_no_backup_has_is_refused(filled, tmp_path):
    backup, new = tmp_path / "backup.zip", data_folder(tmp_path / "new")
    back_up(filled.data, backup)
    for change in NOT_OF_A_BACKUP:
        with pytest.raises(UserError, match=r"use another$"):
            restore(new, rewritten(backup, tmp_path / "changed.zip", change))
        assert {path.name for path in new.root.iterdir()} <= {"server.lock", "training.lock"}


def test_a_list_of_pairs_that_was_damaged_before_the_backup_does_not_keep_the_labels_back(filled, tmp_path):
    backup, pairs = tmp_path / "backup.zip", "runs/run-0001/pairs.jsonl"
    back_up(filled.data, backup)
    for number, content in enumerate([b'{"front', b"[1]\n5", b'{"back": null, "front": 5}', b"\xff"]):
        changed = rewritten(
            backup, tmp_path / "changed.zip", lambda files, content=content: files.update({pairs: content})
        )
        new = data_folder(tmp_path / f"new-{number}")
        assert restore(new, changed)["cards"] == 6
        assert (new.root / pairs).read_bytes() == content


def test_a_file_unpacks_to_no_more_than_its_announced_size(filled, tmp_path, monkeypatch):
    backup = tmp_path / "backup.zip"
    back_up(filled.data, backup)
    with zipfile.ZipFile(backup) as archive:
        contents = json.loads(archive.read("contents.json"))
    contents["files"] = [*contents["files"], {"name": "runs/bomb", "sha256": "0" * 64, "size": 5, "path": ""}]
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(backup) as archive, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as copy:
        for entry in contents["files"][:-1]:
            copy.writestr(entry["name"], archive.read(entry["name"]))
        copy.writestr("runs/bomb", bytes(50_000_000))
        copy.writestr("contents.json", json.dumps(contents))
    sizes = []
    rmtree = shutil.rmtree

    def note_size(folder, **options):
        sizes.extend(path.stat().st_size for path in Path(folder).rglob("bomb"))
        rmtree(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", note_size)
    with pytest.raises(UserError, match="is damaged: runs/bomb is not what was backed up"):
        restore(data_folder(tmp_path / "new"), bomb)
    assert sizes == [6], "one byte more than announced"


def test_a_pipe_or_a_device_is_no_backup(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        words = ("restore", path, "--data", tmp_path / "new")
        assert "is a pipe or a device, not a file; give a file" in call(*words).error_line
