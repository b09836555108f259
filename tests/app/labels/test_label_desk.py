"""The labeling desk: a decision goes to the card that the page shows, once, whatever is lost on the way."""

import shutil

import pytest
from sqlalchemy.exc import OperationalError

from app.labels.label_desk import LabelDesk
from app.labels.queue_orders import ALL_CARDS, SECOND_LOOK
from app.settings import data_folder
from db.labels import add_label, label_history
from db.session import Database
from labeling.import_cards import import_cards
from tests.app.conftest import Home
from tests.db.row_factory import card_by_name


class Page:
    """A page at the desk of a data folder: what its script asks, and what was answered last."""

    def __init__(self, home, name="ada", page="1", login=None, desk=None):
        self.home, self.name, self.page, self.number = home, name, page, 0
        self.desk = desk or LabelDesk(home.database, home.data, login)
        self.functions = {function.__name__: function for function in self.desk.functions()}

    def ask(self, function, **values):
        return self.functions[function]({"name": self.name, **values})

    def ids(self, entry=ALL_CARDS, **filters):
        ids = self.ask("open_queue", entry=entry, filters=filters)["ids"]
        return [int(number) for number in ids.split(",") if number]

    def cards(self, ids=None, entry=ALL_CARDS):
        return self.ask("queue_cards", ids=self.ids(entry) if ids is None else ids, entry=entry)["cards"]

    def card(self, name):
        return next(card for card in self.cards() if card["name"] == name)

    def act(self, kind, card="", *, again=False, key=None, **values):
        """An act; `again`: the same one as before, sent a second time."""
        self.number += not again
        shown = self.card(card) if card else {"key": "", "last_event": 0}
        values = {"key": shown["key"] if key is None else key, "last_event": shown["last_event"], **values}
        answer = self.ask("label_acts", page=self.page, acts=[{"kind": kind, "number": self.number, **values}])
        return answer["answers"][0]

    def message(self, *args, **values):
        return self.act(*args, **values)["message"]


def labels_of(home, name):
    with home.database.reading() as session:
        card = card_by_name(session, name=name)
        return [event.grade for event in label_history(session, card_id=card.id)]


@pytest.fixture
def two_folders(data_home, migrated_file, picture, tmp_path):
    """Two data folders whose first card has the same row id and other pictures."""
    folder = data_folder(tmp_path / "other")
    picture("first/a.png", seed=1)
    picture("second/b.png", seed=2)
    import_cards(data_home.database, tmp_path / "first")
    with Database.open(shutil.copy(migrated_file, folder.database)) as database:
        import_cards(database, tmp_path / "second")
        yield data_home, Home(folder, database, data_home.jobs)


def test_a_page_of_another_data_folder_labels_no_card(two_folders):
    first, second = two_folders
    key = Page(first).card("a")["key"]
    assert "reload the page" in Page(second).message("label", key=key, grade=5)
    assert labels_of(second, "b") == []
    assert Page(first).message("label", "a", grade=5) == "Saved: a is 5 Excellent."
    assert labels_of(first, "a") == [5]


def test_a_card_keeps_its_key_when_its_other_side_is_added(data_home, picture, tmp_path):
    picture("in/c_back.png", seed=2)
    import_cards(data_home.database, tmp_path / "in")
    key = Page(data_home).card("c")["key"]
    picture("in/c_front.png", seed=1)
    import_cards(data_home.database, tmp_path / "in")
    Page(data_home).act("label", key=key, grade=5)
    assert labels_of(data_home, "c") == [5]


@pytest.mark.parametrize("key", ["", "1", ":", "x:y", "1:", "9" * 1500 + ":a", "\u00b2:a"])
def test_a_key_of_no_card_labels_nothing(two_folders, key):
    home, _ = two_folders
    answer = Page(home).act("label", key=key, grade=5)
    assert not answer["ok"]
    assert answer["message"].startswith("Not saved")
    assert labels_of(home, "a") == []


@pytest.mark.parametrize(
    "value",
    [None, "", 7, [], {}, {"page": "1"}, {"page": "1", "acts": [{"kind": "burn", "number": 1}]}, {"acts": [{}] * 999}],
)
def test_a_value_that_no_page_sends_is_refused_in_one_sentence(two_folders, value):
    functions = Page(two_folders[0]).functions
    assert functions["label_acts"](value) == {
        "problem": "The page sent a value that cannot be used; reload the page.",
        "unusable": True,
    }
    for name in ("queue_cards", "full_picture", "corner_close_ups", "model_opinion"):
        assert "problem" in functions[name](value)
    assert "problem" in functions["open_queue"]({"entry": "beauty"})


