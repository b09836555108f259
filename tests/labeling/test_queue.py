"""The queue has unlabelled cards first, and each card that passes the filter once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from db.label_queue import CLAIM_DURATION, CardFilter, claim, release, unasked_count
from db.labels import add_label
from db.predictions import add_predictions
from db.schema import Card, CardPrediction, utc_now
from labeling.queue import ALL_CARDS, QueueFilter, queue_of
from labeling.second_look import cards_to_look_at_again, in_sample
from labeling.splits import split_of
from tests.db.row_factory import add_card, add_picture, card_by_name

# (name, [(grade, qualifier, source) ...])
CARDS = [
    ("nine a", [(9, None, "import")]),
    ("unlabelled a", []),
    ("ten", [(10, None, "import")]),
    ("nine b", [(8, None, "import"), (9, None, "person")]),
    ("trimmed", [(None, "N1", "person")]),
    ("taken back", [(9, None, "import"), (None, None, "person")]),
    ("nine c", [(9, "OC", "import")]),
    ("half a", [(8.5, None, "import")]),
    ("half b", [(8.5, None, "import")]),
]


@pytest.fixture
def session(database, tmp_path):
    with database.writing() as session:
        for number, (name, events) in enumerate(CARDS):
            path = tmp_path / f"{number}.jpg"
            verdicts = {"nine a": "good", "ten": "usable"}
            quality = {"verdict": verdicts[name]} if name in verdicts else None
            values = {"sha256": f"{number:064x}", "width": 1, "height": 1, "phash": "0" * 16, "quality": quality}
            front = add_picture(session, path=path, **values)
            fixed = {"fixed_split": "test", "game": "Base Set"} if name == "ten" else {}
            card = add_card(session, name=name, front_id=front.id, **fixed)
            for grade, qualifier, source in events:
                person = {"author": "ada"} if source == "person" and name != "taken back" else {}
                unsure = {"unsure": True} if name == "half b" else {}
                add_label(session, card_id=card.id, grade=grade, qualifier=qualifier, source=source, **person, **unsure)
        yield session


def names_of(session, filter: QueueFilter = ALL_CARDS, **order) -> list[str]:
    return [session.get(Card, card_id).name for card_id in queue_of(session, filter, **order)[0]]


def filtered(**conditions) -> QueueFilter:
    return QueueFilter(CardFilter(**conditions))


def expected_order() -> list[str]:
    """The same rule in Python: unlabelled first, both parts by id."""
    current = {name: (events[-1][:2] if events else (None, None)) for name, events in CARDS}
    return sorted(current, key=lambda name: current[name] != (None, None))  # stable: ids rise in the order of CARDS


def test_unlabelled_cards_come_first_each_part_by_id(session):
    assert names_of(session) == expected_order()
    assert expected_order()[:2] == ["unlabelled a", "taken back"]


def test_labelling_a_card_moves_no_other_card(session):
    before = names_of(session)
    add_label(session, card_id=queue_of(session)[0][0], grade=10, source="person")
    assert [name for name in names_of(session) if name != "unlabelled a"] == before[1:]


SINCE = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        (filtered(grade=9), ["nine a", "nine b", "nine c"]),
        (filtered(grade=8.5), ["half a", "half b"]),
        (filtered(grade=8), []),
        (filtered(unlabelled_only=True), ["unlabelled a", "taken back"]),
        (filtered(grade=9, unlabelled_only=True), []),
        (filtered(source="person", grade=9), ["nine b"]),
        (filtered(author="ada"), ["nine b", "trimmed"]),
        (filtered(text="NINE"), ["nine a", "nine b", "nine c"]),
        (filtered(text="%"), []),
        (filtered(game="Base Set"), ["ten"]),
        (filtered(quality="usable"), ["ten"]),
        (filtered(quality="good"), ["nine a"]),
        (filtered(unsure_only=True), ["half b"]),
        (filtered(since=SINCE, grade=9), ["nine a", "nine b", "nine c"]),
        (filtered(since=datetime(2100, 1, 1, tzinfo=UTC)), []),
    ],
)
def test_a_filter_selects_only_matching_cards(session, filter, names):
    assert names_of(session, filter) == names


def test_a_filter_by_split_selects_fixed_and_hashed_splits(session):
    by_split = {split: names_of(session, QueueFilter(split=split)) for split in ("train", "val", "test")}
    assert sorted(name for names in by_split.values() for name in names) == sorted(expected_order())
    assert "ten" in by_split["test"], "fixed by its manifest"
    for split, names in by_split.items():
        assert all(name == "ten" or split_of(name) == split for name in names)


def test_a_ranked_queue_has_only_the_cards_that_pass_the_filter(session):
    names = names_of(session, filtered(grade=9), by="unreviewed")
    assert names == ["nine a", "nine c", "nine b"]
    _, ranked = queue_of(session, filtered(grade=9), by="unreviewed")
    assert ranked.reasons(queue_of(session, filtered(text="nine a"))[0][0]) == (
        "its imported label was never reviewed",
    )
    assert ranked.reasons(10**6) == ()


def test_a_card_that_someone_has_claimed_is_not_claimed_by_others_until_the_claim_expires(session, monkeypatch):
    first, second, third = queue_of(session)[0][:3]
    assert claim(session, card_ids=[first, second], author="ada") == set()
    assert claim(session, card_ids=[second, third], author="bob") == {second}
    assert claim(session, card_ids=[first, second], author="ada") == set(), "one's own claims are renewed"
    release(session, author="ada", keep=[first])
    assert claim(session, card_ids=[first, second], author="bob") == {first}
    later = utc_now() + CLAIM_DURATION + timedelta(seconds=1)
    monkeypatch.setattr("db.label_queue.utc_now", lambda: later)
    assert claim(session, card_ids=[first], author="bob") == set()


def test_a_second_look_is_at_a_sample_of_the_cards_that_one_person_has_labelled(session, monkeypatch):
    monkeypatch.setattr("labeling.second_look.SAMPLE_FRACTION", 1.0)

    def names_for(author, now=None):
        again = cards_to_look_at_again(session, author=author, now=now or utc_now())
        return {session.get(Card, card_id).name for card_id in again}

    assert names_for("bob") == {"nine b"}, "not imported, unsure, taken back or without a grade"
    assert names_for("ada") == set()
    tomorrow = utc_now() + timedelta(days=1)
    assert names_for("ada", tomorrow) == {"nine b"}, "one's own again, from the next day on"
    nine = session.scalar(select(Card.id).where(Card.name == "nine b"))
    add_label(session, card_id=nine, grade=8, source="person", author="ada", blind=True)
    assert names_for("ada", tomorrow + timedelta(days=1)) == names_for("bob") == set(), "once is enough"
    monkeypatch.undo()
    assert 800 < sum(map(in_sample, range(1, 10_001))) < 1200


def test_the_cards_that_a_model_was_not_asked_about_are_counted_without_the_bin(session):
    for name in ("half a", "half b"):
        card_by_name(session, name=name).deleted_at = utc_now()
    asked = {"a": ["nine a", "ten", "half a"], "b": ["trimmed"]}
    for model, names in asked.items():
        ids = [card_by_name(session, name=name).id for name in names]
        rows = [CardPrediction(card_id=card_id, model_sha256=model * 64, problem="blurred") for card_id in ids]
        add_predictions(session, predictions=rows)
    assert unasked_count(session, model_sha256="a" * 64) == (5, 7)
    assert unasked_count(session, model_sha256="b" * 64) == (6, 7)
    assert unasked_count(session, model_sha256="c" * 64) == (7, 7)
