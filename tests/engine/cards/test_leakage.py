"""What stands on two sides of a split is found by its files alone."""

import shutil
from pathlib import Path

import pytest

from engine.cards.leakage import Leak, refuse_leaks, same_pictures
from engine.cards.pairs import CardPair


@pytest.fixture
def files(tmp_path):
    """Four files: a and its copy, one of equal size and other bytes, one of another size."""
    for name, content in {"a": b"aaaa", "same size": b"bbbb", "longer": b"aaaaa"}.items():
        (tmp_path / name).write_bytes(content)
    shutil.copy(tmp_path / "a", tmp_path / "copy of a")
    return tmp_path


def test_equal_bytes_are_found_whatever_the_file_is_called_and_whichever_side_it_shows(files):
    pairs = [
        CardPair("0", files / "a", None),
        CardPair("1", files / "same size", files / "longer"),
        CardPair("2", files / "longer", files / "copy of a"),
        CardPair("3", files / "gone", files / "same size"),
    ]
    assert sorted((same.one, same.other) for same in same_pictures(pairs)) == [(0, 2), (1, 2), (1, 3)]


def test_both_sides_of_one_card_are_no_two_cards(files):
    assert list(same_pictures([CardPair("0", files / "a", files / "copy of a")])) == []


@pytest.mark.parametrize(("sharing", "tied"), [(2, 1), (3, 0)])
def test_a_back_that_three_cards_share_is_a_stock_picture(files, sharing, tied):
    pairs = [CardPair(f"{n}", None, files / "a") for n in range(sharing)]
    assert len(list(same_pictures(pairs))) == tied


def test_a_stock_back_that_stands_in_for_fronts_ties_those_cards_alone(files):
    stock = [CardPair(f"{n}", None, files / "a") for n in range(4)]
    turned = [CardPair("4", files / "copy of a", None), CardPair("5", files / "a", files / "longer")]
    assert [(same.one, same.other) for same in same_pictures([*stock, turned[0]])] == []
    assert [(same.one, same.other) for same in same_pictures([*stock, *turned])] == [(4, 5)]


def test_a_path_is_read_once_however_many_cards_show_it(files, monkeypatch):
    read = []
    whole = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode: read.append(path.name) or whole(path, *mode))
    list(same_pictures([CardPair(f"{n}", None, files / "a") for n in range(5)]))
    assert read == ["a"]


def test_the_few_labelled_cards_of_a_stock_back_may_stand_on_two_sides(files):
    sides = [
        CardPair("x", None, files / "a", 9, split="train"),
        CardPair("y", None, files / "copy of a", 9, split="val"),
    ]
    refuse_leaks(sides)
    # A back that is some card's front is that card's picture still, whichever of them comes first.
    with pytest.raises(Leak, match=r"cards 'y' .* and 'z' .* show the same picture"):
        refuse_leaks([*sides, CardPair("z", files / "a", None, 9, split="train")])


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ({"group": "g"}, {"group": "g"}, r"cards 'x' \(train\) and 'y' \(test\) are both of the group 'g' and stand"),
        ({}, {"group": "x"}, "are both of the group 'x'"),
        ({"front": "a"}, {"front": "a"}, "show the same picture a"),
        ({"front": "a"}, {"back": "copy of a"}, "show the same picture copy of a"),
    ],
)
def test_a_leak_is_refused_naming_both_cards(files, one, other, told):
    def card(name, split, front=None, back=None, group="", grade=9):
        return CardPair(name, front and files / front, back and files / back, grade, group, split)

    with pytest.raises(Leak, match=told):
        refuse_leaks([card("x", "train", **one), card("y", "test", **other)])
    refuse_leaks([card("x", "train", **one), card("y", "train", **other)])
    refuse_leaks([card("x", "train", **one), card("y", None, **other)])
    refuse_leaks([card("x", "train", **one), card("y", "test", **other, grade=None)])
