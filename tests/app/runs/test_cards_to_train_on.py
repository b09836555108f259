"""The Train tab shows the number of cards that a run will be trained on."""

import hashlib

import pytest

from app.screens.train_tab import cards_text
from db import cards, labels
from labeling.snapshot import NothingToTrainOn, freeze
from tests.db.row_factory import add_card, add_picture


@pytest.fixture
def label(data_home, picture):
    """Add a card with a label."""

    def add(grade, qualifier=None):
        with data_home.database.writing() as session:
            number = cards.counts(session).cards
            path = picture(f"{number}.png", seed=number)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            front = add_picture(session, path=path, sha256=sha256, width=60, height=84, phash=sha256[:16])
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
