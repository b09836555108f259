"""A group's side hangs on its name alone."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse.csgraph import connected_components

from engine.cards.pairs import CardPair
from labeling import duplicates
from labeling.snapshot import pairs_from_manifest
from labeling.splits import LeakingSplit, assign_splits, kept_together, split_of

names = st.text(min_size=1, max_size=12)


def card(name: str, group: str = "", split=None) -> CardPair:
    return CardPair(name, Path("/front.jpg"), None, group=group, split=split)


# From `printf %s NAME | sha256sum`: train below b333..., val below d999.... The same on every machine, for ever.
@pytest.mark.parametrize(
    ("group", "split"),
    [("psa1/psa1_1", "train"), ("リザードン", "train"), ("card 5", "val"), ("card 6", "test")],
)
def test_the_split_of_a_group_is_the_same_on_every_machine(group, split):
    assert split_of(group) == split


def test_seventy_fifteen_fifteen():
    shares = Counter(split_of(f"card {number}") for number in range(20_000))
    for split, share in (("train", 0.70), ("val", 0.15), ("test", 0.15)):
        assert abs(shares[split] / 20_000 - share) < 0.01  # four standard deviations of the largest


@given(old=st.sets(names, max_size=20), new=st.sets(names, max_size=20))
def test_adding_cards_changes_no_existing_card_s_split(old, new):
    before = {pair.card_id: pair.split for pair in assign_splits(card(name) for name in sorted(old))}
    after = {pair.card_id: pair.split for pair in assign_splits(card(name) for name in sorted(old | new))}
    assert {name: after[name] for name in old} == before


@given(cards=st.lists(st.tuples(names, st.sampled_from(["", "g1", "g2"])), unique_by=lambda c: c[0], max_size=20))
def test_no_group_is_in_two_splits(cards):
    sides: dict[str, set[str]] = {}
    for pair in assign_splits(card(*fields) for fields in cards):
        sides.setdefault(pair.group_key, set()).add(pair.split)
    assert all(len(side) == 1 for side in sides.values())


def test_a_fixed_split_applies_to_its_whole_group():
    free = split_of("g")
    fixed = "test" if free != "test" else "val"
    pairs = [card("a", "g"), card("b", "g", fixed), card("c")]
    assert [pair.split for pair in assign_splits(pairs)] == [fixed, fixed, split_of("c")]


def test_two_fixed_splits_in_one_group_are_refused_naming_both_cards():
    pairs = [card("a", "g", "train"), card("b", "g"), card("c", "g", "test")]
    with pytest.raises(LeakingSplit, match=r"cards 'a' \(train\) and 'c' \(test\) are both of the group 'g'"):
        assign_splits(pairs)


def test_a_card_named_like_a_group_belongs_to_it():
    with pytest.raises(LeakingSplit):
        assign_splits([card("g", "", "train"), card("b", "g", "val")])


# --- cards that belong together for other reasons


def certified(name: str, cert: str, split=None) -> CardPair:
    return CardPair(name, None, None, cert=cert, split=split)


@given(
    links=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=20),
    groups=st.lists(st.sampled_from(["", "g1", "g2"]), min_size=15, max_size=15),
    certs=st.lists(st.sampled_from(["", "10000001", "10000008", "10000015", "20000000"]), min_size=15, max_size=15),
)
def test_joined_cards_are_the_connected_components_of_all_relations(links, groups, certs):
    """The oracle is SciPy's connected components of the graph of all relations."""
    pairs = [
        CardPair(f"c{n:02}", None, None, group=group, cert=cert)
        for n, (group, cert) in enumerate(zip(groups, certs, strict=True))
    ]
    graph = np.zeros((15, 15), int)
    for first, second in product(range(15), repeat=2):
        near = certs[first] and certs[second] and abs(int(certs[first]) - int(certs[second])) <= 10
        graph[first, second] = bool(near) or pairs[first].group_key == pairs[second].group_key
    hashes = [f"{(n * 0x0123456789ABCDEF) % 2**64:016x}" for n in range(15)]
    for first, second in links:
        hashes[second] = hashes[first]
    for first, second in product(range(15), repeat=2):
        graph[first, second] |= bin(int(hashes[first], 16) ^ int(hashes[second], 16)).count("1") <= 4
    _, part = connected_components(graph)
    assigned = assign_splits(pairs, hashes)
    for first, second in product(range(15), repeat=2):
        assert (assigned[first].group_key == assigned[second].group_key) == (part[first] == part[second])
        if part[first] == part[second]:
            assert assigned[first].split == assigned[second].split
    for index, card_ in enumerate(assigned):
        oldest = pairs[min(second for second in range(15) if part[second] == part[index])].group_key
        assert (card_.group_key, card_.split) == (oldest, split_of(oldest))


def test_a_card_that_joins_two_groups_moves_the_newer_to_the_older_s_split():
    """The one case in which a new card moves an old one (docs/decisions/0016)."""
    old = next(f"old {n}" for n in range(99) if split_of(f"old {n}") == "val")
    young = next(f"young {n}" for n in range(99) if split_of(f"young {n}") == "train")
    before = assign_splits([certified(old, "10000000"), certified(young, "10000020")])
    assert [pair.split for pair in before] == ["val", "train"]
    after = assign_splits([certified(old, "10000000"), certified(young, "10000020"), certified("bridge", "10000010")])
    assert [pair.split for pair in after] == ["val"] * 3
    assert {pair.group_key for pair in after} == {old}


