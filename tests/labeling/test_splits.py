"""A group's side hangs on its name alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pairs import CardPair
from labeling.splits import LeakingSplit, assign_splits, split_of

names = st.text(min_size=1, max_size=12)


def card(name: str, group: str = "", split=None) -> CardPair:
    return CardPair(name, Path("/front.jpg"), None, group=group, split=split)


# From `printf %s NAME | sha256sum`: train below b333..., val below d999.... The same on every machine, for ever.
@pytest.mark.parametrize(
    ("group", "split"),
    [("psa1/psa1_1", "train"), ("リザードン", "train"), ("card 5", "val"), ("card 6", "test")],
)
def test_the_side_of_a_group_is_the_same_everywhere(group, split):
    assert split_of(group) == split


def test_seventy_fifteen_fifteen():
    shares = Counter(split_of(f"card {number}") for number in range(20_000))
    for split, share in (("train", 0.70), ("val", 0.15), ("test", 0.15)):
        assert abs(shares[split] / 20_000 - share) < 0.01  # four standard deviations of the largest


@given(old=st.sets(names, max_size=20), new=st.sets(names, max_size=20))
def test_adding_cards_moves_none(old, new):
    before = {pair.card_id: pair.split for pair in assign_splits(card(name) for name in sorted(old))}
    after = {pair.card_id: pair.split for pair in assign_splits(card(name) for name in sorted(old | new))}
    assert {name: after[name] for name in old} == before


@given(cards=st.lists(st.tuples(names, st.sampled_from(["", "g1", "g2"])), unique_by=lambda c: c[0], max_size=20))
def test_no_group_sits_on_both_sides_of_a_split(cards):
    sides: dict[str, set[str]] = {}
    for pair in assign_splits(card(*one) for one in cards):
        sides.setdefault(pair.group_key, set()).add(pair.split)
    assert all(len(side) == 1 for side in sides.values())


def test_a_fixed_split_wins_for_its_whole_group():
    free = split_of("g")
    fixed = "test" if free != "test" else "val"
    pairs = [card("a", "g"), card("b", "g", fixed), card("c")]
    assert [pair.split for pair in assign_splits(pairs)] == [fixed, fixed, split_of("c")]


def test_two_fixed_splits_in_one_group_are_refused_naming_both_cards():
    pairs = [card("a", "g", "train"), card("b", "g"), card("c", "g", "test")]
    with pytest.raises(LeakingSplit, match=r"cards 'a' \(train\) and 'c' \(test\) are both of the group 'g'"):
        assign_splits(pairs)


def test_a_card_named_like_a_group_is_of_it():
    with pytest.raises(LeakingSplit):
        assign_splits([card("g", "", "train"), card("b", "g", "val")])
