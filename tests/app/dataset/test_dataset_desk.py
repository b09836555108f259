"""The Dataset tab's desk: counts that open exactly their cards, and changes of many that one undo takes back."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from app.dataset.dataset_desk import DatasetDesk
from app.labels.label_desk import LabelDesk
from app.labels.queue_orders import CHOSEN
from db.labels import add_label, current_labels
from db.session import Database
from labeling.import_cards import import_cards
from tests.app.conftest import Home
from tests.db.row_factory import card_by_name

# card_id, front, back, grade, qualifier, split
CARDS = [
    ("ten", "ten_f.png", "ten_b.png", "10", "", "train"),
    ("nine", "nine_f.png", "nine_b.png", "9", "", "train"),
    ("other nine", "nine2_f.png", "", "9", "", "val"),
    ("half", "half_f.png", "", "8.5", "", "test"),
    ("altered", "", "altered_b.png", "", "ALTERED", "train"),
    ("plain", "plain_f.png", "plain_b.png", "", "", "train"),
]


class Page:
    """A page of the Dataset tab: what its script asks."""

    def __init__(self, home, page="1", name="ada", desk=None):
        self.home, self.page, self.name = home, page, name
        self.desk = desk or DatasetDesk(home.database, home.data)
        self.functions = {function.__name__: function for function in self.desk.functions()}
        self.number = self.part = 0
        self.folder = self.ask("dataset_counts")["folder"]

    def ask(self, function, **values):
        return self.functions[function]({"name": self.name, **values})

    def ids(self, **filters):
        return [int(number) for number in self.ask("dataset_cards", filters=filters)["ids"].split(",") if number]

    def change(self, kind, ids=(), *, same_number=False, again=False, **values):
        self.number += not same_number
        self.part += not again
        known = {"page": self.page, "number": self.number, "part": self.part, "folder": self.folder, "kind": kind}
        return self.ask("change_cards", **{**known, **values}, ids=list(ids))


@pytest.fixture
def home(data_home, picture, tmp_path):
    """A data folder with the cards above."""
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("card_id", "front", "back", "grade", "qualifier", "split"))
        writer.writerows(CARDS)
    for number, name in enumerate(name for card in CARDS for name in card[1:3] if name):
        picture(name, seed=number)
    assert import_cards(data_home.database, tmp_path / "labels.csv").added == len(CARDS)
    return data_home


def labels_of(home):
    with home.database.reading() as session:
        return {
            card_id: (label.grade, label.qualifier)
            for card_id, label in current_labels(session).items()
            if (label.grade, label.qualifier) != (None, None)
        }


def id_of(home, name):
    with home.database.reading() as session:
        return card_by_name(session, name=name).id


def test_the_counts_are_those_of_the_table_that_was_imported(home):
    answer = Page(home).ask("dataset_counts")
    assert answer["total"] == len(CARDS)
    parts = {part["name"]: {row["value"]: row["count"] for row in part["rows"]} for part in answer["parts"]}
    grades = [grade for *_, grade, qualifier, split in CARDS if grade]
    assert {
        value: count for value, count in parts["grade"].items() if count and value not in ("none", "qualifier")
    } == {grade: grades.count(grade) for grade in grades}
    assert (parts["grade"]["none"], parts["grade"]["qualifier"]) == (1, 1)
    assert parts["split"] == {"train": 4, "val": 1, "test": 1}
    assert parts["sides"] == {"both": 3, "front": 2, "back": 1}
    assert parts["source"] == {"import": 5, "none": 1}


def test_each_count_opens_exactly_that_many_cards(home):
    page = Page(home)
    page.change("label", [id_of(home, "plain")], grade=3)
    rows = [(part["name"], row) for part in page.ask("dataset_counts")["parts"] for row in part["rows"]]
    assert [len(page.ids(**{name: row["value"]})) for name, row in rows if row["value"]] == [
        row["count"] for _, row in rows if row["value"]
    ]
    assert sum(row["count"] for name, row in rows if name == "grade") == len(CARDS)


def test_a_grade_is_called_rare_with_less_than_half_the_labels_of_the_most_frequent_one(home):
    page = Page(home)
    page.change("label", page.ids(), grade=9)
    page.change("label", [id_of(home, "plain")], grade=3)
    assert {"grade": 3, "count": 1} in page.ask("dataset_counts")["rare"]
    assert page.ask("dataset_counts")["worn_copies"] == 5, "as many as there are nines"
    assert 9 not in {row["grade"] for row in page.ask("dataset_counts")["rare"]}


def test_one_undo_gives_every_card_of_a_bulk_change_the_label_it_had(home):
    page, before = Page(home), labels_of(home)
    answer = page.change("label", page.ids(), grade=9)
    assert answer["message"] == "4 cards are 9 Mint now; 2 had that label before."
    assert set(labels_of(home).values()) == {(9, None)}
    answer = page.change("undo")
    assert answer == {"message": "Undone: 4 cards are as before.", "left": 0, "undo": ""}
    assert labels_of(home) == before


def test_a_change_in_parts_is_one_change_and_undone_part_by_part(home):
    page, before = Page(home), labels_of(home)
    ids = page.ids()
    page.change("label", [id_of(home, "ten")], grade=7)
    page.change("remove", ids[:3])
    assert (
        page.change("remove", ids[3:], same_number=True)["message"] == "5 cards have no label now; 1 had none before."
    )
    assert labels_of(home) == {}
    left = page.change("undo")["left"]
    assert 0 < left < 5
    answer = page.change("undo", same_number=True)
    assert answer["message"] == "Undone: 5 cards are as before."
    assert answer["undo"] == "the grade"
    assert labels_of(home) == {**before, id_of(home, "ten"): (7, None)}


def test_a_card_that_someone_else_labelled_since_keeps_that_label(home):
    page, before = Page(home), labels_of(home)
    page.change("label", page.ids(), grade=4)
    with home.database.writing() as session:
        add_label(session, card_id=id_of(home, "ten"), grade=2, source="person", author="bob")
    message = page.change("undo")["message"]
    assert message == "Undone: 5 cards are as before. 1 card with another change since stays so."
    assert labels_of(home) == {**before, id_of(home, "ten"): (2, None)}


def test_cards_go_to_the_bin_and_come_back_with_one_undo(home):
    page = Page(home)
    ids = page.ids(split="train")
    assert page.change("bin", ids)["message"] == "4 cards are in the bin now. The Collection tab shows the bin."
    assert len(page.ids()) == 2
    assert page.ask("gallery_cards", ids=ids)["cards"] == []
    assert page.change("label", ids, grade=1)["message"] == "0 cards are 1 Poor now.", "they are shown nowhere"
    assert page.change("undo")["message"] == "Undone: 4 cards are as before."
    assert len(page.ids()) == len(CARDS)


def test_a_request_that_is_sent_again_is_carried_out_once(home):
    page = Page(home)
    first = page.change("label", page.ids(), grade=5)
    assert page.change("label", page.ids(), grade=5, same_number=True, again=True) == first
    assert page.change("undo")["undo"] == ""


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"kind": "label"}, "choose a grade first."),
        ({"kind": "label", "grade": 9.5}, "9.5"),
        ({"kind": "undo"}, "there is nothing on this page to undo."),
        ({"kind": "bin", "folder": "x"}, "this page was opened with another data folder; reload it."),
        ({"kind": "burn"}, "The page sent a value that cannot be used; reload the page."),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence_and_changes_nothing(home, values, sentence):
    before = labels_of(home)
    page = Page(home)
    assert sentence in page.change(**{"ids": page.ids(), **values})["problem"]
    assert labels_of(home) == before


def test_the_label_tab_shows_exactly_the_chosen_cards_in_their_order(home):
    chosen = [id_of(home, name) for name in ("half", "ten", "plain")]
    Page(home).change("bin", [id_of(home, "plain")])
    functions = {function.__name__: function for function in LabelDesk(home.database, home.data).functions()}
    answer = functions["open_queue"]({"entry": CHOSEN, "chosen": chosen})
    assert answer["ids"] == f"{chosen[0]},{chosen[1]}"


def test_the_gallery_shows_small_pictures_and_names_a_missing_file(home, picture, tmp_path):
    picture("ten_f.png", seed=0, size=(1400, 1960))
    large = tmp_path / "large"
    large.mkdir()
    (tmp_path / "ten_f.png").rename(large / "large_front.png")
    import_cards(home.database, large)
    (tmp_path / "half_f.png").unlink()
    page = Page(home)
    cards = {card["name"]: card for card in page.ask("gallery_cards", ids=page.ids())["cards"]}
    with Image.open(Path(cards["large"]["front"]["url"].removeprefix("gradio_api/file="))) as thumbnail:
        assert max(thumbnail.size) == 320
    assert (cards["half"]["front"]["url"], cards["half"]["back"]) == (None, None)
    assert "half_f.png is missing" in cards["half"]["front"]["problem"]
    assert cards["altered"]["label"] == "no grade ALTERED"


def test_a_moved_file_is_shown_once_it_is_looked_for(home, tmp_path):
    (tmp_path / "ten_f.png").rename(tmp_path / "moved.png")
    page, card = Page(home), id_of(home, "ten")
    assert page.ask("gallery_cards", ids=[card])["cards"][0]["front"]["url"] is None
    assert page.ask("gallery_cards", ids=[card], search=True)["cards"][0]["front"]["url"]
    assert page.ask("gallery_cards", ids=[card])["cards"][0]["front"]["url"]


def test_an_empty_data_folder_has_no_counts(data_home: Home, database: Database):
    answer = Page(data_home).ask("dataset_counts")
    assert (answer["total"], answer["rare"], answer["worn_copies"]) == (0, [], 0)
