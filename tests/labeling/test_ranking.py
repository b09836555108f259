"""The ranked queue: the cards whose labels matter most come first, each with its reasons."""

from __future__ import annotations

import numpy as np
import pytest

from db.card_bin import move_to_bin
from db.labels import add_label
from db.predictions import add_predictions, cards_without_prediction
from db.schema import CardPrediction
from labeling.ranking import QUEUE_ORDERS, RankedQueue
from tests.db.row_factory import add_card, add_picture

MODEL = "a" * 64
PERSON = ("person", "ada")
IMPORT = ("import", "")
# Name, label events as (grade, (source, author)), and the grade that the model is nearly sure of; None: no opinion.
CARDS = [
    ("right nine", [(9, IMPORT)], 9),
    ("wrong nine", [(9, IMPORT)], 3),
    ("off by one", [(9, IMPORT)], 8),
    ("rare two", [(2, PERSON)], 2),
    ("disputed", [(9, ("person", "ada")), (6, ("person", "bob"))], 9),
    ("unread", [(9, PERSON)], None),
    ("unlabelled", [], 9),
]


def near(grade: int) -> np.ndarray:
    probabilities = np.full(10, 0.01)
    probabilities[grade - 1] += 0.9
    return probabilities


@pytest.fixture
def session(database, tmp_path):
    with database.writing() as session:
        predictions = []
        for number, (name, events, opinion) in enumerate(CARDS):
            path = tmp_path / f"{number}.jpg"
            front = add_picture(session, path=path, sha256=f"{number:064x}", width=1, height=1, phash="0" * 16)
            card = add_card(session, name=name, front_id=front.id)
            for grade, (source, author) in events:
                add_label(session, card_id=card.id, grade=grade, source=source, author=author)
            answer = {"probabilities": near(opinion).tobytes()} if opinion else {"problem": f"{name}.jpg: is blurred"}
            predictions.append(CardPrediction(card_id=card.id, model_sha256=MODEL, **answer))
        add_predictions(session, predictions=predictions)
        yield session


def ranking(session, by, model):
    return RankedQueue(session, by, model).entries()


def names(session, by, model=MODEL):
    return [entry.card_id for entry in ranking(session, by, model)]


def reasons(session, by, name):
    return next(entry.reasons for entry in ranking(session, by, MODEL) if entry.card_id == name)


def test_the_label_that_the_model_contradicts_most_comes_first_with_its_reason(session):
    assert names(session, "suspect")[:3] == ["wrong nine", "disputed", "off by one"]
    assert reasons(session, "suspect", "wrong nine") == (
        "labelled 9, but the model expects 3.2 and gives a 9 or a grade next to it 3%",
    )
    assert reasons(session, "suspect", "right nine") == ()
    assert reasons(session, "suspect", "unread") == ("not scored: unread.jpg: is blurred",)


def test_the_grade_with_the_fewest_labels_comes_first(session):
    assert names(session, "rare")[:2] == ["rare two", "disputed"]  # the only 2 and the only 6
    assert reasons(session, "rare", "rare two") == ("only 1 card labelled 2",)
    assert reasons(session, "rare", "unlabelled") == ("perhaps a 9, of which 4 are labelled",)


def test_people_who_disagree_come_first(session):
    first = ranking(session, "disagreement", None)[0]
    assert (first.card_id, first.score) == ("disputed", pytest.approx(3 / 9, abs=1e-4))
    assert first.reasons == ("labelled 6 and 9 by different people",)


def test_cards_that_no_person_has_labelled_come_first(session):
    unreviewed = names(session, "unreviewed")
    assert set(unreviewed[:4]) == {"right nine", "wrong nine", "off by one", "unlabelled"}
    assert reasons(session, "unreviewed", "unlabelled") == ("it has no label",)
    assert reasons(session, "unreviewed", "wrong nine") == ("its imported label was never reviewed",)
    assert reasons(session, "unreviewed", "unread") == ()


def test_the_mixed_order_gives_all_reasons_the_weightiest_first(session):
    assert names(session, "mixed")[0] == "wrong nine"
    first, *others = reasons(session, "mixed", "wrong nine")
    assert first.startswith("labelled 9, but the model expects")
    assert "its imported label was never reviewed" in others


@pytest.mark.parametrize("by", QUEUE_ORDERS)
def test_every_order_has_each_card_outside_the_bin_once_with_a_score_from_0_to_1(session, by):
    binned = next(entry.row_id for entry in ranking(session, by, MODEL) if entry.card_id == "wrong nine")
    move_to_bin(session, card_ids=[binned])
    entries = ranking(session, by, MODEL)
    assert sorted(entry.card_id for entry in entries) == sorted({name for name, *_ in CARDS} - {"wrong nine"})
    assert all(0 <= entry.score <= 1 for entry in entries)
    assert [entry.score for entry in entries] == sorted((entry.score for entry in entries), reverse=True)


def test_without_a_model_no_label_is_suspect(session):
    assert {entry.score for entry in ranking(session, "suspect", None)} == {0.0}


def test_a_new_model_has_been_asked_about_no_card(session):
    assert cards_without_prediction(session, model_sha256=MODEL) == []
    assert len(cards_without_prediction(session, model_sha256="b" * 64)) == len(CARDS)
