"""An import records the valid cards, names the refused ones, and can be killed or repeated safely."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import cv2
import imagehash
import pytest
from PIL import Image

from db.cards import all_cards, counts
from db.labels import add_label, current_label, label_history
from labeling.import_cards import Imported, ImportRefused, import_cards
from labeling.picture_info import PictureFile, load_picture_file
from tests.db.row_factory import card_by_name


def rows(database, query: str) -> list[tuple]:
    """Query the database file directly."""
    with closing(sqlite3.connect(database.engine.url.database)) as raw:
        return raw.execute(query).fetchall()


def write_manifest(path: Path, *lines: str) -> Path:
    path.write_text("card_id,front,back,grade,group,split,cert,game,qualifier,notes\n" + "\n".join(lines) + "\n")
    return path


def grades_of(database, name: str) -> list[tuple[float | None, str]]:
    with database.reading() as session:
        card = card_by_name(session, name=name)
        return [(event.grade, event.source) for event in label_history(session, card_id=card.id)]


def test_a_picture_s_properties_are_recorded(database, picture, tmp_path):
    path = picture("in/a_front.png", seed=1, size=(60, 84))
    assert import_cards(database, tmp_path / "in") == Imported(1, 0, [])
    [row] = rows(
        database, "SELECT path, sha256, width, height, phash, json_extract(quality, '$.verdict') FROM pictures"
    )
    oracle = hashlib.sha256(path.read_bytes()).hexdigest()
    assert row[:4] == (str(path), oracle, 60, 84)
    assert row[4] == str(imagehash.phash(Image.fromarray(cv2.imread(str(path))[..., ::-1])))
    assert row[5] in {"good", "usable", "refuse"}


def test_a_manifest_is_imported_with_all_its_columns(database, picture, tmp_path):
    picture("1.png", seed=1)
    picture("2.png", seed=2)
    manifest = write_manifest(tmp_path / "m.csv", "c1,1.png,2.png,8.5,g1,val,12345,pokemon,OC,a note")
    assert import_cards(database, manifest).added == 1
    [row] = rows(
        database,
        "SELECT name, f.path, b.path, group_name, fixed_split, cert, game, notes, synthetic, grade, qualifier, source "
        "FROM cards JOIN pictures f ON f.id = front_id JOIN pictures b ON b.id = back_id "
        "JOIN label_events ON card_id = cards.id",
    )
    sides = (str(tmp_path / "1.png"), str(tmp_path / "2.png"))
    assert row == ("c1", *sides, "g1", "val", "12345", "pokemon", "a note", 0, 8.5, "OC", "import")


def test_a_folder_per_grade_labels_its_cards(database, picture, tmp_path):
    for seed, name in enumerate(["psa1/a.png", "PSA_10/b_front.png", "PSA_10/b_back.png", "8.5/c.png"]):
        picture(f"in/{name}", seed=seed)
    assert import_cards(database, tmp_path / "in") == Imported(3, 0, [])
    result = rows(database, "SELECT name, grade FROM cards JOIN label_events ON card_id = cards.id ORDER BY grade")
    assert result == [("psa1/a", 1.0), ("8.5/c", 8.5), ("PSA_10/b", 10.0)]


def test_importing_twice_adds_nothing(database, picture, tmp_path):
    for seed in range(4):
        picture(f"in/psa{1 + seed % 2}/{seed}.png", seed=seed)
    first = import_cards(database, tmp_path / "in")
    before = [rows(database, f"SELECT * FROM {table}") for table in ("pictures", "cards", "label_events")]
    assert (first, import_cards(database, tmp_path / "in")) == (Imported(4, 0, []), Imported(0, 4, []))
    assert [rows(database, f"SELECT * FROM {table}") for table in ("pictures", "cards", "label_events")] == before


def test_a_known_picture_is_not_decoded_again(database, picture, tmp_path, monkeypatch):
    picture("in/a.png")
    import_cards(database, tmp_path / "in")
    monkeypatch.setattr("labeling.picture_info.read_hashed", lambda path: pytest.fail(f"{path} was decoded again"))
    assert import_cards(database, tmp_path / "in").known == 1


@pytest.mark.parametrize(("first", "then"), [("front", "back"), ("back", "front")])
def test_a_known_side_that_comes_with_its_other_side_is_completed_and_counts_as_known(
    database, picture, tmp_path, first, then
):
    picture(f"in/a_{first}.png", seed=1)
    assert import_cards(database, tmp_path / "in") == Imported(1, 0, [])
    picture(f"in/a_{then}.png", seed=2)
    assert import_cards(database, tmp_path / "in") == Imported(0, 1, [])
    with database.reading() as session:
        [card] = all_cards(session)
    assert [Path(side.path).name for side in (card.front, card.back)] == ["a_front.png", "a_back.png"]


def test_importing_one_side_of_a_complete_card_again_leaves_it_complete(database, picture, tmp_path):
    front = picture("in/a_front.png", seed=1)
    picture("in/a_back.png", seed=2)
    import_cards(database, tmp_path / "in")
    (tmp_path / "alone").mkdir()
    shutil.copy(front, tmp_path / "alone")
    assert import_cards(database, tmp_path / "alone") == Imported(0, 1, [])
    assert rows(database, "SELECT count(*) FROM cards WHERE front_id AND back_id") == [(1,)]


def test_two_known_sides_do_not_become_a_third_card(database, picture, tmp_path):
    picture("1.png", seed=1)
    picture("2.png", seed=2)
    import_cards(database, write_manifest(tmp_path / "m.csv", "a,1.png,,9", "b,,2.png,8"))
    [refused] = import_cards(database, write_manifest(tmp_path / "n.csv", "c,1.png,2.png,9")).refused
    assert refused.reason == "card 'c': its two sides are already the cards 'a' and 'b'; one card cannot be made of two"


def test_known_pictures_under_another_name_are_the_known_card(database, picture, tmp_path):
    path = picture("in/a.png")
    import_cards(database, tmp_path / "in")
    (tmp_path / "copy").mkdir()
    shutil.copy(path, tmp_path / "copy" / "b.png")
    assert import_cards(database, tmp_path / "copy") == Imported(0, 1, [])
    assert rows(database, "SELECT name FROM cards") == [("a",)]


def test_a_name_used_by_other_pictures_is_refused_naming_both(database, picture, tmp_path):
    old = picture("in/a.png", seed=1)
    import_cards(database, tmp_path / "in")
    new = picture("other/a.png", seed=2)
    picture("other/b.png", seed=3)
    imported = import_cards(database, tmp_path / "other")
    [refused] = imported.refused
    assert (imported.added, refused.path) == (1, str(new))
    assert refused.reason == f"card 'a': the name is used by the card in {old}; rename one of the two"


def test_an_import_adds_a_label_once_and_again_only_if_the_grade_changes(database, picture, tmp_path):
    picture("1.png")
    for grade in ("8", "8", "9", "", "9", "8"):
        import_cards(database, write_manifest(tmp_path / "m.csv", f"c,1.png,,{grade}"))
    assert grades_of(database, "c") == [(8, "import"), (9, "import"), (8, "import")]


def test_an_import_never_overrides_a_person(database, picture, tmp_path):
    picture("1.png")
    import_cards(database, write_manifest(tmp_path / "m.csv", "c,1.png,,8"))
    with database.writing() as session:
        add_label(session, card_id=1, grade=6, source="person")
    for grade in ("8", "9"):
        import_cards(database, write_manifest(tmp_path / "m.csv", f"c,1.png,,{grade}"))
    assert grades_of(database, "c") == [(8, "import"), (6, "person"), (9, "import")]
    with database.reading() as session:
        assert current_label(session, card_id=1).grade == 6


def test_the_same_pictures_under_two_grades_are_not_guessed_between(database, picture, tmp_path):
    picture("in/psa3/a.png", seed=1)
    picture("in/psa7/b.png", seed=1)
    for expected in ((1, 0), (0, 1)):
        imported = import_cards(database, tmp_path / "in")
        assert (imported.added, imported.known) == expected
        [refused] = imported.refused
        assert refused.reason == ("card 'psa7/b': it is also listed as 'psa3/a' with another label; keep the right one")
    assert grades_of(database, "psa3/a") == [(3, "import")]


def test_a_manifest_updates_only_the_columns_it_has(database, picture, tmp_path):
    picture("1.png")
    import_cards(database, write_manifest(tmp_path / "m.csv", "c,1.png,,8,,train,111,pokemon,,old"))
    import_cards(database, write_manifest(tmp_path / "m.csv", "c,1.png,,8,,test,,,,new"))
    result = rows(database, "SELECT fixed_split, cert, game, notes FROM cards")
    assert result == [("test", "111", "pokemon", "new")]


def test_a_group_never_changes(database, picture, tmp_path):
    picture("1.png")
    import_cards(database, write_manifest(tmp_path / "m.csv", "c,1.png,,8,g1"))
    [refused] = import_cards(database, write_manifest(tmp_path / "m.csv", "c,1.png,,8,g2")).refused
    assert "its group is 'g1', not 'g2', and never changes" in refused.reason
    assert import_cards(database, write_manifest(tmp_path / "m.csv", "c,1.png,,8,")).refused == []
    assert rows(database, "SELECT group_name FROM cards") == [("g1",)]


def test_bad_rows_give_one_clear_line_each_and_the_rest_is_imported(database, picture, tmp_path):
    picture("good.png", seed=1)
    whole = picture("whole.png", seed=2).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "copy.png").write_bytes(whole)
    (tmp_path / "words.jpg").write_text("no picture")
    manifest = write_manifest(
        tmp_path / "m.csv",
        "good,good.png,,9",
        "gone,gone.png,,9",
        "cut,good.png,cut.png,9",
        "words,words.jpg,,9",
        "eleven,whole.png,,11",
        ",whole.png,,9",
        "none,,,9",
        "split,whole.png,,9,,holdout",
        "qualifier,whole.png,,9,,,,,XX",
        "mirror,whole.png,copy.png,9",
        "twice,whole.png,whole.png,9",
        "good,whole.png,,9",
    )
    imported = import_cards(database, manifest)
    assert (imported.added, imported.known) == (1, 0)
    reasons = {Path(refused.path).name: refused.reason.split(";")[0] for refused in imported.refused}
    assert reasons == {
        "gone.png": "gone.png: there is no such file",
        "cut.png": "cut.png: is damaged or cut short",
        "words.jpg": "words.jpg: is not a picture in a supported format",
        "m.csv:6": "grade '11' is not on the PSA scale",
        "m.csv:7": "card_id is empty",
        "m.csv:8": "card 'none' has neither front nor back",
        "m.csv:9": "split 'holdout' is not known",
        "m.csv:10": "qualifier 'XX' is not known",
        "m.csv:11": "card 'mirror' has the same picture as front and back",
        "m.csv:12": "card 'twice' has the same picture as front and back",
        "m.csv:13": "card_id 'good' occurs twice",
    }
    assert all(";" in refused.reason or "use one of" in refused.reason for refused in imported.refused), "no remedy"


class Killed(Exception):
    pass


def test_a_name_that_is_not_utf8_is_refused_and_the_rest_is_imported(database, picture, tmp_path):
    picture("in/a_front.png", seed=1)
    picture("in/b_front.png", seed=2).rename(tmp_path / "in" / os.fsdecode(b"caf\xe9_front.png"))
    imported = import_cards(database, tmp_path / "in")
    assert imported.added == 1
    (refused,) = imported.refused
    assert refused.path.endswith("caf?_front.png")
    assert "rename it" in refused.reason


def test_a_killed_import_keeps_its_committed_cards_and_resumes(database, picture, tmp_path, monkeypatch):
    monkeypatch.setattr("labeling.import_cards.BATCH_CARDS", 3)
    for seed in range(8):
        picture(f"in/psa9/{seed}.png", seed=seed)

    def kill_at_five(done: int, total: int) -> None:
        assert total == 8
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        import_cards(database, tmp_path / "in", progress=kill_at_five)
    assert rows(database, "SELECT count(*) FROM cards") == rows(database, "SELECT count(*) FROM label_events") == [(3,)]
    assert import_cards(database, tmp_path / "in") == Imported(5, 3, [])


def test_a_killed_import_stops_reading_pictures(database, picture, tmp_path, monkeypatch):
    loaded: list[Path] = []

    def load_slowly(path: Path, **options) -> PictureFile:
        loaded.append(path)
        time.sleep(0.01)  # so that the kill comes before all pictures are loaded
        return load_picture_file(path, **options)

    def kill(done: int, total: int) -> None:
        raise Killed

    monkeypatch.setattr("labeling.import_cards.load_picture_file", load_slowly)
    for seed in range(60):
        picture(f"in/{seed}.bmp", seed=seed)
    with pytest.raises(Killed):
        import_cards(database, tmp_path / "in", progress=kill)
    assert len(loaded) < 30


def test_progress_counts_every_card_once(database, picture, tmp_path):
    for seed in range(5):
        picture(f"in/{seed}.png", seed=seed)
    (tmp_path / "in" / "bad.png").write_text("no picture")
    calls: list[tuple[int, int]] = []
    import_cards(database, tmp_path / "in", progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 6) for done in range(1, 7)]


def test_at_full_progress_all_cards_are_written(database, picture, tmp_path):
    for seed in range(3):
        picture(f"in/{seed}.png", seed=seed)
    written = {}
    import_cards(
        database,
        tmp_path / "in",
        progress=lambda done, total: written.update({done: rows(database, "SELECT count(*) FROM cards")}),
    )
    assert written[3] == [(3,)]


def test_two_imports_at_once_add_each_card_once(database, picture, tmp_path, monkeypatch):
    """The second import runs completely between two batches of the first."""
    monkeypatch.setattr("labeling.import_cards.BATCH_CARDS", 2)
    for seed in range(6):
        picture(f"in/{seed}.png", seed=seed)
    second: list[Imported] = []

    def start_second(done: int, total: int) -> None:
        if done == 3:
            second.append(import_cards(database, tmp_path / "in"))

    first = import_cards(database, tmp_path / "in", progress=start_second)
    assert (first, second) == (Imported(2, 4, []), [Imported(4, 2, [])])


def test_the_path_of_a_moved_picture_is_repaired(database, picture, tmp_path):
    picture("in/a.png")
    import_cards(database, tmp_path / "in")
    (tmp_path / "in").rename(tmp_path / "moved")
    assert import_cards(database, tmp_path / "moved") == Imported(0, 1, [])
    assert rows(database, "SELECT path FROM pictures") == [(str(tmp_path / "moved" / "a.png"),)]


def test_a_copy_does_not_replace_the_path_of_an_existing_picture(database, picture, tmp_path):
    path = picture("in/a.png")
    import_cards(database, tmp_path / "in")
    shutil.copytree(tmp_path / "in", tmp_path / "copy")
    import_cards(database, tmp_path / "copy")
    assert rows(database, "SELECT path FROM pictures") == [(str(path),)]


def test_simulated_cards_are_marked(database, picture, tmp_path):
    picture("sim/1.png", seed=1)
    write_manifest(tmp_path / "sim" / "labels.csv", "s,1.png,,9")
    (tmp_path / "sim" / "truth.jsonl").touch()
    picture("real/r.png", seed=2)
    import_cards(database, tmp_path / "sim")
    import_cards(database, tmp_path / "real")
    assert rows(database, "SELECT name, synthetic FROM cards ORDER BY id") == [("s", 1), ("r", 0)]


def test_grades_can_be_given_in_a_separate_file(database, picture, tmp_path):
    picture("in/a_front.png", seed=1)
    picture("in/a_back.png", seed=2)
    labels = tmp_path / "in" / "labels.csv"
    labels.write_text("card_id,grade\na,7\n")
    assert import_cards(database, tmp_path / "in", labels=labels) == Imported(1, 0, [])
    assert grades_of(database, "a") == [(7, "import")]


def test_a_manifest_and_a_label_file_together_are_refused(database, picture, tmp_path):
    picture("1.png")
    manifest = write_manifest(tmp_path / "m.csv", "c,1.png,,8")
    with pytest.raises(ImportRefused, match=r"a manifest holds its own grades; omit m\.csv"):
        import_cards(database, manifest, labels=manifest)


def test_a_missing_path_is_refused_and_changes_nothing(database, tmp_path):
    with pytest.raises(ImportRefused, match="there is no such file or folder"):
        import_cards(database, tmp_path / "nowhere")
    with database.reading() as session:
        assert counts(session).cards == 0


def person_grades(database) -> list[tuple[float | None, str]]:
    return rows(database, "SELECT grade, note FROM label_events WHERE source = 'person' ORDER BY id")


def test_labels_unlike_a_person_s_are_counted_and_not_taken(database, picture, tmp_path):
    for number in range(3):
        picture(f"{number}.png", seed=number)
    lines = [f"c{number},{number}.png,,8" for number in range(3)]
    import_cards(database, write_manifest(tmp_path / "m.csv", *lines))
    with database.writing() as session:
        add_label(session, card_id=1, grade=6, source="person")
        add_label(session, card_id=2, grade=9, source="person")
    corrected = write_manifest(tmp_path / "m.csv", "c0,0.png,,7", "c1,1.png,,9", "c2,2.png,,5")
    assert import_cards(database, corrected).changed_labels == 1, "c0 only: c1 agrees, c2 was never labelled by hand"
    with database.reading() as session:
        assert [current_label(session, card_id=number).grade for number in (1, 2, 3)] == [6, 9, 5]


def test_labels_win_on_request_and_the_history_keeps_what_was_said(database, picture, tmp_path):
    picture("0.png")
    import_cards(database, write_manifest(tmp_path / "m.csv", "c,0.png,,8"))
    with database.writing() as session:
        add_label(session, card_id=1, grade=6, source="person")
    corrected = write_manifest(tmp_path / "m.csv", "c,0.png,,7")
    assert import_cards(database, corrected, labels_win=True).changed_labels == 1
    with database.reading() as session:
        assert current_label(session, card_id=1).grade == 7
    assert person_grades(database) == [(6.0, ""), (7.0, "taken from the imported file")]
    assert import_cards(database, corrected, labels_win=True).changed_labels == 0, "nothing differs any more"


def test_a_withdrawn_label_differs_from_an_imported_one(database, picture, tmp_path):
    picture("0.png")
    manifest = write_manifest(tmp_path / "m.csv", "c,0.png,,8")
    import_cards(database, manifest)
    with database.writing() as session:
        add_label(session, card_id=1, grade=None, source="person")
    assert import_cards(database, manifest).changed_labels == 1


def test_a_file_replaced_in_place_is_refused_with_that_reason(database, picture, tmp_path):
    picture("in/psa9/a.png", seed=1)
    import_cards(database, tmp_path / "in")
    picture("in/psa9/a.png", seed=2)
    [refused] = import_cards(database, tmp_path / "in").refused
    assert refused.reason.startswith("card 'psa9/a': a.png changed since the import, and the label of that card is of")


def test_pictures_are_recognized_by_content_and_every_other_file_is_named(database, picture, tmp_path):
    for seed, suffix in enumerate(["jfif", "jpe", "pjpeg", "mpo", "dat"]):
        picture(f"in/{seed}.jpg", seed=seed).rename(tmp_path / "in" / f"{seed}.{suffix}")
    picture("in/5.webp", seed=5).rename(tmp_path / "in" / "5.bin")
    picture("in/6.png", seed=6).rename(tmp_path / "in" / "6")
    for name in ("g.gif", "r.cr2", "n.txt", "t.csv", "s.xlsx"):
        (tmp_path / "in" / name).write_text("x")
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    imported = import_cards(database, tmp_path / "in")
    assert imported.added == 7
    reasons = {Path(refused.path).name: refused.reason.split(";")[0] for refused in imported.refused}
    assert reasons == {
        "g.gif": "cannot be read",
        "r.cr2": "cannot be read",
        "n.txt": "is not a picture",
        "t.csv": "is a table that was not used",
        "s.xlsx": "is a table that was not used",
        "pipe.jpg": "is a pipe or a device, not a file",
        "link.jpg": "is a link to a file that does not exist",
    }


def test_pictures_that_a_folder_s_manifest_does_not_name_are_named(database, picture, tmp_path):
    picture("in/a.png", seed=1)
    picture("in/more/b.png", seed=2)
    picture("in/bad grade.png", seed=3)
    write_manifest(tmp_path / "in" / "labels.csv", "a,a.png,,9", "bad,bad grade.png,,77")
    imported = import_cards(database, tmp_path / "in")
    assert imported.added == 1
    assert {Path(refused.path).name: refused.reason.split(";")[0] for refused in imported.refused} == {
        "labels.csv:3": "grade '77' is not on the PSA scale",
        "b.png": "is not in labels.csv",
    }


def test_a_manifest_finds_a_file_whose_accents_or_capitals_are_written_otherwise(database, picture, tmp_path):
    decomposed = picture("in/Poke\u0301mon.JPG", seed=1)
    manifest = tmp_path / "in" / "m.csv"
    manifest.write_text("card_id,front,grade\np,Pok\u00e9mon.jpg,9\n", encoding="utf-8")
    assert import_cards(database, manifest) == Imported(1, 0, [])
    assert rows(database, "SELECT path FROM pictures") == [(str(decomposed),)]


def test_a_label_file_matches_composed_and_decomposed_accents_and_names_cards_without_a_grade(
    database, picture, tmp_path
):
    picture("in/Poke\u0301mon_front.png", seed=1)
    picture("in/other.png", seed=2)
    labels = tmp_path / "grades.csv"
    labels.write_text("Card ID;Grade;Price\nPok\u00e9mon;8,5;3\n", encoding="utf-8")
    imported = import_cards(database, tmp_path / "in", labels=labels)
    assert (imported.added, imported.refused) == (2, [])
    assert grades_of(database, "Pok\u00e9mon") == [(8.5, "import")]
    assert [notice.split(":", 1)[1] for notice in imported.notices] == [
        " not used, because the name of the column is not known: 'Price'",
        " has no grade for 1 of the folder's cards: 'other'",
    ]


def test_an_import_never_ends_because_of_one_picture(database, picture, tmp_path, monkeypatch):
    for seed in range(3):
        picture(f"in/{seed}.png", seed=seed)

    def fail_on_one(path: Path, **options) -> PictureFile:
        if path.stem == "1":
            raise OverflowError("cannot convert float infinity\nto integer")
        return load_picture_file(path, **options)

    monkeypatch.setattr("labeling.import_cards.load_picture_file", fail_on_one)
    imported = import_cards(database, tmp_path / "in")
    assert imported.added == 2
    [refused] = imported.refused
    assert refused.reason == (
        "cannot be read (OverflowError: cannot convert float infinity to integer); export it again, as a PNG"
    )


def test_pipes_devices_and_huge_files_named_in_a_manifest_are_refused_at_once(database, picture, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(5_000_000_000)
    picture("good.png")
    manifest = write_manifest(
        tmp_path / "m.csv", "a,/dev/urandom", "b,/dev/zero", "c,pipe.jpg", "d,huge.jpg", f"e,{tmp_path}", "f,good.png"
    )
    began = time.monotonic()
    imported = import_cards(database, manifest)
    assert time.monotonic() - began < 5
    assert (imported.added, len(imported.refused)) == (1, 5)
    assert all(refused.reason.count("\n") == 0 for refused in imported.refused)
