"""The collection: keeping, searching, sorting, worth, returned grades, regrading, prices from a file, deleting."""

import asyncio
from pathlib import Path

import gradio as gr
import pytest

from app.collection import collection_text, keep_graded_card
from app.collection.collection import (
    current_costs,
    find_cards,
    load_collection,
    save_costs,
    save_prices,
    save_returned_grade,
    save_title,
)
from app.collection.deleting import clear_caches, disk_use, empty_bin
from app.collection.keep_graded_card import Regraded, outdated, regrade_outdated
from app.collection.price_file import import_prices
from app.collection.returned_grades import collection_record
from app.labels.card_names import card_key
from app.screens.page import build
from app.settings import UserError
from db import card_bin, collection, labels
from db.schema import Grading
from engine.cards.grades import BadGrade
from engine.cards.submission import BadAmount, SubmissionCosts
from tests.db import row_factory

OLD, NEW = "a" * 64, "b" * 64


def report(grade: int | None, model: str = OLD, *, low: int = 7, abstained: bool = False):
    """The JSON of a grading with all probability on two grades: .6 on `grade`, .4 on the one below."""
    chances = None if grade is None else [0.0] * 10
    if chances is not None:
        chances[grade - 1], chances[grade - 2] = 0.6, 0.4
    return {
        "grade": grade,
        "expected": None if grade is None else grade - 0.4,
        "probabilities": chances,
        "interval": None if grade is None else {"coverage": 0.9, "low": low, "high": grade},
        "abstained": abstained or grade is None,
        "model": {"name": "m", "sha256": model, "trained_on": "cards"},
    }


@pytest.fixture
def keep(data_home, picture):
    """Keep a card with a grading."""

    def keep_card(title: str, grade: int | None, seed: int, **options):
        path = picture(f"upload/{title}.png", seed=seed)
        grading = {
            "pictures": [keep_graded_card.sha256(path), None],
            "report": report(grade, low=options.pop("low", 7), abstained=options.pop("abstained", False)),
        }
        return keep_graded_card.keep_graded_card(
            data_home.database, data_home.data, path, None, grading=grading, title=title, **options
        )

    return keep_card


def only(home):
    [card] = load_collection(home.database)
    return card


def names(cards_of_collection) -> list[str]:
    return [card.title for card in cards_of_collection]


def test_a_kept_card_has_its_picture_prediction_and_report(data_home, keep):
    keep("Mew", 9, 1)
    card = only(data_home)
    assert (card.title, card.grading.prediction["grade"], card.worth) == ("Mew", 9, None)
    assert Path(card.card.front.path).parent == data_home.data.pictures
    with data_home.database.reading() as session:
        assert session.get(Grading, card.grading.id).report == report(9)


def test_keeping_the_same_card_again_adds_no_second_grading_but_the_new_name(data_home, keep, picture):
    keep("Mew", 9, 1)
    keep("Mewtwo", 9, 1)
    assert (len(only(data_home).gradings), only(data_home).title) == (1, "Mewtwo")


def test_pictures_other_than_the_graded_ones_are_graded_before_they_are_kept(data_home, picture, monkeypatch):
    monkeypatch.setattr(keep_graded_card, "grade_card", lambda *_, **__: "graded here")
    monkeypatch.setattr(keep_graded_card, "grading_model", lambda _: None)
    monkeypatch.setattr(keep_graded_card, "kept_grading", lambda graded: {"report": report(4), "graded": graded})
    stale = {"pictures": ["another picture", None], "report": report(10)}
    path = picture("a.png", seed=3)
    keep_graded_card.keep_graded_card(data_home.database, data_home.data, path, None, grading=stale)
    assert only(data_home).grading.prediction["grade"] == 4


def test_cards_are_found_by_every_word_and_sorted_with_those_without_a_value_last(data_home, keep):
    save_costs(data_home.database, SubmissionCosts(20, 5, 0.1))
    keep("Pikachu Jungle", 8, 1, prices={"raw": 10, "8": 12})
    keep("Éclair of the jungle", 10, 2, prices={"raw": 10, "10": 500})
    keep("Mew", 6, 3)
    found = load_collection(data_home.database)
    assert names(find_cards(found, "JUNGLE", "Name")) == ["Pikachu Jungle", "Éclair of the jungle"]
    assert names(find_cards(found, "jungle éclair", "Name")) == ["Éclair of the jungle"]
    assert names(find_cards(found, "", "Expected gain")) == ["Éclair of the jungle", "Pikachu Jungle", "Mew"]
    assert names(find_cards(found, "", "Grade")) == ["Éclair of the jungle", "Pikachu Jungle", "Mew"]
    assert names(find_cards(found, "", "Newest")) == ["Mew", "Éclair of the jungle", "Pikachu Jungle"]


