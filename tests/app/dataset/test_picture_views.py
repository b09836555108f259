"""Pictures at the ends of what was measured, slabs among the graded ones, and sets of cards in one split."""

import numpy as np
import pytest

from app.dataset.dataset_desk import DatasetDesk
from db.card_bin import move_to_bin
from db.collection import add_grading
from tests.db.row_factory import add_card, add_picture

SHARPNESS = np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, 20))


@pytest.fixture
def desk(data_home):
    """The desk of ten cards with measured fronts and backs; each measurement is as the sharpness, or 0 for glare."""
    with data_home.database.writing() as session:
        for number in range(10):
            sides = []
            for value in SHARPNESS[2 * number : 2 * number + 2]:
                quality = {"verdict": "good", "sharpness": value, "exposure": value, "glare": 0.0}
                index = len(sides) + 2 * number
                hashes = {"sha256": f"{index:064x}", "phash": f"{index * 0x1111111111111:016x}"}
                size = {"width": int(1000 * value), "height": 10}
                sides.append(add_picture(session, path=f"/nowhere/{index}", quality=quality, **hashes, **size))
            add_card(session, name=f"c{number}", front_id=sides[0].id, back_id=sides[1].id)
    functions = {
        function.__name__: function for function in DatasetDesk(data_home.database, data_home.data).functions()
    }
    return lambda name, **values: functions[name](values)


@pytest.mark.parametrize(("extreme", "sign"), [("blurriest", 1), ("sharpest", -1), ("darkest", 1), ("smallest", 1)])
def test_the_extremes_are_the_first_of_all_pictures_sorted_by_their_value(desk, data_home, extreme, sign):
    with data_home.database.writing() as session:
        move_to_bin(session, card_ids=[10])
    order = np.argsort(sign * SHARPNESS[:18])[:8]
    pictures = desk("picture_extremes", extreme=extreme)["pictures"]
    assert [(picture["card_id"], picture["side"]) for picture in pictures] == [
        (int(index) // 2 + 1, ("front", "back")[int(index) % 2]) for index in order
    ]
    assert all("is missing" in picture["problem"] for picture in pictures)


def test_pictures_without_glare_are_no_extreme(desk):
    assert desk("picture_extremes", extreme="glare")["pictures"] == []
    assert "problem" in desk("picture_extremes", extreme="ugliest")


def test_a_slab_is_known_of_the_last_grading_only(desk, data_home):
    report = {"grade": 9, "expected": 8.8, "probabilities": None, "interval": None, "abstained": False}
    kinds = [(1, "slab", "photo"), (1, "photo", "photo"), (2, "photo", "slab"), (3, "scan", None)]
    with data_home.database.writing() as session:
        for card_id, front, back in kinds:
            sides = {"front": {"kind": front}, "back": None if back is None else {"kind": back}}
            add_grading(session, card_id=card_id, model_name="m", model_sha256="a" * 64, report={**report, **sides})
    assert desk("slab_cards") == {"ids": [2], "known": 3}


def test_cards_that_look_the_same_or_are_of_one_group_are_kept_together_with_their_reasons(desk, data_home):
    with data_home.database.writing() as session:
        near = {"sha256": f"{90:064x}", "phash": f"{0b101:016x}", "width": 1, "height": 1}
        twin = add_card(session, name="twin of c0", front_id=add_picture(session, path="/nowhere/90", **near).id)
        far = {"sha256": f"{91:064x}", "phash": "f0" * 8, "width": 1, "height": 1}
        picture = add_picture(session, path="/nowhere/91", **far)
        other = add_card(session, name="other", group_name="c5", front_id=picture.id)
    answer = desk("kept_together")
    assert {tuple(found["ids"]): found["reasons"] for found in answer["sets"]} == {
        (1, twin.id): ["have fronts that look the same"],
        (6, other.id): ["are both of the group 'c5'"],
    }
    assert answer["conflicts"] == []
