"""An export can be imported into another database: the same cards, labels, groups and splits."""

from __future__ import annotations

import csv
import shutil
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.labels import add_label
from db.session import Database
from engine.cards.grades import GRADES, HALF_GRADES, NO_GRADES, QUALIFIERS
from engine.cards.table import without_apostrophe
from labeling.export import Exported, ExportRefused, export_labels
from labeling.import_cards import import_cards
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
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["labels.csv"]


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
