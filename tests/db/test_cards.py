"""Cards are found by the content of their pictures, and no two cards have the same pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from db.cards import Counts, all_cards, counts, find_card, fronts, get, pictures_by_sha
from tests.db.row_factory import add_card, add_picture, card_by_name


@pytest.fixture
def session(database):
    """A writing session with the pictures 1 to 4."""
    with database.writing() as session:
        for number in range(1, 5):
            add_picture(
                session,
                path=Path(f"/pictures/{number}.jpg"),
                sha256=f"{number:064x}",
                width=150,
                height=200,
                phash=f"{number:016x}",
                quality={"verdict": "good", "reasons": []},
            )
        yield session


def test_a_picture_is_found_by_its_bytes(session):
    pictures = pictures_by_sha(session, sha256s=[f"{3:064x}", "f" * 64])
    assert list(pictures) == [f"{3:064x}"]
    pictures = pictures[f"{3:064x}"]
    assert (pictures.id, pictures.path, pictures.quality["verdict"]) == (3, str(Path("/pictures/3.jpg")), "good")


def test_the_same_bytes_are_one_picture(session):
    with pytest.raises(IntegrityError, match=r"pictures\.sha256"):
        add_picture(session, path=Path("/copy.jpg"), sha256=f"{1:064x}", width=1, height=1, phash="0" * 16)


@pytest.mark.parametrize(
    ("stored", "query", "expected"),
    [
        ((1, 2), (1, 2), True),
        ((1, None), (1, 2), True),
        ((None, 2), (1, 2), True),
        ((1, 2), (1, None), True),
        ((1, 2), (None, 2), True),
        ((1, 2), (1, 3), False),
        ((1, 2), (3, 2), False),
        ((1, 2), (2, 1), False),
        ((1, None), (None, 1), False),
        ((1, None), (None, 2), False),
    ],
)
def test_a_card_is_found_by_the_sides_it_shares_and_none_it_contradicts(session, stored, query, expected):
    card = add_card(session, name="a", front_id=stored[0], back_id=stored[1])
    assert find_card(session, front_id=query[0], back_id=query[1]) is (card if expected else None)


def test_the_exact_card_is_found_before_others_that_fit(session):
    add_card(session, name="front with another back", front_id=1, back_id=2)
    exact = add_card(session, name="exact", front_id=1, back_id=3)
    assert find_card(session, front_id=1, back_id=3) is exact


@pytest.mark.parametrize("sides", [(1, 2), (1, None), (None, 2)])
def test_no_two_cards_have_the_same_pictures(session, sides):
    add_card(session, name="a", front_id=sides[0], back_id=sides[1])
    with pytest.raises(IntegrityError, match="UNIQUE"):
        add_card(session, name="b", front_id=sides[0], back_id=sides[1])


def test_a_card_without_any_side_is_refused(session):
    with pytest.raises(IntegrityError, match="has_a_side"):
        add_card(session, name="a")


def test_card_names_are_unique(session):
    add_card(session, name="a", front_id=1)
    assert card_by_name(session, name="a").front.id == 1
    with pytest.raises(IntegrityError, match=r"cards\.name"):
        add_card(session, name="a", front_id=2)


def test_a_split_that_does_not_exist_is_refused(session):
    with pytest.raises(IntegrityError, match="fixed_split"):
        add_card(session, name="a", front_id=1, fixed_split="validation")


def test_cards_are_listed_oldest_first_and_found_by_id(session):
    cards = [add_card(session, name=f"c{number}", front_id=number) for number in (3, 1, 4, 2)]
    assert all_cards(session) == cards
    assert get(session, card_id=cards[2].id) is cards[2]


def test_pictures_and_cards_are_counted(session):
    add_card(session, name="pair", front_id=1, back_id=2)
    add_card(session, name="front", front_id=3)
    add_card(session, name="back", back_id=4)
    assert counts(session) == Counts(pictures=4, cards=3)


def test_only_fronts_are_listed_for_duplicate_detection(session):
    pair = add_card(session, name="pair", front_id=1, back_id=2, fixed_split="val")
    add_card(session, name="back", back_id=4)
    later = add_card(session, name="later", front_id=3)
    assert fronts(session) == [(pair.id, f"{1:016x}", "pair", "val"), (later.id, f"{3:016x}", "later", None)]
    assert fronts(session, after=pair.id) == [(later.id, f"{3:016x}", "later", None)]
