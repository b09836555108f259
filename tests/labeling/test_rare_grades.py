"""Cards that may be of a rare grade: the model's most probable ones first, none that a person has labelled."""

import numpy as np

from db.predictions import add_predictions
from db.schema import CardPrediction
from labeling.rare_grades import cards_of_rare_grade
from tests.db.row_factory import add_card, add_picture, card_by_name
from tests.labeling.test_ranking import MODEL, near, session  # noqa: F401 - the fixture


def names_of(session, ids):  # noqa: F811
    by_id = {card_by_name(session, name=name).id: name for name in NAMES}
    return [by_id[card_id] for card_id in ids]


NAMES = ("right nine", "wrong nine", "off by one", "rare two", "disputed", "unread", "unlabelled", "surer")


def test_the_cards_that_may_be_of_a_grade_are_the_unreviewed_ones_of_it(session):  # noqa: F811
    front = add_picture(session, path="/s.jpg", sha256="f" * 64, width=1, height=1, phash="0" * 16)
    surer = add_card(session, name="surer", front_id=front.id)
    probabilities = near(9) + 0.05 * np.eye(10)[8]
    add_predictions(
        session,
        predictions=[CardPrediction(card_id=surer.id, model_sha256=MODEL, probabilities=probabilities.tobytes())],
    )
    nines = cards_of_rare_grade(session, 9, model_sha256=MODEL)
    assert names_of(session, nines) == ["surer", "right nine", "unlabelled", "wrong nine", "off by one"]
    assert names_of(session, cards_of_rare_grade(session, 3, model_sha256=MODEL)) == ["wrong nine"]
    assert cards_of_rare_grade(session, 2, model_sha256=MODEL) == [], "a person has labelled the only two"
    without_model = cards_of_rare_grade(session, 9, model_sha256=None)
    assert names_of(session, without_model) == ["right nine", "wrong nine", "off by one"]