@pytest.fixture
def labelled(data_home, picture, tmp_path):
    """A home with two cards, imported with an 8 and unlabelled."""
    picture("in/eight.png", seed=1)
    picture("in/none.png", seed=2)
    (tmp_path / "in" / "labels.csv").write_text("card_id,front,grade\neight,eight.png,8\nnone,none.png,\n", "utf-8")
    import_cards(data_home.database, tmp_path / "in" / "labels.csv")
    return data_home


def test_a_card_has_its_label_its_history_and_the_reasons_for_its_place(labelled):
    page = Page(labelled)
    assert [card["name"] for card in page.cards()] == ["none", "eight"]
    page.act("label", "eight", grade=7.5, note="worn corner")
    card = page.card("eight")
    assert card["label"] == "7.5 Near Mint+"
    assert [(event["author"], event["source"], event["note"], event["label"]) for event in card["history"]] == [
        ("ada", "by hand", "worn corner", "7.5 Near Mint+"),
        ("", "imported", "", "8 NM-MT"),
    ]
    assert card["history"][0]["at"].endswith("+00:00"), "the page shows it in its own time zone"
    first, second = page.cards(entry="Not reviewed first")
    assert (first["name"], first["reasons"]) == ("none", ["it has no label"])
    assert second["reasons"] == []


def test_an_act_that_is_sent_again_is_done_once(labelled):
    page = Page(labelled)
    first = page.act("label", "eight", grade=3)
    assert page.act("label", "eight", grade=3, again=True) == first
    assert labels_of(labelled, "eight") == [8, 3]


def test_an_act_that_is_sent_again_to_a_server_that_was_started_again_is_done_once(labelled):
    page = Page(labelled)
    before = page.card("eight")
    for desk in (page.desk, LabelDesk(labelled.database, labelled.data)):
        again = Page(labelled, desk=desk)
        answer = again.act("label", key=before["key"], last_event=before["last_event"], grade=3)
        assert answer["message"] == "Saved: eight is 3 Very Good."
    assert labels_of(labelled, "eight") == [8, 3]
    Page(labelled, page="2").act("label", "eight", grade=3)
    assert labels_of(labelled, "eight") == [8, 3, 3], "given again by someone who saw it, it counts again"


def test_a_label_counts_as_saved_only_after_the_commit(labelled, monkeypatch):
    page = Page(labelled)
    key = page.card("eight")["key"]

    def fail(*args, **values):
        raise OperationalError("INSERT", {}, _full())

    with monkeypatch.context() as patch:
        patch.setattr("app.labels.label_desk.labels.add_label", fail)
        answer = page.ask("label_acts", page="1", acts=[{"kind": "label", "number": 1, "key": key, "grade": 3}])
    assert "the disk is full" in answer["problem"]
    assert "answers" not in answer, "the page keeps the act and sends it again"
    assert labels_of(labelled, "eight") == [8]
    answer = page.ask("label_acts", page="1", acts=[{"kind": "label", "number": 1, "key": key, "grade": 3}])
    assert answer["answers"][0]["message"] == "Saved: eight is 3 Very Good."


def _full():
    error = Exception("database or disk is full")
    error.sqlite_errorcode = 13
    return error


@pytest.mark.parametrize(
    ("grade", "qualifier", "problem"),
    [
        (10, "OC", "PSA gives no 10 with the qualifier OC"),
        (8.5, "ST", "PSA gives no 8.5 with the qualifier ST"),
        (None, "OC", "choose the grade too"),
        (9, "N1", "comes without a grade"),
        (9.5, "", "not on the PSA scale"),
        (None, "", "press Remove label"),
    ],
)
def test_a_label_that_psa_does_not_know_is_refused(labelled, grade, qualifier, problem):
    answer = Page(labelled).act("label", "eight", grade=grade, qualifier=qualifier)
    assert not answer["ok"]
    assert problem in answer["message"]
    assert labels_of(labelled, "eight") == [8]


def test_cards_are_unsure_noted_removed_and_not_gradable_by_acts_of_their_own(labelled):
    page = Page(labelled)
    assert "comes back" in page.message("unsure", "eight")
    assert page.card("eight")["unsure"]
    assert page.cards(entry="Unsure: look again")[0]["name"] == "eight"
    page.act("note", "eight", note="is that a scratch?")
    card = page.card("eight")
    assert (card["label"], card["unsure"], card["history"][0]["note"]) == ("8 NM-MT", True, "is that a scratch?")
    assert page.message("label", "none", qualifier="N9") == "Saved: none is no grade N9."
    assert page.message("remove", "eight") == "Saved: eight is not labelled."
    assert [page.message("undo") for _ in range(2)] == [
        "Undone: eight is 8 NM-MT.",
        "Undone: none is not labelled.",
    ]


