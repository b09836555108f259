"""Cards of one group or picture in different splits are found from their files."""

import hashlib
import shutil
from pathlib import Path

import pytest

from engine.cards.leakage import Leak, check_no_leakage, shared_pictures
from engine.cards.pairs import CardPair


@pytest.fixture
def files(tmp_path):
    """Four files: a, its copy, one of the same size with other bytes, and one of another size."""
    for name, content in {"a": b"aaaa", "same size": b"bbbb", "longer": b"aaaaa"}.items():
        (tmp_path / name).write_bytes(content)
    shutil.copy(tmp_path / "a", tmp_path / "copy of a")
    return tmp_path


def test_equal_bytes_are_found_under_any_file_name_and_on_either_side(files):
    pairs = [
        CardPair("0", files / "a", None),
        CardPair("1", files / "same size", files / "longer"),
        CardPair("2", files / "longer", files / "copy of a"),
        CardPair("3", files / "gone", files / "same size"),
    ]
    assert sorted((same.first, same.second) for same in shared_pictures(pairs)) == [(0, 2), (1, 2), (1, 3)]


def test_one_picture_on_both_sides_of_a_card_is_no_shared_picture(files):
    assert list(shared_pictures([CardPair("0", files / "a", files / "copy of a")])) == []


@pytest.mark.parametrize(("cards", "links"), [(2, 1), (3, 0)])
def test_a_back_that_three_cards_share_is_a_stock_picture(files, cards, links):
    pairs = [CardPair(f"{n}", None, files / "a") for n in range(cards)]
    assert len(list(shared_pictures(pairs))) == links


def test_a_stock_back_used_as_a_front_links_only_those_cards(files):
    stock = [CardPair(f"{n}", None, files / "a") for n in range(4)]
    swapped = [CardPair("4", files / "copy of a", None), CardPair("5", files / "a", files / "longer")]
    assert [(same.first, same.second) for same in shared_pictures([*stock, swapped[0]])] == []
    assert [(same.first, same.second) for same in shared_pictures([*stock, *swapped])] == [(4, 5)]


def test_a_path_shared_by_many_cards_is_read_once(files, monkeypatch):
    read = []
    path_open = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode: read.append(path.name) or path_open(path, *mode))
    list(shared_pictures([CardPair(f"{n}", None, files / "a") for n in range(5)]))
    assert read == ["a"]


def test_two_cards_with_a_stock_back_may_be_in_different_splits(files):
    cards = [
        CardPair("x", None, files / "a", 9, split="train"),
        CardPair("y", None, files / "copy of a", 9, split="val"),
    ]
    check_no_leakage(cards)
    # A back that is the front of another card is still that card's picture, in any order.
    with pytest.raises(Leak, match=r"cards 'y' .* and 'z' .* show the same picture"):
        check_no_leakage([*cards, CardPair("z", files / "a", None, 9, split="train")])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"group": "g"}, {"group": "g"}, r"cards 'x' \(train\) and 'y' \(test\) are both of the group 'g' but are in"),
        ({}, {"group": "x"}, "are both of the group 'x'"),
        ({"front": "a"}, {"front": "a"}, "show the same picture a"),
        ({"front": "a"}, {"back": "copy of a"}, "show the same picture copy of a"),
    ],
)
def test_a_leak_is_refused_naming_both_cards(files, first, second, message):
    def card(name, split, front=None, back=None, group="", grade=9):
        return CardPair(name, front and files / front, back and files / back, grade, group, split)

    with pytest.raises(Leak, match=message):
        check_no_leakage([card("x", "train", **first), card("y", "test", **second)])
    check_no_leakage([card("x", "train", **first), card("y", "train", **second)])
    check_no_leakage([card("x", "train", **first), card("y", None, **second)])
    check_no_leakage([card("x", "train", **first), card("y", "test", **second, grade=None)])


def test_a_recorded_hash_counts_whatever_the_file_holds_now(files):
    recorded = hashlib.sha256(b"aaaa").hexdigest()
    pairs = [
        CardPair("0", files / "longer", None, front_sha256=recorded),
        CardPair("1", files / "gone", None, front_sha256=recorded),
        CardPair("2", None, files / "longer", back_sha256=hashlib.sha256(b"other").hexdigest()),
    ]
    assert [(same.first, same.second) for same in shared_pictures(pairs)] == [(0, 1)]


def test_recorded_hashes_are_compared_with_files_that_have_none(files):
    pairs = [
        CardPair("0", files / "a", None, front_sha256=hashlib.sha256(b"aaaa").hexdigest()),
        CardPair("1", files / "copy of a", None),
        CardPair("2", files / "same size", None),
    ]
    assert [(same.first, same.second) for same in shared_pictures(pairs)] == [(0, 1)]
