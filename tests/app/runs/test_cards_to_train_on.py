"""The Train tab shows the number of cards that a run will be trained on."""

import hashlib
import os

import pytest

from app.runs.jobs import EqualRun, queue_run
from app.screens.train_tab import cards_text
from db import cards, labels, runs
from engine.image import content_hash
from engine.recipes import recipe_config
from labeling import picture_files
from labeling.snapshot import NothingToTrainOn, freeze
from tests.db.row_factory import add_card, add_picture


@pytest.fixture
def label(data_home, picture):
    """Add a card with a label."""

    def add(grade, qualifier=None):
        with data_home.database.writing() as session:
            number = cards.counts(session).cards
            path = picture(f"{number}.png", seed=number)
            sha256, size_bytes = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size
            recorded = {"path": path, "sha256": sha256, "size_bytes": size_bytes, "width": 60, "height": 84}
            front = add_picture(session, **recorded, phash=sha256[:16])
            card = add_card(session, name=f"card-{number}", front_id=front.id)
            labels.add_label(session, card_id=card.id, grade=grade, qualifier=qualifier, source="person")

    return add


def test_qualified_cards_alone_cannot_be_trained_on_and_no_snapshot_is_made(data_home, label, tmp_path):
    label(8.0, "OC")
    label(8.0, "OC")
    text, can_start = cards_text(data_home.database)
    assert not can_start
    assert text.startswith("### No card to train on yet")
    assert "2 labelled cards are left out" in text
    with pytest.raises(NothingToTrainOn):
        freeze(data_home.database, folder=tmp_path / "snapshots")


def test_the_count_equals_the_snapshot_and_left_out_cards_are_reported(data_home, label, tmp_path):
    for grade, qualifier in ((9.0, None), (8.5, None), (8.0, "OC"), (None, "AUTHENTIC"), (None, None)):
        label(grade, qualifier)
    text, can_start = cards_text(data_home.database)
    assert can_start
    frozen = freeze(data_home.database, folder=tmp_path / "snapshots")
    assert text.startswith(f"{len(frozen.pairs)} labelled cards are ready to train on. ")
    assert len(frozen.pairs) == 2
    assert "2 labelled cards are left out: " in text, "the label that was taken back is none"


def test_without_qualifiers_no_card_is_reported_as_left_out(data_home, label):
    label(9.0)
    assert cards_text(data_home.database) == ("1 labelled card is ready to train on.", True)


def test_without_any_label_the_tab_says_what_to_do_first(data_home, label):
    label(None)
    text, can_start = cards_text(data_home.database)
    assert not can_start
    assert "No labelled cards yet" in text


def test_a_card_whose_file_has_changed_or_is_gone_is_counted_as_left_out(data_home, label, tmp_path, picture):
    for _ in range(4):
        label(9.0)
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").rename(tmp_path / "moved.png")
    # The same size and the same time of change: only its content tells.
    status, other = (tmp_path / "2.png").stat(), picture("other.png", seed=7)
    (tmp_path / "2.png").write_bytes(other.read_bytes().ljust(status.st_size, b"\0")[: status.st_size])
    os.utime(tmp_path / "2.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    text, can_start = cards_text(data_home.database)
    assert can_start
    assert text.startswith(
        "2 labelled cards are ready to train on. 2 labelled cards are left out: a picture is missing"
    )
    assert len(freeze(data_home.database, folder=tmp_path / "snapshots").pairs) == 2
    for name in ("moved.png", "3.png"):
        (tmp_path / name).unlink()
    text, can_start = cards_text(data_home.database)
    assert not can_start
    assert "Put the pictures back" in text


def test_untouched_files_are_not_read_for_the_count(data_home, label, monkeypatch):
    label(9.0)
    monkeypatch.setattr(content_hash, "SETTLED_S", 0.0)
    cards_text(data_home.database)  # records the version of the file
    picture_files._remembered_file.cache_clear()  # as in a process of its own
    monkeypatch.setattr(picture_files, "_read", lambda path: pytest.fail(f"{path} was read"))
    assert cards_text(data_home.database) == ("1 labelled card is ready to train on.", True)


def test_a_second_equal_run_is_asked_about_and_another_is_not(data_home, label):
    for grade in (9, 8, 7):
        label(grade)
    config = recipe_config("loupe", {"phase2_epochs": 1})
    queue = {"recipe": "loupe", "parent": None}
    first = queue_run(data_home.database, data_home.data, config=config, **queue)
    with pytest.raises(EqualRun, match=f"run {first} .queued. has the same settings and the same labels"):
        queue_run(data_home.database, data_home.data, config=config, ask_if_equal=True, **queue)
    other = config.model_copy(update={"seed": 1})
    assert queue_run(data_home.database, data_home.data, config=other, ask_if_equal=True, **queue) == first + 1
    assert queue_run(data_home.database, data_home.data, config=config, **queue) == first + 2, "started nevertheless"
    with data_home.database.writing() as session:
        for run_id in (first, first + 1, first + 2):
            runs.change_state(session, run_id=run_id, expected="queued", to="stopped")
    queue_run(data_home.database, data_home.data, config=config, ask_if_equal=True, **queue)
