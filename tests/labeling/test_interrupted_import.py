"""Imports that are killed, or whose files change while they are read: a real process, real kills, real changes."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from random import Random

import imagehash
import numpy as np
import pytest
from PIL import Image

from app.settings import PROGRAM
from db.session import Database
from labeling.import_cards import Imported, import_cards
from tests.db.row_factory import all_pictures

CARDS, KILLS, CHANGING = 60, 2, 24
# Imports in transactions of four cards, and prints the number of cards after each card.
IMPORT = """
import sys
from pathlib import Path
import labeling.import_cards
from db.session import Database
labeling.import_cards.BATCH_CARDS = 4
with Database.open(Path(sys.argv[1])) as database:
    labeling.import_cards.import_cards(
        database, Path(sys.argv[2]), progress=lambda done, total: print(done, flush=True)
    )
"""


def png(seed: int) -> bytes:
    """A picture of 60 x 84 pixels whose perceptual hash is that of its seed."""
    blocks = np.random.default_rng(seed).integers(0, 255, (7, 5, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(blocks).resize((60, 84), Image.Resampling.NEAREST).save(content, "PNG")
    return content.getvalue()


def query(path: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.slow
def test_an_import_whose_process_is_killed_again_and_again_ends_with_every_card_once(tmp_path):
    database_path, folder = tmp_path / "loupe.db", tmp_path / "in"
    for number in range(CARDS):
        path = folder / f"psa{number % 10 + 1}" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    Database.open(database_path).close()
    kept = 0
    for kill in range(KILLS):
        command = [sys.executable, "-c", IMPORT, str(database_path), str(folder)]
        process = subprocess.Popen(command, cwd=PROGRAM, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if int(line) >= (kill + 1) * CARDS // (KILLS + 1) + kill:
                process.kill()
                break
        process.communicate()
        assert process.returncode == -9
        assert query(database_path, "PRAGMA integrity_check") == [("ok",)]
        [(cards,)] = query(database_path, "SELECT count(*) FROM cards")
        assert query(database_path, "SELECT count(*), count(DISTINCT card_id) FROM label_events") == [(cards, cards)]
        assert kept < cards < CARDS, "what was committed stays, and the rest is to come"
        kept = cards
    with Database.open(database_path) as database:
        assert import_cards(database, folder) == Imported(CARDS - kept, kept, [])
    grades = query(database_path, "SELECT name, grade FROM cards JOIN label_events ON card_id = cards.id ORDER BY name")
    names = [(f"psa{number % 10 + 1}/{number:03d}", number % 10 + 1) for number in range(CARDS)]
    assert grades == sorted(names)


def test_files_that_change_while_they_are_imported_are_recorded_as_what_they_were_or_refused(database, tmp_path):
    """Another program replaces, overwrites, cuts and deletes the files all the time."""
    folder = tmp_path / "in"
    folder.mkdir()
    versions = {folder / f"{number}.png": (png(number), png(1000 + number)) for number in range(CHANGING)}
    whole = {hashlib.sha256(content).hexdigest(): content for pair in versions.values() for content in pair}
    for path, (first, _) in versions.items():
        path.write_bytes(first)
    ended = threading.Event()

    def change() -> None:
        random = Random(0)
        while not ended.is_set():
            path = random.choice(list(versions))
            content = random.choice(versions[path])
            match random.randrange(4):
                case 0:
                    (folder / "next").write_bytes(content)
                    (folder / "next").replace(path)
                case 1:
                    path.write_bytes(content)
                case 2:
                    path.write_bytes(content[: len(content) // 2])
                case 3:
                    path.unlink(missing_ok=True)

    writer = threading.Thread(target=change)
    writer.start()
    refused = []
    try:
        for _ in range(5):
            refused += import_cards(database, folder).refused
    finally:
        ended.set()
        writer.join()
    with database.reading() as session:
        pictures = all_pictures(session)
    assert pictures and refused
    for picture in pictures:
        assert picture.sha256 in whole, "a half-written file was recorded"
        assert picture.phash == str(imagehash.phash(Image.open(io.BytesIO(whole[picture.sha256]))))
    sentences = (
        *("has changed", "changed since", "there is no such file", "is damaged", "is not a picture"),
        "while the folder was read",
    )
    assert [str(row) for row in refused if not any(sentence in str(row) for sentence in sentences)] == []
