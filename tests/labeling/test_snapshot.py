"""A snapshot holds the trainable cards and a reason for every other card, and is named by its content hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import pytest

from db import snapshots
from db.labels import add_label
from engine.cards.pairs import read_snapshot
from labeling.import_cards import import_cards
from labeling.snapshot import (
    LeftOutCard,
    NothingToTrainOn,
    freeze,
    left_out_lines,
    pairs_from_manifest,
    pairs_from_rows,
)
from labeling.splits import LeakingSplit, split_of
from tests.db.row_factory import card_by_name


@pytest.fixture
def imported(database, picture, tmp_path):
    """Six cards: three to train on, one unlabelled, one qualified, one ungraded."""
    for seed in range(7):
        picture(f"{seed}.png", seed=seed)
    (tmp_path / "m.csv").write_text(
        "card_id,front,back,grade,group,split,qualifier\n"
        "nine,0.png,1.png,9,,,\n"
        "half,2.png,,8.5,,,\n"
        "fixed,3.png,,10,g,test,\n"
        "blank,4.png,,,,,\n"
        "off,5.png,,8,,,OC\n"
        "cut,6.png,,,,,N1\n"
    )
    assert import_cards(database, tmp_path / "m.csv").added == 6
    return database


def test_trainable_cards_have_a_side_and_the_others_a_reason(imported, tmp_path):
    pairs, left_out = pairs_from_rows(imported)
    assert [(pair.card_id, pair.target(), pair.split) for pair in pairs] == [
        ("nine", 9, split_of("nine")),
        ("half", 8, split_of("half")),
        ("fixed", 10, "test"),
    ]
    assert (pairs[0].front, pairs[0].back) == (tmp_path / "0.png", tmp_path / "1.png")
    assert left_out == [
        LeftOutCard("blank", "not labelled"),
        LeftOutCard("off", "qualified OC (off-centre): the grade ignores that flaw"),
        LeftOutCard("cut", "no grade given (trimmed)"),
    ]


def test_a_person_s_label_overrides_the_import(imported):
    with imported.writing() as session:
        add_label(session, card_id=1, grade=4, source="person")
    assert pairs_from_rows(imported)[0][0].grade == 4


def test_a_card_with_a_missing_picture_is_left_out(imported, tmp_path):
    (tmp_path / "1.png").unlink()
    [left_out] = [card for card in pairs_from_rows(imported)[1] if card.card_id == "nine"]
    assert left_out.reason.startswith(f"the picture {tmp_path / '1.png'} is missing; restore it")


def test_a_snapshot_is_named_after_its_content_and_recorded(imported, tmp_path):
    frozen = freeze(imported, folder=tmp_path / "snapshots")
    assert hashlib.sha256(frozen.path.read_bytes()).hexdigest() == frozen.sha256
    assert frozen.path.name == f"{frozen.sha256[:16]}.jsonl"
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == [frozen.path.name]
    assert read_snapshot(frozen.path) == frozen.pairs == pairs_from_rows(imported)[0]
    assert [json.loads(line)["card_id"] for line in frozen.path.read_text().splitlines()] == ["nine", "half", "fixed"]
    with imported.reading() as session:
        row = snapshots.get(session, snapshot_id=frozen.snapshot_id)
    assert (row.path, row.sha256, row.pairs) == (str(frozen.path), frozen.sha256, 3)
    assert row.left_out == [{"card_id": card.card_id, "reason": card.reason} for card in frozen.left_out]


def test_a_snapshot_stays_as_it_was_when_labels_change(imported, tmp_path):
    first = freeze(imported, folder=tmp_path / "snapshots")
    content = first.path.read_bytes()
    with imported.writing() as session:
        add_label(session, card_id=1, grade=4, source="person")
    second = freeze(imported, folder=tmp_path / "snapshots")
    assert second.path != first.path
    assert first.path.read_bytes() == content


def test_the_same_labels_give_the_same_snapshot(imported, tmp_path):
    first, second = (freeze(imported, folder=tmp_path / "snapshots") for _ in range(2))
    assert first.path == second.path


def test_without_training_cards_the_reason_is_reported(database, tmp_path):
    with pytest.raises(NothingToTrainOn, match="none of the 0 cards has a label to train on; import graded cards"):
        freeze(database, folder=tmp_path)


def test_a_leaking_split_is_refused(imported, tmp_path):
    (tmp_path / "n.csv").write_text("card_id,front,back,grade,group,split\nnine,0.png,1.png,9,,val\n")
    import_cards(imported, tmp_path / "n.csv")
    with imported.writing() as session:
        card_by_name(session, name="nine").group_name = "g"
    with pytest.raises(LeakingSplit, match=r"'nine'.*'fixed'"):
        freeze(imported, folder=tmp_path / "snapshots")


def test_a_changed_picture_is_left_out_and_the_other_cards_keep_their_splits(imported, picture, tmp_path):
    before = {pair.card_id: pair.split for pair in pairs_from_rows(imported)[0]}
    picture("2.png", seed=50)
    pairs, left_out = pairs_from_rows(imported)
    assert {pair.card_id: pair.split for pair in pairs} == {key: before[key] for key in ("nine", "fixed")}
    assert left_out[-1].card_id == "half"
    assert left_out[-1].reason.startswith(f"the picture {tmp_path / '2.png'} has changed since it was imported;")
    frozen = freeze(imported, folder=tmp_path / "snapshots")
    assert left_out_lines([asdict(card) for card in frozen.left_out]) == [
        f"half: left out: {left_out[-1].reason}",
        "1 card is left out, because a picture is missing or has changed",
    ]


def test_a_moved_picture_is_trained_on_from_its_new_place(imported, tmp_path):
    (tmp_path / "2.png").rename(tmp_path / "renamed.png")
    [half] = [pair for pair in pairs_from_rows(imported)[0] if pair.card_id == "half"]
    assert half.front == tmp_path / "renamed.png"


def test_a_snapshot_holds_the_hashes_of_its_pictures(imported, tmp_path):
    for pair in read_snapshot(freeze(imported, folder=tmp_path / "snapshots").path):
        for path, sha256 in pair.sides:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def test_if_every_picture_has_changed_that_is_the_reason_given(imported, picture, tmp_path):
    for number in range(4):
        picture(f"{number}.png", seed=50 + number)
    with pytest.raises(NothingToTrainOn, match=r"none of the 3 labelled cards can be trained on; .* has changed"):
        freeze(imported, folder=tmp_path / "snapshots")


def test_a_manifest_s_pairs_have_the_hashes_of_their_files(picture, tmp_path):
    front = picture("a.png")
    (tmp_path / "m.csv").write_text("card_id,front,back,grade\na,a.png,gone.png,9\n")
    [pair] = pairs_from_manifest(tmp_path / "m.csv").pairs
    assert (pair.front_sha256, pair.back_sha256) == (hashlib.sha256(front.read_bytes()).hexdigest(), "")
