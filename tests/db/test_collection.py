"""The collection in the database: gradings, costs, returned grades, and the bin."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from db import card_bin, cards, collection, label_queue, labels
from db.append_only import AppendOnly
from db.line_corrections import add_lines, current_lines
from db.schema import Card, Grading, LabelEvent, LinesEvent, Picture
from db.session import Database
from tests.db import row_factory
from tests.db.test_migrations import add_label_without_author, add_picture_without_size, create_database_of_before

REPORT = {
    "grade": 9,
    "expected": 8.8,
    "probabilities": [0.0] * 7 + [0.3, 0.6, 0.1],
    "interval": {"coverage": 0.9, "low": 8, "high": 9},
    "abstained": False,
    "front": {"kind": "scan"},
}


def add_card(session, number: int, picture_ids: tuple[int | None, int | None] | None = None) -> Card:
    if picture_ids is None:
        path, sha256 = Path(f"/p{number}.png"), f"{number:064d}"
        picture = row_factory.add_picture(session, path=path, sha256=sha256, width=1, height=1, phash=f"{number:016d}")
        picture_ids = (picture.id, None)
    return row_factory.add_card(session, name=f"card {number}", front_id=picture_ids[0], back_id=picture_ids[1])


def keep(session, card: Card, sha256: str = "a" * 64) -> Grading:
    return collection.add_grading(session, card_id=card.id, model_name="m", model_sha256=sha256, report=REPORT)


def test_a_card_is_in_the_collection_once_it_has_a_grading_and_keeps_all_of_them(database):
    with database.writing() as session:
        kept, _ = add_card(session, 1), add_card(session, 2)
        old, new = keep(session, kept), keep(session, kept, "b" * 64)
    with database.reading() as session:
        assert [card.name for card in collection.collection_cards(session)] == ["card 1"]
        [gradings] = collection.gradings_by_card(session).values()
        assert [grading.model_sha256[0] for grading in gradings] == ["a", "b"]
        assert gradings[0].prediction["interval"] == REPORT["interval"]
        assert "front" not in gradings[0].prediction
        assert session.get(Grading, new.id).report == REPORT
        assert old.id < new.id


def test_the_costs_entered_last_are_in_use(database):
    with database.writing() as session:
        assert collection.current_costs(session) is None
        collection.add_costs(session, grading_fee=20, shipping=1, selling_fee=0.1)
        collection.add_costs(session, grading_fee=25, shipping=2, selling_fee=0.13)
    with database.reading() as session:
        assert collection.current_costs(session).grading_fee == 25


def test_a_returned_grade_is_the_card_s_label_and_marked_as_returned(database):
    with database.writing() as session:
        card = add_card(session, 1)
        labels.add_label(session, card_id=card.id, grade=9, source="person")
        labels.add_label(session, card_id=card.id, grade=8.5, qualifier="OC", source="person", returned=True)
    with database.reading() as session:
        assert labels.current_label(session, card_id=card.id).grade == 8.5
        assert [(e.grade, e.qualifier) for e in labels.returned_labels(session)[card.id]] == [(8.5, "OC")]


def test_a_card_in_the_bin_is_nowhere_else_until_it_is_taken_out(database):
    with database.writing() as session:
        binned, other = add_card(session, 1), add_card(session, 2)
        for card in (binned, other):
            keep(session, card)
            labels.add_label(session, card_id=card.id, grade=9, source="person", returned=True)

    def sizes() -> list[int]:
        with database.reading() as session:
            listings = (cards.all_cards, collection.collection_cards, labels.current_labels, labels.returned_labels)
            return [*(len(listing(session)) for listing in listings), cards.counts(session).cards]

    def queue() -> list[str]:
        with database.reading() as session:
            rows = label_queue.filtered_cards(session, label_queue.CardFilter())
            return [session.get_one(Card, row.id).name for row in rows]

    assert (sizes(), queue()) == ([2] * 5, ["card 1", "card 2"])
    with database.writing() as session:
        assert card_bin.move_to_bin(session, card_ids=[binned.id]) == 1
        assert card_bin.move_to_bin(session, card_ids=[binned.id]) == 0, "it is in the bin already"
    assert (sizes(), queue()) == ([1] * 5, ["card 2"])
    with database.writing() as session:
        assert [card.name for card in collection.collection_cards(session, in_bin=True)] == ["card 1"]
        assert labels.count_by_grade(session) == {9: 1}
        assert card_bin.restore(session) == 1
    assert (sizes(), queue()) == ([2] * 5, ["card 1", "card 2"])


def test_emptying_the_bin_deletes_all_of_its_cards_and_nothing_of_the_others(database):
    quad, lines = [(0.0, 0.0)] * 4, [((0.0, 0.0), (1.0, 1.0))] * 4
    with database.writing() as session:
        binned = add_card(session, 1)
        sharing = add_card(session, 2)
        shared = row_factory.add_card(session, name="card 3", front_id=binned.front_id, back_id=sharing.front_id)
        for card in (binned, sharing, shared):
            keep(session, card)
            labels.add_label(session, card_id=card.id, grade=9, source="person")
        for number in (1, 2):
            add_lines(
                session,
                picture_sha256=f"{number:064d}",
                side="front",
                quad=quad,
                width_mm=63,
                height_mm=88,
                physical=lines,
                printed=lines,
                author="ann",
            )
        card_bin.move_to_bin(session, card_ids=[binned.id, shared.id])
    with database.writing() as session:
        # The first id is that of a card outside the bin.
        unused = card_bin.empty_bin(session, card_ids=[sharing.id, binned.id, shared.id])
    assert [picture.path for picture in unused] == ["/p1.png"], "the other picture is still that of a card"
    with database.reading() as session:
        assert [card.name for card in session.scalars(select(Card))] == ["card 2"]
        assert [picture.path for picture in session.scalars(select(Picture))] == ["/p2.png"]
        for table in (Grading, LabelEvent):
            assert {row.card_id for row in session.scalars(select(table))} == {sharing.id}
        assert {key[0] for key in current_lines(session)} == {f"{2:064d}"}
        assert card_bin.cards_in_bin(session) == []


def test_the_labels_of_a_card_outside_the_bin_stay_append_only(database, tmp_path):
    with database.writing() as session:
        card = add_card(session, 1)
        labels.add_label(session, card_id=card.id, grade=9, source="person")
    for table in (LabelEvent, LinesEvent):
        with pytest.raises(AppendOnly), database.writing() as session:
            session.execute(delete(table))
    with closing(sqlite3.connect(database.engine.url.database)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("DELETE FROM label_events")
    with pytest.raises(IntegrityError), database.writing() as session:
        options = {"empties_bin": True, "synchronize_session": False}
        session.execute(delete(LabelEvent), execution_options=options)


def test_a_database_without_a_collection_is_migrated_with_its_cards_and_labels(tmp_path, monkeypatch):
    create_database_of_before(6, tmp_path, monkeypatch)
    add_picture_without_size(tmp_path / "loupe.db")
    add_label_without_author(tmp_path / "loupe.db")
    with Database.open(tmp_path / "loupe.db") as database, database.writing() as session:
        [card] = cards.all_cards(session)
        assert (card.title, card.prices, card.deleted_at) == ("", None, None)
        assert [(label.grade, label.returned) for label in labels.label_history(session, card_id=card.id)] == [
            (9, False)
        ]
        card_bin.move_to_bin(session, card_ids=[card.id])
        assert [picture.path for picture in card_bin.empty_bin(session, card_ids=[card.id])] == ["/p"]
