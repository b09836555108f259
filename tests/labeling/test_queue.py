"""The queue shows unlabelled cards first and each card once, forwards and backwards."""

from __future__ import annotations

import pytest

from db.labels import add_label
from labeling.queue import QueueFilter, first_card, next_card, previous_card
from tests.db.row_factory import add_card, add_picture

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
            front = add_picture(session, path=path, sha256=f"{number:064x}", width=1, height=1, phash="0" * 16)
            card = add_card(session, name=name, front_id=front.id)
            for grade, qualifier, source in events:
                add_label(session, card_id=card.id, grade=grade, qualifier=qualifier, source=source)
        yield session


def forwards(session, filter: QueueFilter) -> list[str]:
    names, card = [], first_card(session, filter=filter)
    while card is not None:
        names.append(card.name)
        card = next_card(session, after=card.id, filter=filter)
    return names


def expected_order() -> list[str]:
    """The same rule in Python: unlabelled first, both parts by id."""
    current = {name: (events[-1][:2] if events else (None, None)) for name, events in CARDS}
    return sorted(current, key=lambda name: current[name] != (None, None))  # stable: ids rise in the order of CARDS


def test_unlabelled_cards_come_first_each_part_by_id(session):
    assert forwards(session, QueueFilter()) == expected_order()
    assert expected_order()[:2] == ["unlabelled a", "taken back"]


def test_labelling_a_card_moves_no_other_labelled_card(session):
    before = forwards(session, QueueFilter())[2:]
    add_label(session, card_id=first_card(session).id, grade=10, source="person")
    assert [name for name in forwards(session, QueueFilter())[1:] if name != "unlabelled a"] == before


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        (QueueFilter(grade=9), ["nine a", "nine b", "nine c"]),
        (QueueFilter(grade=8.5), ["half a", "half b"]),
        (QueueFilter(grade=8), []),
        (QueueFilter(unlabelled_only=True), ["unlabelled a", "taken back"]),
        (QueueFilter(grade=9, unlabelled_only=True), []),
    ],
)
def test_a_filter_selects_only_matching_cards(session, filter, names):
    assert forwards(session, filter) == names


@pytest.mark.parametrize("filter", [QueueFilter(), QueueFilter(grade=9), QueueFilter(unlabelled_only=True)])
def test_backward_order_is_forward_order_reversed(session, filter):
    names, card = [], None
    step = first_card(session, filter=filter)
    while step is not None:
        card, step = step, next_card(session, after=step.id, filter=filter)
    while card is not None:
        names.append(card.name)
        card = previous_card(session, after=card.id, filter=filter)
    assert names == forwards(session, filter)[::-1]


def test_a_filtered_queue_continues_after_a_card_that_no_longer_matches(session):
    nine_a = first_card(session, filter=QueueFilter(grade=9))
    add_label(session, card_id=nine_a.id, grade=7, source="person")
    assert next_card(session, after=nine_a.id, filter=QueueFilter(grade=9)).name == "nine b"


def test_requested_before_the_label_is_written_the_next_card_is_the_next_unlabelled_one(session):
    card = first_card(session)
    following = next_card(session, after=card.id)
    add_label(session, card_id=card.id, grade=9, source="person")
    assert (card.name, following.name) == ("unlabelled a", "taken back")
    assert first_card(session).name == "taken back"
