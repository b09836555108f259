"""Agreement of labelers is the weighted kappa of the first label and the one that was given blind after it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from db.labels import add_label
from db.predictions import add_predictions
from db.schema import CardPrediction
from labeling.agreement import agreements
from tests.db.row_factory import add_card, add_picture

MODEL = "a" * 64
FIRST, SECOND, BY_MODEL = [9, 3, 6, 10, 8], [8, 3, 7, 10, 5], [9, 4, 6, 9, 8]


@pytest.fixture
def session(database):
    with database.writing() as session:
        yield session


def add_labelled(session, number, *labels):
    """A card with labels (grade, author, further values)."""
    front = add_picture(session, path=f"/{number}.jpg", sha256=f"{number:064x}", width=1, height=1, phash="0" * 16)
    card = add_card(session, name=f"card {number}", front_id=front.id)
    for grade, author, values in labels:
        add_label(session, card_id=card.id, grade=grade, source="person", author=author, **values)
    return card.id


def test_labelers_and_the_model_are_compared_on_the_cards_that_were_graded_twice(session):
    for number, (first, second, by_model) in enumerate(zip(FIRST, SECOND, BY_MODEL, strict=True)):
        card_id = add_labelled(session, number, (first, "ada", {}), (second, "bob", {"blind": True}))
        certain = np.eye(10)[by_model - 1]
        prediction = CardPrediction(card_id=card_id, model_sha256=MODEL, probabilities=certain.tobytes())
        add_predictions(session, predictions=[prediction])
    found = agreements(session, MODEL)
    scale = {"weights": "quadratic", "labels": range(1, 11)}
    assert (found.between.n, found.between.exact) == (5, pytest.approx(2 / 5))
    assert found.between.qwk == pytest.approx(cohen_kappa_score(FIRST, SECOND, **scale))
    assert found.between.low <= found.between.qwk <= found.between.high
    assert found.of_model.qwk == pytest.approx(cohen_kappa_score(FIRST, BY_MODEL, **scale))
    assert found.with_oneself is None


def test_a_correction_an_unsure_label_and_a_qualified_one_say_nothing_about_agreement(session):
    add_labelled(session, 1, (9, "ada", {}), (3, "bob", {}))
    add_labelled(session, 2, (9, "ada", {}), (3, "bob", {"blind": True, "unsure": True}))
    add_labelled(session, 3, (9, "ada", {"qualifier": "OC"}), (3, "bob", {"blind": True}))
    found = agreements(session, None)
    assert (found.between, found.with_oneself, found.of_model) == (None, None, None)


def test_a_labeler_who_grades_his_own_card_again_is_compared_with_himself(session):
    add_labelled(session, 1, (9, "ada", {}), (8, "ada", {"blind": True}))
    found = agreements(session, None)
    assert (found.with_oneself.n, found.between) == (1, None)
