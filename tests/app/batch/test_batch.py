"""Batches: cards from folders, ZIP and CSV files; each card has one row; sorting and exports."""

from __future__ import annotations

import csv
import json
import zipfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from app import unpack_zip
from app.batch.batch import Batch, BatchCard, batches, create_batch, delete_batch, find_batch, request_stop
from app.batch.batch_text import table_html
from app.batch.exports import results, write_csv, write_html, write_json
from app.batch.grade_cards import PROGRAM_ERROR, _row
from app.batch.prices import import_batch_prices, load_prices, save_prices_for_all, sorted_entries
from app.batch.sources import batch_from_files, batch_from_path
from app.collection.collection import save_costs
from app.screens.batch_tab import _title
from app.settings import DataFolder, UserError
from engine.cards.submission import SubmissionCosts
from engine.image.read import BadPicture
from engine.storage.disk_space import DiskFull


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def batch_of(data: DataFolder, *names: str) -> Batch:
    return create_batch(data, lambda _: [BatchCard(name, f"/{name}.jpg") for name in names], source="test")


def row(number: int, name: str, probabilities: list[float] | None = None, **changes: Any) -> dict[str, Any]:
    """A row as the process of a batch writes it: by default a sure 9."""
    probabilities = probabilities or [0.0] * 8 + [1.0, 0.0]
    grade = probabilities.index(max(probabilities)) + 1
    return {
        **{"number": number, "card_id": name, "grade": grade, "expected": float(grade), "abstained": False},
        **{"probabilities": probabilities, "interval": {"coverage": 0.9, "low": grade, "high": grade}},
        **{"picture": "data:image/jpeg;base64,AAAA", **changes},
    }


def test_a_zip_of_one_folder_with_pairs_named_by_side_gives_each_card_both_pictures(data, tmp_path):
    archive = tmp_path / "cards.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("pikachu_front.jpg", "pikachu_back.jpg", "mew_front.jpg"):
            file.writestr(f"my cards/{name}", b"\xff\xd8\xff")
        file.writestr("../../outside.jpg", b"\xff\xd8\xff")
    batch = batch_from_path(data, archive)
    cards = {card.card_id: card for card in batch.cards}
    assert not (tmp_path.parent / "outside.jpg").exists()
    assert all(Path(card.front).is_relative_to(batch.folder) for card in cards.values() if card.front)
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("pikachu_front.jpg", "pikachu_back.jpg", "mew_front.jpg"):
            file.writestr(f"my cards/{name}", b"\xff\xd8\xff")
    cards = {card.card_id: card for card in batch_from_files(data, [archive]).cards}
    assert sorted(cards) == ["mew", "pikachu"]
    assert [Path(path).name for path in (cards["pikachu"].front, cards["pikachu"].back)] == [
        "pikachu_front.jpg",
        "pikachu_back.jpg",
    ]
    assert cards["mew"].back is None


def test_a_csv_keeps_its_order_and_its_bad_rows_become_cards_with_a_sentence(data, tmp_path):
    table = tmp_path / "my pairs.csv"
    table.write_text("card_id,front,back\nb,b.jpg,\nempty,,\na,a.jpg,a2.jpg\n", encoding="utf-8")
    cards = batch_from_path(data, table).cards
    assert [card.card_id for card in cards] == ["b", "empty", "a"]
    assert "has neither front nor back" in cards[1].error
    uploaded = batch_from_files(data, [table, *(_picture(tmp_path / f"{name}.jpg") for name in ("a", "a2", "b"))])
    assert [card.card_id for card in uploaded.cards] == ["b", "empty", "a"]
    assert Path(uploaded.cards[0].front).is_file()


def test_a_file_of_a_zip_never_replaces_another_of_the_same_name(data, tmp_path):
    first, second, twice = (tmp_path / f"{name}.zip" for name in ("first", "second", "twice"))
    for archive, content in ((first, b"\xff\xd8\xff1"), (second, b"\xff\xd8\xff2")):
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("scans/a_front.jpg", content)
    with zipfile.ZipFile(twice, "w") as file:
        file.writestr("scans/a_front.jpg", b"\xff\xd8\xff1")
        file.writestr("../scans/a_front.jpg", b"\xff\xd8\xff2")
    with pytest.raises(UserError, match=r"^second\.zip: another file is also named scans/a_front.jpg"):
        batch_from_files(data, [first, second])
    with pytest.raises(UserError, match=r"^twice\.zip: another file is also named scans/a_front.jpg"):
        batch_from_files(data, [twice])
    assert list(data.batches.iterdir()) == []
    outside = tmp_path / "outside.zip"
    with zipfile.ZipFile(outside, "w") as file:
        file.writestr("../../../../../../../../etc/passwd", b"")
        file.writestr("a_front.jpg", b"\xff\xd8\xff")
    assert batch_from_files(data, [outside]).cards, "nothing is told about files outside the folder"