def test_the_worth_on_the_screen_is_that_worked_by_hand(data_home, keep):
    # .6 for a 9 that sells for 100, .4 for an 8 for 50, ungraded 20, without a selling fee: gains of 50 and 0.
    save_costs(data_home.database, SubmissionCosts(25, 5, 0))
    keep("Mew", 9, 1, prices={"raw": 20, "9": 100, "8": 50})
    costs = current_costs(data_home.database)
    text = collection_text.card_worth_text(only(data_home).grading.prediction, only(data_home).card.prices, costs)
    assert "### Submit it" in text
    assert "Expected gain **+30.00**: " in text and "For the grades in the range it is −30.00 to +50.00." in text
    assert "Chance of a 10: 0 %. Submitting pays without a 10 too." in text
    # Half a grade lower: .3 for a 9, .5 for an 8, .2 for a 7 that sells for the raw 20.
    assert "half a grade lower than predicted, the expected gain is +9.00" in text
    save_prices(data_home.database, only(data_home).card.id, {"raw": 20})
    assert only(data_home).worth is None
    with pytest.raises(BadAmount, match="value of a 9, nan"):
        save_prices(data_home.database, only(data_home).card.id, {"9": float("nan")})


def test_a_returned_grade_is_the_label_with_its_certificate_and_can_be_withdrawn(data_home, keep):
    card_id = keep("Mew", 9, 1).id
    save_returned_grade(data_home.database, card_id, grade="8.5", qualifier="", cert=" 12345678 ", author="ann")
    card = only(data_home)
    assert collection_text.returned_text(card) == "Came back as **8.5 NM-MT+**, certificate 12345678."
    with data_home.database.reading() as session:
        assert labels.current_label(session, card_id=card_id).grade == 8.5
    save_returned_grade(data_home.database, card_id, grade="", qualifier="", cert="")
    assert only(data_home).returned is None
    with data_home.database.reading() as session:
        assert labels.count_by_grade(session) == {None: 1}
    with pytest.raises(BadGrade, match=r"grade '9\.5'"):
        save_returned_grade(data_home.database, card_id, grade="9.5", qualifier="", cert="")
    with pytest.raises(UserError, match="certificate number '12a' is not a number"):
        save_returned_grade(data_home.database, card_id, grade="9", qualifier="", cert="12a")
    with pytest.raises(UserError, match="not in the collection any more"):
        save_title(data_home.database, 99, "x")


def test_the_track_record_compares_the_prediction_before_the_return_and_says_what_it_leaves_out(data_home, keep):
    returned = {"right": "9", "one off": "8.5", "far off": "4", "doubtful": "9", "qualified": "8"}
    kept = {title: keep(title, 9, seed, abstained=title == "doubtful") for seed, title in enumerate(returned)}
    for title, grade in returned.items():
        qualifier = "OC" if title == "qualified" else ""
        save_returned_grade(data_home.database, kept[title].id, grade=grade, qualifier=qualifier, cert="")
    # A grading after the return may be by a model that was trained on the grade.
    keep_graded_card.add_grading(data_home.database, kept["far off"].id, report(4, NEW))
    result = collection_record(data_home.database)
    counts = [(share.count, share.n) for share in (result.record.exact, result.record.within_one)]
    assert counts == [(1, 3), (2, 3)]
    assert result.record.ranges_held.count == 2
    assert (result.not_graded, result.no_grade) == (1, 1)
    text = collection_text.record_text(result)
    assert "Grade exactly right: **1 of 3** (33 %; in the long run probably 6 to 79 %)" in text
    assert "Left out: 1 with a qualifier or without a grade, 1 that Loupe did not grade." in text


def test_a_new_model_grades_the_outdated_cards_again_and_both_gradings_stand_side_by_side(data_home, keep, monkeypatch):
    gone = keep("Gone", 9, 1)
    keep("Mew", 9, 2)
    Path(gone.front.path).unlink()
    monkeypatch.setattr(keep_graded_card, "grading_model", lambda _: "the new model")
    monkeypatch.setattr(keep_graded_card, "sha256_in_use", lambda _: NEW)
    monkeypatch.setattr(keep_graded_card, "grade_card", lambda *_, **__: None)
    monkeypatch.setattr(keep_graded_card, "report", lambda _: report(7, NEW))
    assert names(outdated(load_collection(data_home.database), data_home.data)) == ["Gone", "Mew"]
    results = list(regrade_outdated(data_home.database, data_home.data))
    assert results[1] == Regraded("Mew")
    assert "is missing; restore it" in results[0].problem
    [left, regraded] = load_collection(data_home.database)
    assert outdated([left, regraded], data_home.data) == [left]
    text = collection_text.gradings_text(regraded, SubmissionCosts())
    assert "| Grade | 9 Mint | 7 Near Mint |" in text
    assert f"| Model | m ({OLD[:12]}) | m ({NEW[:12]}) |" in text


def test_prices_of_a_file_go_to_the_cards_of_that_name_and_each_bad_row_is_named(data_home, keep, tmp_path):
    keep("Mew", 9, 1)
    table = tmp_path / "prices.csv"
    table.write_text(
        "Name;Raw;PSA 10;PSA 9\nmew;20;€ 300,50;80\nNobody;1;2;3\nMew;1,200;5;6\nMew;-5;5;6\n", encoding="utf-8"
    )
    imported = import_prices(data_home.database, table)
    assert imported.cards == 1
    assert only(data_home).card.prices == {"raw": 20, "10": 300.5, "9": 80}
    assert [problem.split(":", 2)[1] for problem in imported.problems] == ["3", "4", "5"]
    assert "no card of the collection has the name 'Nobody'" in imported.problems[0]
    assert "the price '1,200' of raw is not a number; write it like 1200 or 12.50" in imported.problems[1]


