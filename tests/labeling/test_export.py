"""An export can be imported into another database: the same cards, labels, groups and splits."""

from __future__ import annotations

import csv
import json
import shutil
from unicodedata import normalize

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.labels import add_label, named_events
from db.session import Database
from engine.cards.grades import GRADES, HALF_GRADES, NO_GRADES, QUALIFIERS
from engine.cards.table import without_apostrophe
from labeling.export import Exported, ExportRefused, export_labels
from labeling.import_cards import ImportRefused, import_cards
from labeling.snapshot import all_pairs
from labeling.splits import split_of

text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8).map(str.strip)
labels = st.fixed_dictionaries(
    {
        "grade": st.sampled_from([None, *GRADES, *HALF_GRADES]),
        "qualifier": st.sampled_from([None, *QUALIFIERS, *NO_GRADES]),
        "source": st.sampled_from(["import", "person"]),
    }
)
cards = st.lists(
    st.fixed_dictionaries(
        {
            "name": text.filter(bool),
            "sides": st.sampled_from(["front", "back", "both"]),
            "group": st.sampled_from(["", "g1", "g2"]),
            "split": st.sampled_from(["", "train", "val", "test"]),
            "cert": text,
            "game": text,
            "notes": text,
            "events": st.lists(labels, max_size=3),
        }
    ),
    unique_by=lambda card: normalize("NFC", without_apostrophe(card["name"])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cards=cards)
def test_an_export_imported_into_an_empty_database_gives_the_same(picture, migrated_file, tmp_path_factory, cards):
    folder = tmp_path_factory.mktemp("round")
    first, second = (Database.open(shutil.copy(migrated_file, folder / name)) for name in ("first.db", "second.db"))
    with (folder / "m.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["card_id", "front", "back", "grade", "group", "split", "cert", "game", "notes"])
        for number, card in enumerate(cards):
            front = picture(f"{number}f.png", seed=number) if card["sides"] != "back" else ""
            back = picture(f"{number}b.png", seed=100 + number) if card["sides"] != "front" else ""
            row = [card[key] for key in ("group", "split", "cert", "game", "notes")]
            writer.writerow([card["name"], front, back, "", *row])
    assert import_cards(first, folder / "m.csv").added == len(cards)
    with first.writing() as session:
        for card_id, card in enumerate(cards, start=1):
            for event in card["events"]:
                add_label(session, card_id=card_id, **event)
    assert export_labels(first, folder / "out" / "labels.csv") == Exported(len(cards), [])
    imported = import_cards(second, folder / "out" / "labels.csv")
    assert (imported.added, imported.refused) == (len(cards), [])
    (first_pairs, _), (second_pairs, _) = all_pairs(first), all_pairs(second)
    assert second_pairs == first_pairs
    assert [split_of(p.group_key) for p in second_pairs] == [split_of(p.group_key) for p in first_pairs]
    assert export_labels(second, folder / "again.csv") == Exported(len(cards), [])
    assert (folder / "again.csv").read_bytes() == (folder / "out" / "labels.csv").read_bytes()
    first.close()
    second.close()


def test_an_export_can_be_read_by_any_csv_reader(database, picture, tmp_path):
    front = picture("in/psa8/a.png")
    import_cards(database, tmp_path / "in")
    export_labels(database, tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert {key: value for key, value in row.items() if value} == {
        "card_id": "psa8/a",
        "front": str(front),
        "grade": "8",
        "group": "psa8/a",
    }


def test_an_export_replaces_the_file_before_it_as_a_whole(database, picture, tmp_path):
    picture("in/a.png")
    import_cards(database, tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "labels.csv").write_text("something longer than before\n" * 100)
    assert export_labels(database, tmp_path / "out" / "labels.csv") == Exported(1, [])
    assert len((tmp_path / "out" / "labels.csv").read_text().splitlines()) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["labels.csv", "labels.history.csv"]


def test_an_export_imported_into_its_own_database_changes_nothing(database, picture, tmp_path):
    picture("in/a.png")
    import_cards(database, tmp_path / "in")
    with database.writing() as session:
        add_label(session, card_id=1, grade=7, source="person")
    before = all_pairs(database)
    export_labels(database, tmp_path / "labels.csv")
    assert import_cards(database, tmp_path / "labels.csv").known == 1
    assert all_pairs(database) == before


def test_a_path_that_cannot_be_written_is_named(database, tmp_path):
    for path in (tmp_path, tmp_path / "loupe.db" / "labels.csv"):
        with pytest.raises(ExportRefused, match=f"^{path}: cannot be written .* choose another path"):
            export_labels(database, path)


def test_a_card_whose_picture_changed_is_not_exported_under_the_old_label(database, picture, tmp_path):
    for seed, name in enumerate(["a", "b"]):
        picture(f"in/psa9/{name}.png", seed=seed)
    import_cards(database, tmp_path / "in")
    picture("in/psa9/a.png", seed=7)
    exported = export_labels(database, tmp_path / "labels.csv")
    assert (exported.cards, [card.card_id for card in exported.left_out]) == (1, ["psa9/a"])
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as file:
        assert [row["card_id"] for row in csv.DictReader(file)] == ["psa9/b"]


def test_no_exported_cell_is_a_formula_and_the_names_come_back(database, picture, migrated_file, tmp_path):
    names = ["=1+1", "+x", "-x", "@x", "'=x", "plain"]
    with (tmp_path / "m.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["card_id", "front", "notes"])
        for seed, name in enumerate(names):
            writer.writerow([f"'{name}", picture(f"{seed}.png", seed=seed), '=HYPERLINK("http://x")'])
    import_cards(database, tmp_path / "m.csv")
    export_labels(database, tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    with Database.open(shutil.copy(migrated_file, tmp_path / "second.db")) as second:
        import_cards(second, tmp_path / "labels.csv")
        assert all_pairs(second) == all_pairs(database)


@pytest.fixture
def two_cards(database, picture, tmp_path):
    """A card with both sides and a history, and one with a front and no grade."""
    for seed, name in enumerate(["psa8/a_front", "psa8/a_back"]):
        picture(f"in/{name}.png", seed=seed)
    picture("in2/b.png", seed=5)
    import_cards(database, tmp_path / "in")
    import_cards(database, tmp_path / "in2")
    with database.writing() as session:
        add_label(session, card_id=1, grade=7, source="person", author="ada", note="=worn", unsure=True)
        add_label(session, card_id=1, grade=6.5, source="person", author="bob", blind=True)
    return database


def history_of(database, name):
    with database.reading() as session:
        events = [event for card, event in named_events(session) if card == name]
    columns = ("grade", "qualifier", "source", "author", "note", "returned", "unsure", "blind", "created_at")
    return [tuple(getattr(event, column) for column in columns) for event in events]


@pytest.mark.parametrize("form", ["csv", "folders", "imagefolder"])
def test_an_export_opens_again_with_who_said_what_when_and_why(two_cards, migrated_file, tmp_path, form):
    target = tmp_path / "out" / ("labels.csv" if form == "csv" else form)
    assert export_labels(two_cards, target, form) == Exported(2, [])
    with Database.open(shutil.copy(migrated_file, tmp_path / "second.db")) as second:
        imported = import_cards(second, target)
        assert (imported.added, imported.refused, imported.changed_labels) == (2, [], 0)
        assert history_of(second, "psa8/a") == history_of(two_cards, "psa8/a")
        assert len(history_of(second, "psa8/a")) == 3
        assert import_cards(second, target).known == 2
        assert len(history_of(second, "psa8/a")) == 3, "a history is not told twice"


def test_a_grade_that_was_changed_in_the_exported_table_is_not_lost(two_cards, migrated_file, tmp_path):
    export_labels(two_cards, tmp_path / "labels.csv")
    text = (tmp_path / "labels.csv").read_text().replace(",6.5,", ",5,")
    (tmp_path / "labels.csv").write_text(text)
    with Database.open(shutil.copy(migrated_file, tmp_path / "second.db")) as second:
        assert import_cards(second, tmp_path / "labels.csv", labels_win=True).changed_labels == 1
        assert [grade for grade, *_ in history_of(second, "psa8/a")] == [8, 7, 6.5, 5, 5]


def test_a_folder_per_grade_holds_copies_of_the_pictures(two_cards, tmp_path):
    export_labels(two_cards, tmp_path / "out", "folders")
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert names == ["no-grade/000002_b_front.png", "psa6.5/000001_psa8_a_back.png", "psa6.5/000001_psa8_a_front.png"]
    assert (tmp_path / "out" / names[2]).read_bytes() == (tmp_path / "in" / "psa8" / "a_front.png").read_bytes()
    with pytest.raises(ExportRefused, match="is not empty; give a new folder"):
        export_labels(two_cards, tmp_path / "out", "folders")


def test_an_image_folder_names_each_picture_with_its_label(two_cards, tmp_path):
    export_labels(two_cards, tmp_path / "out", "imagefolder")
    rows = []
    for metadata in (tmp_path / "out").glob("*/metadata.jsonl"):
        assert metadata.parent.name in {"train", "validation", "test"}
        rows += [json.loads(line) | {"folder": metadata.parent} for line in metadata.read_text().splitlines()]
    labels = sorted((row["card_id"], row["side"], row["grade"], row["qualifier"]) for row in rows)
    assert labels == [("b", "front", 0.0, ""), ("psa8/a", "back", 6.5, ""), ("psa8/a", "front", 6.5, "")]
    assert all((row["folder"] / row["file_name"]).is_file() for row in rows)
    # Hugging Face's library wants the same type of a column in all splits.
    assert {type(row["grade"]) for row in rows} == {float}


def test_a_parquet_file_holds_the_labels_and_their_histories(two_cards, tmp_path):
    export_labels(two_cards, tmp_path / "labels.parquet", "parquet")
    table = pandas.read_parquet(tmp_path / "labels.parquet")
    assert table["card_id"].tolist() == ["psa8/a", "b"]
    assert [event["author"] for event in table["history"][0]] == ["", "ada", "bob"]


@pytest.mark.parametrize(
    ("cell", "wrong", "problem"),
    [
        ("person", "robot", "source 'robot' is not known"),
        ("6.5", "11", "11"),
        (",1,20", ",maybe,20", "a flag is neither"),
    ],
)
def test_a_history_that_cannot_be_read_is_refused_before_anything_is_imported(
    two_cards, migrated_file, tmp_path, cell, wrong, problem
):
    export_labels(two_cards, tmp_path / "labels.csv")
    history = tmp_path / "labels.history.csv"
    history.write_text(history.read_text().replace(cell, wrong))
    with (
        Database.open(shutil.copy(migrated_file, tmp_path / "second.db")) as second,
        pytest.raises(ImportRefused, match=f"labels.history.csv:.*{problem}.*remove the file"),
    ):
        import_cards(second, tmp_path / "labels.csv")
