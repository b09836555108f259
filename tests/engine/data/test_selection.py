"""Which cards a run takes, and which not."""

from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cards.pairs import CardPair
from engine.data.picture_cache import PixelCache
from engine.data.selection import Trainable, counts_by_grade, limited, pictures_of, usable


def pair(name, grade=9.0, split="train", **others):
    return CardPair(name, Path(f"/{name}.png"), None, grade, split=split, **others)


def test_counts_are_by_grade():
    cards = [Trainable(pair(str(place)), grade) for place, grade in enumerate((9, 1, 9, 10, 1, 9))]
    assert counts_by_grade(cards).tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 3, 1]


MANY = [
    pair(f"{split} {grade} {i}", float(grade), split)
    for split, times in (("train", 7), ("val", 3))
    for grade, n in ((2, 3), (8, 10), (9, 17))
    for i in range(n * times)
]


def strata(pairs):
    return Counter((each.split, each.grade) for each in pairs)


@given(most=st.integers(1, 320), seed=st.integers(0, 100))
@settings(max_examples=40)
def test_a_limit_keeps_the_mix_of_splits_and_grades_to_within_a_card(most, seed):
    taken, whole = limited(MANY, most, seed), strata(MANY)
    assert len(taken) == min(most, len(MANY)) == len({each.card_id for each in taken})
    for stratum, n in whole.items():
        assert abs(strata(taken)[stratum] - n * min(1, most / len(MANY))) < 1


def test_no_limit_or_a_wide_one_takes_all_as_they_are():
    assert limited(MANY, 0, 1) == limited(MANY, len(MANY), 1) == MANY


def test_a_limit_does_not_depend_on_the_order_of_the_cards():
    turned = limited(MANY[::-1], 60, 0)
    assert {each.card_id for each in turned} == {each.card_id for each in limited(MANY, 60, 0)}


def test_cards_added_in_one_grade_move_hardly_any_in_or_out():
    before = {each.card_id for each in limited(MANY, 100, 0)}
    more = [*MANY, *(pair(f"new {i}", 9.0) for i in range(6))]
    after = {each.card_id for each in limited(more, 100, 0) if not each.card_id.startswith("new")}
    assert len(before - after) <= 8


def test_another_seed_takes_other_cards():
    assert limited(MANY, 60, 0) != limited(MANY, 60, 1)


def test_a_limit_counts_only_what_can_be_trained_on_and_keeps_the_rest_so_that_it_can_be_told():
    unlabelled = [pair(f"unlabelled {i}", None) for i in range(50)]
    taken = limited([*unlabelled, *MANY], 60, 0)
    assert [each for each in taken if each.grade is None] == unlabelled
    assert taken[:60] == limited(MANY, 60, 0)


def test_only_pictures_of_cards_that_can_be_trained_on_are_worth_preparing():
    pairs = [pair("a", 9.0), pair("b", None), CardPair("c", None, Path("/c.png"), 8, qualifier="OC")]
    assert pictures_of(pairs) == [Path("/a.png")]


def test_what_cannot_be_trained_on_is_left_out_with_its_reason(tmp_path, cards):
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    whole = cards[0].front
    listed = [
        CardPair("half", whole, None, 8.5),
        CardPair("qualified", whole, None, 8, qualifier="OC"),
        CardPair("authentic", whole, None, None, qualifier="AUTHENTIC"),
        CardPair("unlabelled", whole, None),
        CardPair("broken", broken, None, 9),
        CardPair("gone", None, tmp_path / "gone.png", 9),
        CardPair("one side broken", broken, whole, 9),
    ]
    cache = PixelCache(tmp_path / "cache", [whole, broken, tmp_path / "gone.png"], 64)
    list(cache.fill())
    kept, left_out = usable(listed, cache)
    assert [(card.pair.card_id, card.grade) for card in kept] == [("half", 8), ("one side broken", 9)]
    assert [(refused.path, refused.reason) for refused in left_out] == [
        ("qualified", "qualified OC (off-centre): the grade ignores that flaw"),
        ("authentic", "no grade given (authentic, without a grade)"),
        ("unlabelled", "not labelled"),
        ("broken", "broken.png: is not a picture, whatever its name says; use JPEG, PNG, WebP, TIFF, BMP or HEIC"),
        ("gone", "gone.png: cannot be read (No such file or directory); check that it is still there"),
    ]
