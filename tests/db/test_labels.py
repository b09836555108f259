"""The current label is the latest by a person, or else the latest import; events are never changed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from db.append_only import AppendOnly
from db.label_queue import queue_rows
from db.labels import add_label, count_by_grade, current_label, current_labels, label_history, last_labels
from db.schema import GRADES_SQL, QUALIFIERS_SQL, LabelEvent
from engine.cards.grades import GRADES, HALF_GRADES, NO_GRADES, QUALIFIERS
from tests.db.row_factory import add_card, add_picture


def add_cards(session, many: int) -> list[int]:
    ids = []
    for number in range(many):
        picture = add_picture(session, path=Path("/p"), sha256=f"{number:064x}", width=1, height=1, phash="0" * 16)
        ids.append(add_card(session, name=f"c{number}", front_id=picture.id).id)
    return ids


def test_the_check_constraint_matches_the_engine_s_grades():
    assert {float(grade) for grade in GRADES_SQL.split(",")} == {*GRADES, *HALF_GRADES}
    assert QUALIFIERS_SQL.replace("'", "").split(", ") == [*QUALIFIERS, *NO_GRADES]


@pytest.mark.parametrize("label", [{"grade": 9.5}, {"grade": 0}, {"grade": 9, "qualifier": "XX"}])
def test_a_label_off_the_scale_is_refused(database, label):
    with pytest.raises(IntegrityError, match="CHECK"), database.writing() as session:
        [card] = add_cards(session, 1)
        add_label(session, card_id=card, **label, source="person")


events = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([None, 1.0, 8.5, 9.0, 10.0]),
        st.sampled_from([("import", ""), ("person", "ada"), ("person", "bob")]),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=events)
def test_the_current_label_and_the_facts_of_a_card_follow_from_its_history(database, events):
    """The oracle is the same rule as a loop over the events of a card."""
    with pytest.raises(ZeroDivisionError), database.writing() as session:  # rolled back: every example starts empty
        cards = add_cards(session, 4)
        for index, grade, (source, author) in events:
            add_label(session, card_id=cards[index], grade=grade, source=source, author=author)
        expected = {}
        for source in ("import", "person"):
            for index, grade, (by, _) in events:
                if by == source:
                    expected[cards[index]] = grade
        assert {card: event.grade for card, event in current_labels(session).items()} == expected
        singly = {card: current_label(session, card_id=card) for card in cards}
        assert {card: event.grade for card, event in singly.items() if event is not None} == expected
        assert count_by_grade(session) == Counter(expected.get(card) for card in cards)
        imports = {cards[index]: grade for index, grade, (source, _) in events if source == "import"}
        assert {
            card: event.grade for card, event in last_labels(session, card_ids=cards, source="import").items()
        } == imports
        last = {(cards[index], labeler): grade for index, grade, labeler in events}
        for row in queue_rows(session):
            grades = [grade for (card, _), grade in last.items() if card == row.card_id and grade is not None]
            assert (row.lowest, row.highest) == (min(grades, default=None), max(grades, default=None))
            assert row.is_reviewed == any(card == row.card_id and source == "person" for card, (source, _) in last)
        raise ZeroDivisionError


def test_the_history_contains_every_label_in_order(database):
    with database.writing() as session:
        card, other_card = add_cards(session, 2)
        add_label(session, card_id=card, grade=8, source="import")
        add_label(session, card_id=other_card, grade=1, source="import")
        add_label(session, card_id=card, grade=8, qualifier="OC", source="person", note="left border")
        history = label_history(session, card_id=card)
    assert [(e.grade, e.qualifier, e.source, e.note) for e in history] == [
        (8, None, "import", ""),
        (8, "OC", "person", "left border"),
    ]


@pytest.fixture
def labelled(database) -> int:
    """The id of a card's label event."""
    with database.writing() as session:
        [card] = add_cards(session, 1)
        return add_label(session, card_id=card, grade=8, source="person").id


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE label_events SET grade = 10",
        "DELETE FROM label_events",
        "INSERT OR REPLACE INTO label_events (id, card_id, grade, source, note, created_at) "
        "VALUES (1, 1, 10, 'person', '', '2026-01-01')",
    ],
)
def test_no_program_can_rewrite_a_label(labelled, tmp_path, statement):
    with closing(sqlite3.connect(tmp_path / "loupe.db")) as raw:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
        assert raw.execute("SELECT id, grade FROM label_events").fetchall() == [(labelled, 8)]


def test_the_session_refuses_to_rewrite_a_label_before_the_database_does(database, labelled):
    with pytest.raises(AppendOnly), database.writing() as session:
        session.get(LabelEvent, labelled).grade = 10
    with pytest.raises(AppendOnly), database.writing() as session:
        session.delete(session.get(LabelEvent, labelled))
    with pytest.raises(AppendOnly), database.writing() as session:
        session.execute(update(LabelEvent).values(grade=10))
    with pytest.raises(AppendOnly), database.writing() as session:
        session.execute(delete(LabelEvent))