def test_emptying_the_bin_deletes_uploaded_pictures_and_caches_but_no_imported_file(data_home, keep, picture):
    imported = picture("own/front.png", seed=7)
    with data_home.database.writing() as session:
        row = row_factory.add_picture(session, path=imported, sha256="c" * 64, width=60, height=84, phash="0" * 16)
        own = row_factory.add_card(session, name="own", front_id=row.id)
        collection.add_grading(session, card_id=own.id, model_name="m", model_sha256=OLD, report=report(9))
    kept, other = keep("Mew", 9, 1), keep("Pikachu", 9, 2)
    data_home.data.shown.mkdir(parents=True)
    (data_home.data.shown / "preview.jpg").write_bytes(b"x" * 1000)
    with data_home.database.writing() as session:
        card_bin.move_to_bin(session, card_ids=[kept.id, own.id])
    with data_home.data.training_lock(), pytest.raises(UserError, match="a training run is using"):
        empty_bin(data_home.database, data_home.data, [kept.id, own.id])
    assert empty_bin(data_home.database, data_home.data, [kept.id, own.id]) == 2
    assert imported.is_file()
    assert [path.name for path in data_home.data.pictures.glob("*.png")] == [Path(other.front.path).name]
    [manifest] = data_home.data.pictures.glob("*.csv")
    assert Path(other.front.path).name in manifest.read_text(encoding="utf-8")
    assert not data_home.data.cache.exists()
    assert names(load_collection(data_home.database)) == ["Pikachu"]


def test_keeping_a_card_of_the_bin_again_takes_it_out(data_home, keep):
    kept = keep("Mew", 9, 1)
    with data_home.database.writing() as session:
        card_bin.move_to_bin(session, card_ids=[kept.id])
    assert load_collection(data_home.database) == []
    keep("Mew", 9, 1)
    assert only(data_home).title == "Mew"


def test_the_disk_use_adds_up_and_clearing_the_caches_frees_what_it_says(data_home):
    data_home.data.shown.mkdir(parents=True)
    (data_home.data.shown / "preview.jpg").write_bytes(b"x" * 5_000)
    parts = disk_use(data_home.data)
    assert parts["caches"] == 5_000
    assert sum(parts.values()) == 2 * parts["in all"]
    assert clear_caches(data_home.data) == 5_000
    assert disk_use(data_home.data)["caches"] == 0
    assert collection_text.size_text(5_000) == "5.0 kB"


def sender(home):
    """Send the event of an element of the page, with the card chosen by its key: its updates, which it may make."""

    async def built():  # without a running event loop, Gradio creates one and leaves it open
        return build(home.database, home.data, home.jobs)

    page = asyncio.run(built())
    events = {
        getattr(page.blocks[block], "elem_id", None): event
        for event in page.fns.values()
        for block, _ in event.targets
        if block in page.blocks
    }

    def send(name, key):
        event = events[name]
        updates = event.fn(*(key if block.elem_id == "collection-card" else block.value for block in event.inputs))
        assert set(updates) <= set(event.outputs)
        return {block.elem_id: update for block, update in updates.items() if block.elem_id}

    return send


def test_what_is_done_with_a_card_is_shown_on_the_page(data_home, keep):
    keep("Mew", 9, seed=1)
    [card] = [entry.card for entry in load_collection(data_home.database)]
    send, key = sender(data_home), card_key(card)
    saved = send("save-returned", key)
    assert saved["collection-card"]["value"] == key
    assert saved["returned-grade"] == "not back yet"
    assert saved["collection-status"].startswith("Saved.")
    deleted = send("delete-card", key)
    assert deleted["collection-card"]["value"] is None
    assert deleted["bin-text"] == "**1 card in the bin.**"
    assert (deleted["undo-delete"]["visible"], deleted["record-section"]["visible"]) == (True, False)
    assert "card-title" not in deleted, "without a card, its section is hidden and stays as it is"
    assert send("restore-bin", None)["collection-card"]["value"] == key


def test_a_page_of_another_data_folder_changes_no_card_of_the_collection(data_home, keep):
    """Row ids repeat between data folders; the page names its card by the picture as well."""

    keep("mine", 9, seed=1)
    [card] = [entry.card for entry in load_collection(data_home.database)]
    send = sender(data_home)

    for name in ("save-returned", "delete-card", "rename-card"):
        for key in (f"{card.id}:{'0' * 64}", str(card.id), None):
            with pytest.raises(gr.Error, match="reload the page"):
                send(name, key)
    assert [entry.title for entry in load_collection(data_home.database)] == ["mine"]
    send("delete-card", card_key(card))
    assert load_collection(data_home.database) == []
