"""A label goes to the card that the page shows, even if the page was opened with another data folder."""

import pytest

from app.labels.label_session import (
    ALL_CARDS,
    NO_CHANGES,
    first_view,
    neighbor_view,
    ranked_queue,
    save_label,
    take_back,
)
from app.settings import data_folder
from db.labels import add_label, label_history
from db.session import Database
from labeling.import_cards import import_cards
from tests.app.conftest import Home
from tests.db.row_factory import card_by_name


@pytest.fixture
def two_folders(data_home, picture, tmp_path):
    """Two data folders whose first card has the same row id and other pictures."""
    folder = data_folder(tmp_path / "other")
    picture("first/a.png", seed=1)
    picture("second/b.png", seed=2)
    import_cards(data_home.database, tmp_path / "first")
    with Database.open(folder.database) as database:
        import_cards(database, tmp_path / "second")
        yield data_home, Home(folder, database, data_home.jobs)


def labels_of(home, name):
    with home.database.reading() as session:
        return [event.grade for event in label_history(session, card_id=card_by_name(session, name=name).id)]


def save(home, key):
    return save_label(home.database, home.data, key, ALL_CARDS, 5, "none")[:2]


def test_a_page_of_another_data_folder_labels_no_card(two_folders):
    first, second = two_folders
    key = first_view(first.database, first.data, ALL_CARDS).key
    view, message = save(second, key)
    assert "reload the page" in message
    assert labels_of(second, "b") == []
    assert view.title.endswith("b"), "the page now shows a card of this folder"
    assert neighbor_view(second.database, second.data, key, ALL_CARDS, backwards=False).title.endswith("b")
    _, message = save(first, key)
    assert message.startswith("Saved: a")
    assert labels_of(first, "a") == [5]


def test_a_card_keeps_its_key_when_its_other_side_is_added(data_home, picture, tmp_path):
    picture("in/c_back.png", seed=2)
    import_cards(data_home.database, tmp_path / "in")
    key = first_view(data_home.database, data_home.data, ALL_CARDS).key
    picture("in/c_front.png", seed=1)
    import_cards(data_home.database, tmp_path / "in")
    save(data_home, key)
    assert labels_of(data_home, "c") == [5]


@pytest.mark.parametrize("key", [None, "", "1", ":", "x:y", "1:", "9" * 5000 + ":a", "\u00b2:a"])
def test_a_key_of_no_card_labels_nothing(two_folders, key):
    home, _ = two_folders
    _, message = save(home, key)
    assert not message.startswith("Saved")
    assert labels_of(home, "a") == []


def test_a_ranked_queue_shows_places_and_reasons_and_keeps_its_order_while_labelling(data_home, picture, tmp_path):
    for number in range(3):
        picture(f"in/{number}.png", seed=number)
    import_cards(data_home.database, tmp_path / "in")
    entry = "Not reviewed first"
    ranked = ranked_queue(data_home.database, entry, None)
    home = (data_home.database, data_home.data)
    first = first_view(*home, entry, ranked)
    assert "1 of 3" in first.title
    assert "it has no label" in first.title
    second, *_ = save_label(*home, first.key, entry, 5, "none", "ada", ranked)
    assert "2 of 3" in second.title
    assert neighbor_view(*home, second.key, entry, ranked, backwards=True).key == first.key
    last = neighbor_view(*home, second.key, entry, ranked, backwards=False)
    assert "3 of 3" in last.title
    assert neighbor_view(*home, last.key, entry, ranked, backwards=False).key == first.key, "from the start again"
    # Chosen anew, the order has the labelled card last.
    assert ranked_queue(data_home.database, entry, None).entries[-1].row_id == int(first.key.split(":")[0])


@pytest.fixture
def labelled(data_home, picture, tmp_path):
    """A home with two cards, imported with an 8 and unlabelled, and functions that label, undo and redo on one page."""
    picture("in/eight.png", seed=1)
    picture("in/none.png", seed=2)
    (tmp_path / "in" / "labels.csv").write_text("card_id,front,grade\neight,eight.png,8\nnone,none.png,\n", "utf-8")
    import_cards(data_home.database, tmp_path / "in" / "labels.csv")
    page = {"changes": NO_CHANGES}
    home = (data_home.database, data_home.data)

    def keys() -> dict[str, str]:
        first = first_view(*home, ALL_CARDS)
        second = neighbor_view(*home, first.key, ALL_CARDS, backwards=False)
        return {view.title.split()[-1]: view.key for view in (first, second)}

    def label(name: str, grade: float | None) -> None:
        changes = page["changes"]
        page["changes"] = save_label(*home, keys()[name], ALL_CARDS, grade, "none", "ada", changes=changes)[2]

    def back(*, again: bool = False) -> str:
        view, message, page["changes"] = take_back(*home, None, ALL_CARDS, page["changes"], "ada", again=again)
        assert view.key
        return message

    return data_home, label, back


def test_labels_are_undone_across_cards_and_given_again_by_events_of_their_own(labelled):
    home, label, back = labelled
    label("eight", 3)
    label("none", 6)
    label("eight", 4)
    assert [back() for _ in range(3)] == [
        "Undone: eight is 3 Very Good.",
        "Undone: none is not labelled.",
        "Undone: eight is 8 NM-MT.",
    ]
    assert back() == "There is no label of this page to undo."
    assert [back(again=True) for _ in range(3)] == [
        "Given again: eight is 3 Very Good.",
        "Given again: none is 6 EX-MT.",
        "Given again: eight is 4 VG-EX.",
    ]
    assert back(again=True) == "There is no label of this page to give again."
    assert labels_of(home, "eight") == [8, 3, 4, 3, 8, 3, 4], "nothing is taken out of the history"


def test_a_label_that_another_page_has_replaced_is_not_undone(labelled):
    home, label, back = labelled
    label("eight", 3)
    with home.database.writing() as session:
        card = card_by_name(session, name="eight")
        add_label(session, card_id=card.id, grade=9, source="person", author="bob")
    assert back().startswith("Not undone: the card has got another label since")
    assert labels_of(home, "eight") == [8, 3, 9]


def test_a_new_label_ends_what_can_be_given_again(labelled):
    _, label, back = labelled
    label("eight", 3)
    back()
    label("eight", 5)
    assert back(again=True) == "There is no label of this page to give again."