def test_exchanging_the_sides_of_a_card_twice_by_one_press_exchanges_them_once(data_home, picture, tmp_path):
    for seed, side in enumerate(("front", "back")):
        picture(f"in/a_{side}.png", seed=seed)
    import_cards(data_home.database, tmp_path / "in")
    page = Page(data_home)
    before = page.card("a")
    for number in (1, 2):
        again = Page(data_home, page=f"{number}")
        assert again.act("swap", key=before["key"], front=before["front_sha256"])["ok"]
    after = page.card("a")
    assert (after["front"]["url"], after["back"]["url"]) == (before["back"]["url"], before["front"]["url"])


def test_labels_are_undone_across_cards_and_given_again_by_events_of_their_own(labelled):
    page = Page(labelled)
    for name, grade in (("eight", 3), ("none", 6), ("eight", 4)):
        page.act("label", name, grade=grade)
    assert [page.message("undo") for _ in range(4)] == [
        "Undone: eight is 3 Very Good.",
        "Undone: none is not labelled.",
        "Undone: eight is 8 NM-MT.",
        "There is no label of this page to undo.",
    ]
    answer = page.act("redo")
    assert answer["message"] == "Given again: eight is 3 Very Good."
    assert answer["card"] == page.card("eight")["id"], "the card to show"
    assert [page.message("redo") for _ in range(3)] == [
        "Given again: none is 6 EX-MT.",
        "Given again: eight is 4 VG-EX.",
        "There is no label of this page to give again.",
    ]
    assert labels_of(labelled, "eight") == [8, 3, 4, 3, 8, 3, 4], "nothing is taken out of the history"


def test_a_label_that_another_page_has_replaced_is_not_undone(labelled):
    page = Page(labelled)
    page.act("label", "eight", grade=3)
    with labelled.database.writing() as session:
        card = card_by_name(session, name="eight")
        add_label(session, card_id=card.id, grade=9, source="person", author="bob")
    assert page.message("undo").startswith("Not undone: the card has got another label since")
    assert labels_of(labelled, "eight") == [8, 3, 9]


def test_a_new_label_ends_what_can_be_given_again(labelled):
    page = Page(labelled)
    page.act("label", "eight", grade=3)
    page.act("undo")
    page.act("label", "eight", grade=5)
    assert page.message("redo") == "There is no label of this page to give again."


def test_two_labelers_do_not_get_the_same_card(labelled):
    ada = Page(labelled)
    bob = Page(labelled, name="bob", page="2", desk=ada.desk)
    first, second = ada.ids()
    assert [card["claimed"] for card in ada.cards([first])] == [False]
    assert [card["claimed"] for card in bob.cards([first, second])] == [True, False]
    assert [card["claimed"] for card in ada.cards([second])] == [True]
    assert [card["claimed"] for card in bob.cards([first])] == [False], "given up when ada went on"


def test_the_user_who_logged_in_is_the_labeler(labelled):
    page = Page(labelled, name="someone", login="grace")
    page.act("label", "eight", grade=3)
    assert page.card("eight")["history"][0]["author"] == "grace"
    Page(labelled, name="", page="2").act("label", "none", grade=3)
    assert page.card("none")["history"][0]["author"] not in ("", "grace"), "the user of the machine"


def test_a_second_look_shows_neither_label_nor_history(labelled, monkeypatch):
    monkeypatch.setattr("labeling.second_look.SAMPLE_FRACTION", 1.0)
    Page(labelled).act("label", "eight", grade=3)
    bob = Page(labelled, name="bob", page="2")
    [card] = bob.cards(entry=SECOND_LOOK)
    assert (card["name"], card["label"], card["history"], card["blind"]) == ("eight", "", [], True)
    assert bob.ask("label_agreement")["sentences"][0].startswith("No card was graded twice yet.")
    bob.act("label", key=card["key"], last_event=card["last_event"], grade=5, blind=card["blind"])
    assert bob.cards(entry=SECOND_LOOK) == []
    assert bob.ask("label_agreement")["sentences"] == ["Different labelers: QWK 0.00, the same grade on 0% of 1 card."]
    assert [card["name"] for card in bob.cards(entry="Conflicts: different people, different grades")] == ["eight"]


def test_the_model_s_opinion_says_why_there_is_none(labelled):
    page = Page(labelled)
    key = page.card("eight")["key"]
    assert page.ask("model_opinion", key=key) == {"problem": "There is no grading model yet."}
    assert page.ask("label_counts") == {"counts": "2 cards: 1 of grade 8, 1 without a grade.", "scoring": ""}


def test_a_picture_is_given_out_with_all_its_pixels_on_demand(data_home, picture, tmp_path):
    picture("in/big.png", seed=1, size=(1800, 2400))
    import_cards(data_home.database, tmp_path / "in")
    page = Page(data_home)
    card = page.card("big")
    url = page.ask("full_picture", key=card["key"], side="front")["url"]
    assert url.endswith("-full.jpg")
    assert card["front"]["px"] == [1800, 2400]
    assert page.ask("full_picture", key=card["key"], side="back") == {"problem": "the card has no back."}