@pytest.mark.parametrize(
    ("certs", "together"),
    [
        (("25795214", "25795216"), True),
        (("25795214", "25795224"), True),
        (("25795214", "25795225"), False),
        (("07", "08"), False),
        (("", ""), False),
        (("25795214", "25795214"), True),
        (("AB25795214", "AB25795215"), False),
    ],
)
def test_neighboring_certificates_are_one_submission(certs, together):
    first, second = assign_splits([certified("a", certs[0]), certified("b", certs[1])])
    assert (first.group_key == second.group_key) == together


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            [certified("a", "25795214", "train"), certified("b", "25795216", "val")],
            r"cards 'a' \(train\) and 'b' \(val\) have the neighboring certificates 25795214 and 25795216, which",
        ),
        (
            [certified("a", "25795214", "train"), certified("m", "25795220"), certified("b", "25795228", "test")],
            r"cards 'a' \(train\) and 'b' \(test\) belong together through 'm' and 'b', which have the neighboring",
        ),
    ],
)
def test_a_fixed_split_that_separates_related_cards_is_refused_naming_the_pair(pairs, message):
    with pytest.raises(LeakingSplit, match=message):
        assign_splits(pairs)


def test_identical_pictures_share_a_split_and_fixed_otherwise_are_refused(picture, tmp_path):
    first, second = picture("a.png", seed=1), tmp_path / "b.png"
    shutil.copy(first, second)
    free = [CardPair("a", first, None), CardPair("b", None, second)]
    assert len({pair.split for pair in assign_splits(free)}) == 1
    with pytest.raises(LeakingSplit, match=r"cards 'a' \(train\) and 'b' \(test\) show the same picture b.png"):
        assign_splits([replace(free[0], split="train"), replace(free[1], split="test")])


def test_similar_fronts_join_no_cards_fixed_to_different_splits(picture):
    pairs = [
        CardPair("a", picture("a.png", seed=1), None, split="train"),
        CardPair("b", picture("b.png", seed=2), None, split="test"),
        CardPair("c", picture("c.png", seed=3), None),
    ]
    assigned = assign_splits(pairs, ["0" * 16, "0" * 15 + "3", "0" * 15 + "1"])
    assert [pair.split for pair in assigned] == ["train", "test", "train"]


def test_a_photo_saved_again_and_fixed_to_two_splits_is_refused(picture, tmp_path):
    first = picture("a.png", seed=1, size=(240, 336))
    with Image.open(first) as opened:
        opened.resize((200, 280)).save(tmp_path / "b.jpg", quality=60)
    (tmp_path / "m.csv").write_text("card_id,front,grade,split\na,a.png,9,train\nb,b.jpg,9,val\n")
    with pytest.raises(LeakingSplit, match="have fronts that are the same photo, saved again, which must stay"):
        pairs_from_manifest(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_text("card_id,front,grade\na,a.png,9\nb,b.jpg,9\n")
    assert len({pair.group_key for pair in pairs_from_manifest(tmp_path / "m.csv").pairs}) == 1


def test_a_front_is_decoded_once_for_any_number_of_similar_ones(picture, monkeypatch):
    pairs = [CardPair(f"{n}", picture(f"{n}.png", seed=n), None, split="train" if n % 2 else "val") for n in range(8)]
    decoded = []
    read = duplicates.read_picture
    monkeypatch.setattr(duplicates, "read_picture", lambda path: (decoded.append(path), read(path))[1])
    assert [pair.split for pair in assign_splits(pairs, ["0" * 16] * 8)] == ["val", "train"] * 4
    assert sorted(decoded) == sorted(pair.front for pair in pairs)


@given(
    cards=st.lists(
        st.tuples(names, st.sampled_from(["", "g1", "g2"]), st.sampled_from(["0" * 16, "f" * 16, "0f" * 8, None])),
        unique_by=lambda c: c[0],
        max_size=12,
    )
)
def test_the_cards_kept_together_are_those_that_get_one_group(cards):
    pairs = [replace(card(name, group), front=Path(name), front_sha256=name) for name, group, _ in cards]
    phashes = [phash for *_, phash in cards]
    members: dict[str, list[int]] = {}
    assigned = assign_splits(pairs, phashes)
    for index, pair in enumerate(assigned):
        members.setdefault(pair.group_key, []).append(index)
    found, conflicts = kept_together(pairs, phashes)
    assert {cards.members for cards in found} == {tuple(some) for some in members.values() if len(some) > 1}
    assert all(cards.reasons for cards in found)
    assert all(assigned[index].split == cards.split for cards in found for index in cards.members)
    assert conflicts == []


def test_cards_that_are_fixed_apart_are_named_and_not_kept_together():
    found, conflicts = kept_together([card("a", "g", "train"), card("b", "g", "test")], [None, None])
    assert found == []
    assert len(conflicts) == 1
    assert "'a' (train) and 'b' (test)" in conflicts[0]
