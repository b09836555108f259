"""Selection of the cards of a run."""

import hashlib
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.cards.pairs import CardPair
from engine.data.picture_cache import PixelCache
from engine.data.selection import LabelledCard, counts_by_grade, labelled_pictures, subsample, with_pictures
from tests.card_factory import card_picture


def pair(name, grade=9.0, split="train", **fields):
    return CardPair(name, Path(f"/{name}.png"), None, grade, split=split, **fields)


def test_counts_are_by_grade():
    cards = [LabelledCard(pair(str(index)), grade) for index, grade in enumerate((9, 1, 9, 10, 1, 9))]
    assert counts_by_grade(cards).tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 3, 1]


MANY = [
    pair(f"{split} {grade} {i}", float(grade), split)
    for split, times in (("train", 7), ("val", 3))
    for grade, n in ((2, 3), (8, 10), (9, 17))
    for i in range(n * times)
]


def strata(pairs):
    return Counter((pair.split, pair.grade) for pair in pairs)


@given(max_pairs=st.integers(1, 320), seed=st.integers(0, 100))
@settings(max_examples=40)
def test_a_limit_keeps_the_mix_of_splits_and_grades_to_within_a_card(max_pairs, seed):
    subset = subsample(MANY, max_pairs, seed)
    assert len(subset) == min(max_pairs, len(MANY)) == len({card.card_id for card in subset})
    for stratum, n in strata(MANY).items():
        assert abs(strata(subset)[stratum] - n * min(1, max_pairs / len(MANY))) < 1


def test_no_limit_or_a_large_one_selects_all():
    assert subsample(MANY, 0, 1) == subsample(MANY, len(MANY), 1) == MANY


def test_a_limit_does_not_depend_on_the_order_of_the_cards():
    reversed_subset = subsample(MANY[::-1], 60, 0)
    assert {card.card_id for card in reversed_subset} == {card.card_id for card in subsample(MANY, 60, 0)}


def test_adding_cards_of_one_grade_changes_the_selection_little():
    before = {card.card_id for card in subsample(MANY, 100, 0)}
    more = [*MANY, *(pair(f"new {i}", 9.0) for i in range(6))]
    after = {card.card_id for card in subsample(more, 100, 0) if not card.card_id.startswith("new")}
    assert len(before - after) <= 8


def test_another_seed_selects_other_cards():
    assert subsample(MANY, 60, 0) != subsample(MANY, 60, 1)


def test_a_limit_counts_only_cards_with_a_class_and_keeps_the_rest():
    unlabelled = [pair(f"unlabelled {i}", None) for i in range(50)]
    subset = subsample([*unlabelled, *MANY], 60, 0)
    assert [card for card in subset if card.grade is None] == unlabelled
    assert subset[:60] == subsample(MANY, 60, 0)


def test_only_pictures_of_cards_with_a_class_are_prepared():
    pairs = [pair("a", 9.0), pair("b", None), CardPair("c", None, Path("/c.png"), 8, qualifier="OC")]
    assert labelled_pictures(pairs) == [Path("/a.png")]


def test_cards_that_cannot_be_used_are_refused_with_the_reason(tmp_path, cards):
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    picture = cards[0].front
    pairs = [
        CardPair("half", picture, None, 8.5),
        CardPair("qualified", picture, None, 8, qualifier="OC"),
        CardPair("authentic", picture, None, None, qualifier="AUTHENTIC"),
        CardPair("unlabelled", picture, None),
        CardPair("broken", broken, None, 9),
        CardPair("gone", None, tmp_path / "gone.png", 9),
        CardPair("one side broken", broken, picture, 9),
    ]
    cache = PixelCache(tmp_path / "cache", [picture, broken, tmp_path / "gone.png"], 64)
    list(cache.fill())
    usable, refused = with_pictures(pairs, cache)
    assert [(card.pair.card_id, card.grade) for card in usable] == [("half", 8), ("one side broken", 9)]
    assert [(refusal.path, refusal.reason) for refusal in refused] == [
        ("qualified", "qualified OC (off-centre): the grade ignores that flaw"),
        ("authentic", "no grade given (authentic, without a grade)"),
        ("unlabelled", "not labelled"),
        ("broken", "broken.png: is not a picture in a supported format; use JPEG, PNG, WebP, TIFF, BMP or HEIC"),
        ("gone", "gone.png: there is no such file; check the path"),
    ]


def test_a_card_whose_file_is_not_the_recorded_picture_is_refused(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for seed, path in enumerate(paths):
        Image.fromarray(card_picture(9, seed, "front")).save(path)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    pairs = [
        CardPair(str(number), path, None, 9, front_sha256=sha256)
        for number, (path, sha256) in enumerate(zip(paths, hashes, strict=True))
    ]
    Image.fromarray(card_picture(2, 7, "front")).save(paths[1])
    paths[2].unlink()
    cache = PixelCache(tmp_path / "cache", labelled_pictures(pairs), 64)
    list(cache.fill())
    usable, refused = with_pictures(pairs, cache)
    assert [card.pair.card_id for card in usable] == ["0"]
    assert [(card.path, card.reason.split(";")[0]) for card in refused] == [
        ("1", "a picture has changed since it was imported"),
        ("2", "2.png: there is no such file"),
    ]