def test_a_damaged_batch_is_named_and_the_others_are_still_shown(data):
    whole, damaged, changed = (batch_of(data, "a") for _ in range(3))
    whole.rows_file.append([row(0, "a")])
    for lines in ("[]", "7", '{"number": 5}', '"text"'):
        whole.rows_file.append([json.loads(lines)])
    assert [each["card_id"] for each in whole.rows()] == ["a"] and whole.state() == "finished"
    (damaged.folder / "cards.json").write_bytes(b"{")
    (changed.folder / "cards.json").write_text('{"cards": [{"x": 1}]}', encoding="utf-8")
    for batch in (damaged, changed):
        for use in (batch.state, lambda batch=batch: batch.cards):
            with pytest.raises(UserError, match=rf"^{batch.name}: cards\.json is damaged; delete the folder"):
                use()
    assert find_batch(data, None) == whole
    assert [_title(batch) for batch in batches(data)][:2] == [f"{changed.name}, damaged", f"{damaged.name}, damaged"]
    (whole.folder / "prices.json").write_bytes(b"{")
    with pytest.raises(UserError, match=r"prices\.json is damaged; delete it"):
        load_prices(whole)


def test_folders_of_other_names_among_the_batches_do_not_matter(data):
    for name in ("batch-x", "batch-1e5", "batch-", "batch-0007-copy"):
        (data.batches / name).mkdir(parents=True)
    assert [batch_of(data, "a").name, batch_of(data, "a").name] == ["batch-0001", "batch-0002"]


def test_an_uploaded_table_cannot_name_files_that_were_not_uploaded(data, tmp_path):
    secret = _picture(tmp_path / "secret.jpg")
    table = tmp_path / "pairs.csv"
    table.write_text(f"card_id,front,back\na,{secret},\nb,../../../secret.jpg,\n", encoding="utf-8")
    assert [card.front for card in batch_from_files(data, [table]).cards] == [None, None]
    assert next(card.front for card in batch_from_path(data, table).cards) == str(secret)


def _picture(path: Path) -> Path:
    path.write_bytes(b"\xff\xd8\xff")
    return path


@pytest.mark.parametrize("content", [b"not a zip", b"PK\x03\x04 cut off"])
def test_a_damaged_zip_ends_in_one_sentence_and_leaves_nothing(data, tmp_path, content):
    archive = tmp_path / "cards.zip"
    archive.write_bytes(content)
    with pytest.raises(UserError, match=r"cards\.zip: is not a ZIP file that can be read"):
        batch_from_files(data, [archive])
    assert list(data.batches.iterdir()) == []


def test_a_zip_with_a_password_is_refused_with_that_reason(data, tmp_path):
    archive = tmp_path / "cards.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a_front.jpg", b"\xff\xd8\xff")
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory, as the ZIP specification has it
    archive.write_bytes(content)
    with pytest.raises(UserError, match=r"^cards\.zip: has a password; pack the pictures without one$"):
        batch_from_files(data, [archive])
    assert list(data.batches.iterdir()) == []


def test_a_zip_that_grows_beyond_measure_is_refused_before_it_is_unpacked(data, tmp_path, monkeypatch):
    archive = tmp_path / "cards.zip"
    for files, complaint in (
        ({"a_front.jpg": bytes(3000)}, r"cards\.zip: a_front\.jpg in it has .* too much for a picture"),
        ({f"{number}_front.jpg": bytes(900) for number in range(20)}, r"becomes \d+ times as large unpacked"),
        ({f"{number}_front.jpg": b"" for number in range(40)}, r"holds 40 files, more than 30; make several of it"),
    ):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(name, content)
        with monkeypatch.context() as limits:
            for limit, value in {"MAX_FILE_BYTES": 2000, "MIN_CHECKED_BYTES": 10_000, "MAX_RATIO": 4}.items():
                limits.setattr(unpack_zip, limit, value)
            limits.setattr(unpack_zip, "MAX_ENTRIES", 30)
            limits.setattr(zipfile.ZipFile, "extract", lambda *_: pytest.fail("unpacked"))
            with pytest.raises(UserError, match=complaint):
                batch_from_files(data, [archive])
    assert list(data.batches.iterdir()) == []


def test_every_card_has_one_row_whatever_a_killed_process_left_in_the_file(data):
    batch = batch_of(data, "a", "b", "c")
    batch.rows_file.append([row(2, "c"), row(0, "a")])
    with (batch.folder / "rows.jsonl").open("a") as file:
        file.write('\n{"number": 1, "card')  # cut off by a kill
    batch.rows_file.append([row(0, "a")])
    assert [entry["card_id"] for entry in batch.rows()] == ["a", "c"]


