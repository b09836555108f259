"""Worn copies: made from good training cards for rare grades, and seen by nothing but training."""

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.config import Config
from engine.data.synthetic_wear import WORN_GRADES, worn_cards
from engine.detection.read_and_find import read_and_find
from engine.events import Notice, Progress, Stopped
from engine.experiments.run_folder import MODEL
from engine.storage import checkpoint
from engine.training.loop import train
from tests.engine.conftest import drawn_pairs


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Training cards of grades 3, 8, 9 and 10, two of them 8s; one card to validate on and one to test on."""
    folder = tmp_path_factory.mktemp("mixed")
    training = drawn_pairs(folder, [3, 8, 8, 9, 10], "train")
    return [*training, *drawn_pairs(folder, [9], "val", 50), *drawn_pairs(folder, [10], "test", 70)]


def made(cards, folder, *, up_to=2, seed=0, stop=lambda: False):
    """The copies and what was said while they were made."""
    told, filling = [], worn_cards(cards, Config(worn_up_to=up_to, seed=seed), folder, stop)
    while True:
        try:
            told.append(next(filling))
        except StopIteration as end:
            return end.value, [event.text for event in told if isinstance(event, Notice)]


def test_rare_grades_are_filled_up_and_others_left_alone(mixed, tmp_path):
    copies, told = made(mixed, tmp_path)
    wanted = dict.fromkeys(WORN_GRADES, 2) | {3: 1, 8: 0}
    assert Counter(copy.grade for copy in copies) == {grade: count for grade, count in wanted.items() if count}
    assert told[0].startswith("13 worn copies for training alone: 2 of grade 1,")


def test_copies_are_marked_and_stand_in_the_training_split_beside_their_source(mixed, tmp_path):
    copies, _ = made(mixed, tmp_path)
    sources = {card.group_key for card in mixed if card.split == "train" and card.grade >= 9}
    assert all(copy.synthetic and copy.split == "train" and copy.group_key in sources for copy in copies)
    assert not any(card.synthetic for card in mixed)


def test_a_copy_is_its_source_with_wear_over_it(mixed, tmp_path):
    copies, _ = made(mixed, tmp_path)
    for copy in (copy for copy in copies if copy.grade <= 2):
        source = next(card for card in mixed if card.card_id == copy.group_key)
        worn, _ = read_and_find(copy.front)
        rgb, found = read_and_find(source.front)
        straight = cv2.warpPerspective(
            rgb,
            cv2.getPerspectiveTransform(
                found.quad.astype(np.float32),
                np.array([(0, 0), (worn.shape[1], 0), worn.shape[1::-1], (0, worn.shape[0])], np.float32) - 0.5,
            ),
            worn.shape[1::-1],
        )
        change = np.abs(worn.astype(int) - straight).max(axis=2)
        assert (change > 25).mean() > 0.001
        assert (change < 25).mean() > 0.6


def test_the_seed_decides_every_pixel(mixed, tmp_path):
    once, again, other = (made(mixed, tmp_path / name, seed=seed)[0] for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert [copy.front.read_bytes() for copy in once] == [copy.front.read_bytes() for copy in again]
    assert [copy.front.read_bytes() for copy in once] != [copy.front.read_bytes() for copy in other]


def test_what_is_there_is_not_made_again(mixed, tmp_path):
    first, _ = made(mixed, tmp_path)
    times = {copy.front: copy.front.stat().st_mtime_ns for copy in first}
    second, _ = made(mixed, tmp_path)
    assert second == first
    assert {copy.front: copy.front.stat().st_mtime_ns for copy in second} == times


def test_without_a_good_card_to_wear_down_that_is_said(mixed, tmp_path):
    copies, told = made([card for card in mixed if card.grade < 9], tmp_path)
    assert copies == []
    assert told == ["no worn copies can be made: the training split has no card of grade 9 or 10"]


def test_sources_that_cannot_be_used_are_counted(mixed, tmp_path):
    gone = [replace(card, front=tmp_path / "gone.png") for card in mixed if card.split == "train"]
    copies, told = made(gone, tmp_path / "made")
    assert copies == []
    assert told[0].endswith("13 could not be made, their pictures being unusable or too small")


def test_a_stop_is_obeyed_between_copies(mixed, tmp_path):
    asked = iter([False, False, True])
    copies, _ = made(mixed, tmp_path, stop=lambda: next(asked))
    assert len(copies) == 2


SMALL = Config(
    front_encoder="mobilenet_v2",
    back_encoder="mobilenet_v2",
    image_size=64,
    batch_size=6,
    phase2_epochs=1,
    device="cpu",
    worn_up_to=2,
)


def test_a_stop_among_the_copies_ends_a_run_whose_pictures_are_all_prepared(mixed, tmp_path):
    list(train(SMALL, mixed, tmp_path / "first", cache=tmp_path / "cache"))
    events = list(train(SMALL, mixed, tmp_path / "second", lambda: True, tmp_path / "cache"))
    assert events[-1] == Stopped(None, 0)
    assert [event.step for event in events if isinstance(event, Progress)] == ["worn copies"]


def test_a_run_trains_on_copies_and_validates_on_none(mixed, tmp_path):
    events = list(train(SMALL, mixed, tmp_path / "run"))
    assert any(isinstance(event, Notice) and "13 worn copies" in event.text for event in events)
    about = checkpoint.load(tmp_path / "run" / MODEL)
    assert about["trained_on"] == "5 cards and 13 worn copies, 1 more to choose the epoch"
