"""Worn copies are made from high-grade training cards for rare grades, and used only in training."""

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.config import Config
from engine.data.synthetic_wear import WORN_GRADES, synthesize_worn_cards
from engine.detection.read_and_find import read_and_find
from engine.events import Notice, Progress, Stopped
from engine.experiments.run_folder import MODEL
from engine.image.content_hash import content_hash
from engine.storage import checkpoint
from engine.training.loop import train
from tests.engine.conftest import drawn_pairs


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Training cards of grades 3, 8, 9 and 10, two of them 8s; one card to validate on and one to test on."""
    folder = tmp_path_factory.mktemp("mixed")
    training = drawn_pairs(folder, [3, 8, 8, 9, 10], "train")
    return [*training, *drawn_pairs(folder, [9], "val", 50), *drawn_pairs(folder, [10], "test", 70)]


def synthesize(cards, folder, *, per_grade=2, seed=0, stop=lambda: False):
    """The copies, and the text of the notices."""
    events, generator = (
        [],
        synthesize_worn_cards(cards, Config(synthetic_wear_per_grade=per_grade, seed=seed), folder, stop),
    )
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return end.value, [event.text for event in events if isinstance(event, Notice)]


def test_rare_grades_are_filled_up_and_others_left_alone(mixed, tmp_path):
    copies, notices = synthesize(mixed, tmp_path)
    expected = dict.fromkeys(WORN_GRADES, 2) | {3: 1, 8: 0}
    assert Counter(copy.grade for copy in copies) == {grade: count for grade, count in expected.items() if count}
    assert notices[0].startswith("13 worn copies for training: 2 of grade 1,")


def test_copies_are_marked_and_in_the_training_split_and_group_of_their_source(mixed, tmp_path):
    copies, _ = synthesize(mixed, tmp_path)
    sources = {card.group_key for card in mixed if card.split == "train" and card.grade >= 9}
    assert all(copy.synthetic and copy.split == "train" and copy.group_key in sources for copy in copies)
    assert not any(card.synthetic for card in mixed)


def test_a_copy_is_its_source_with_wear(mixed, tmp_path):
    copies, _ = synthesize(mixed, tmp_path)
    for copy in (copy for copy in copies if copy.grade <= 2):
        source = next(card for card in mixed if card.card_id == copy.group_key)
        worn, _ = read_and_find(copy.front)
        rgb, detection = read_and_find(source.front)
        rectified = cv2.warpPerspective(
            rgb,
            cv2.getPerspectiveTransform(
                detection.quad.astype(np.float32),
                np.array([(0, 0), (worn.shape[1], 0), worn.shape[1::-1], (0, worn.shape[0])], np.float32) - 0.5,
            ),
            worn.shape[1::-1],
        )
        change = np.abs(worn.astype(int) - rectified).max(axis=2)
        assert (change > 25).mean() > 0.001
        assert (change < 25).mean() > 0.6


@pytest.mark.slow
def test_the_seed_determines_every_pixel(mixed, tmp_path):
    once, again, different = (
        synthesize(mixed, tmp_path / name, seed=seed)[0] for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert [copy.front.read_bytes() for copy in once] == [copy.front.read_bytes() for copy in again]
    assert [copy.front.read_bytes() for copy in once] != [copy.front.read_bytes() for copy in different]


def test_existing_copies_are_reused(mixed, tmp_path):
    first, _ = synthesize(mixed, tmp_path)
    times = {copy.front: copy.front.stat().st_mtime_ns for copy in first}
    second, _ = synthesize(mixed, tmp_path)
    assert second == first
    assert {copy.front: copy.front.stat().st_mtime_ns for copy in second} == times


def test_a_notice_reports_that_there_is_no_source(mixed, tmp_path):
    copies, notices = synthesize([card for card in mixed if card.grade < 9], tmp_path)
    assert copies == []
    assert notices == ["no worn copies can be made: the training split has no card of grade 9 or 10"]


def test_sources_that_cannot_be_used_are_counted(mixed, tmp_path):
    without_pictures = [replace(card, front=tmp_path / "gone.png") for card in mixed if card.split == "train"]
    copies, notices = synthesize(without_pictures, tmp_path / "made")
    assert copies == []
    assert notices[0].endswith("13 could not be made: their pictures are unusable or too small")


def test_a_run_can_be_stopped_between_copies(mixed, tmp_path):
    answers = iter([False, False, True])
    copies, _ = synthesize(mixed, tmp_path, stop=lambda: next(answers))
    assert len(copies) == 2


SMALL = Config(
    front_encoder="mobilenet_v2",
    back_encoder="mobilenet_v2",
    image_size=64,
    batch_size=6,
    phase2_epochs=1,
    device="cpu",
    synthetic_wear_per_grade=2,
)


@pytest.mark.slow
def test_a_stop_while_making_copies_ends_a_run_with_all_pictures_cached(mixed, tmp_path):
    list(train(SMALL, mixed, tmp_path / "first", cache=tmp_path / "cache"))
    events = list(train(SMALL, mixed, tmp_path / "second", lambda: True, tmp_path / "cache"))
    assert events[-1] == Stopped(None, 0)
    assert [event.step for event in events if isinstance(event, Progress)] == ["worn copies"]


@pytest.mark.slow
def test_a_run_trains_on_copies_and_validates_on_none(mixed, tmp_path):
    events = list(train(SMALL, mixed, tmp_path / "run"))
    assert any(isinstance(event, Notice) and "13 worn copies" in event.text for event in events)
    about = checkpoint.load(tmp_path / "run" / MODEL)
    assert about["trained_on"] == "5 cards and 13 worn copies, 1 more to choose the epoch"


def test_a_source_whose_file_is_not_the_recorded_picture_is_never_copied(mixed, tmp_path):
    changed = [replace(card, front_sha256="0" * 64) for card in mixed]
    copies, notices = synthesize(changed, tmp_path)
    assert copies == []
    assert "13 could not be made" in notices[0]


def test_a_copy_has_no_recorded_hash_and_is_made_anew_if_its_source_was_replaced(mixed, tmp_path):
    def one_copy(cards):
        stops = iter([False, True])
        [copy], _ = synthesize(cards, tmp_path, stop=lambda: next(stops))
        return copy

    recorded = [
        replace(card, front_sha256=content_hash(card.front), back_sha256=content_hash(card.back)) for card in mixed
    ]
    copy = one_copy(recorded)
    assert (copy.front_sha256, copy.back_sha256) == ("", "")
    assert copy.front != one_copy(mixed).front