def test_the_state_follows_lock_stop_and_rows(data):
    batch = batch_of(data, "a", "b")
    assert batch.state() == "interrupted"
    batch.log.write_text("")
    assert batch.state() == "starting"
    batch.log.write_text("cards: 1 of 2\nloupe: the disk is full\n")
    assert (batch.state(), batch.problem()) == ("interrupted", "the disk is full")
    rows = batch.rows_file
    assert rows.acquire()
    assert batch.state() == "running"
    with pytest.raises(UserError, match="stop it first"):
        delete_batch(batch)
    request_stop(batch)
    assert batch.state() == "stopping"
    rows.release()
    assert batch.state() == "stopped"
    batch.rows_file.append([row(0, "a"), row(1, "b")])
    assert batch.state() == "finished"
    delete_batch(batch)
    assert batches(data) == []


def test_cards_are_sorted_by_the_gain_reckoned_by_hand_and_failures_come_last(data, database, tmp_path):
    batch = batch_of(data, "nine", "broken", "ten", "own price")
    ten = [0.0] * 9 + [1.0]
    failed = {"number": 1, "card_id": "broken", "error": "broken.jpg: cannot be read"}
    batch.rows_file.append([row(0, "nine"), failed, row(2, "ten", ten), row(3, "own price")])
    save_costs(database, SubmissionCosts(25.0, 5.0, 0.1))
    save_prices_for_all(batch, {"raw": 40.0, "9": 80.0, "10": 300.0})
    table = tmp_path / "prices.csv"
    table.write_text("name,raw,psa9\nOwn Price,100,1100\nnobody,1,2\n", encoding="utf-8")
    imported = import_batch_prices(batch, table)
    assert (imported.cards, len(imported.problems)) == (1, 1)
    entries = sorted_entries(database, batch)
    assert [entry.row["card_id"] for entry in entries] == ["own price", "ten", "nine", "broken"]
    # .9 (1100 - 100) - 30, .9 (300 - 40) - 30, .9 (80 - 40) - 30
    assert [entry.worth and round(entry.worth.expected_gain, 9) for entry in entries] == [870, 204, 6, None]


def test_csv_json_and_report_hold_every_card_once(data, database, tmp_path):
    batch = batch_of(data, "=1+1", "broken")
    failed = {"number": 1, "card_id": "broken", "error": "broken.jpg: cannot be read"}
    batch.rows_file.append([row(0, "=1+1"), failed])
    values = {"card_id": "=1+1", "grade": 9}
    batch.graded(0, ".json").write_text(json.dumps(values))
    batch.graded(0, ".html").write_text("<article>page of the card</article>")
    entries = sorted_entries(database, batch)
    for write in (write_csv, write_json, write_html):
        write(tmp_path / write.__name__, batch, entries)
    with (tmp_path / "write_csv").open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["card_id"], first["grade"], first["p9_or_better"], first["error"]) == ("'=1+1", "9", "1", "")
    assert (second["card_id"], second["grade"], second["error"]) == ("broken", "", "broken.jpg: cannot be read")
    assert json.loads((tmp_path / "write_json").read_bytes()) == results(batch)
    assert results(batch) == [values, {"card_id": "broken", "error": "broken.jpg: cannot be read"}]
    report = (tmp_path / "write_html").read_text()
    assert report.count("page of the card") == 1
    assert report.count("broken.jpg: cannot be read") == 1


def test_names_and_sentences_of_others_begin_no_tag_in_the_table(data, database):
    batch = batch_of(data, "<b>x</b>", "<i>y</i>")
    batch.rows_file.append([row(0, "<b>x</b>"), {"number": 1, "card_id": "<i>y</i>", "error": "<script>"}])
    table = table_html(sorted_entries(database, batch))
    assert not any(tag in table for tag in ("<b>", "<i>", "<script>"))


def test_a_bad_picture_is_a_row_with_its_sentence_a_bug_a_row_with_ours_and_a_full_disk_ends_the_batch(capsys):
    def failed(error: Exception) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(error)
        return future

    card = BatchCard("card")
    assert _row(failed(BadPicture("card.jpg: is blank")), 4, card)["error"] == "card.jpg: is blank"
    assert _row(failed(ZeroDivisionError("a bug")), 4, card) == {
        "number": 4,
        "card_id": "card",
        "error": PROGRAM_ERROR,
    }
    assert "ZeroDivisionError: a bug" in capsys.readouterr().err
    with pytest.raises(DiskFull):
        _row(failed(DiskFull("the disk is full")), 4, card)
