"""Synthetic wear on a real card gives the requested grade and changes only worn parts."""

from datetime import date

import numpy as np
import pytest

from engine.errors import BadInput
from engine.simulate.wear.severity import attribute_grades
from engine.simulate.worn_copies import make_worn_copy

DAY = date(2025, 6, 1)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    front = random.integers(30, 90, (700, 500, 3), dtype=np.uint8)
    return front, np.full((560, 400, 3), (60, 40, 30), np.uint8)


@pytest.mark.parametrize("grade", range(1, 10))
def test_the_added_wear_gives_exactly_the_grade(grade):
    front, back = pictures()
    for seed in range(3):
        copy = make_worn_copy(front, back, grade, np.random.default_rng([seed, grade]))
        assert min(attribute_grades(copy.front_wear, copy.back_wear, DAY).values()) == grade
        assert copy.front.shape == front.shape
        assert copy.back.shape == back.shape
        changed = (copy.front != front).any() or (copy.back != back).any()
        assert changed


def test_the_input_pictures_are_not_modified_and_equal_seeds_give_equal_wear():
    front, back = pictures()
    originals = front.copy(), back.copy()
    copies = [make_worn_copy(front, back, 3, np.random.default_rng(7)) for _ in range(2)]
    assert (front == originals[0]).all()
    assert (back == originals[1]).all()
    assert (copies[0].front == copies[1].front).all()
    assert copies[0].front_wear == copies[1].front_wear


def test_a_missing_side_stays_missing():
    front, back = pictures()
    copy = make_worn_copy(front, None, 4, np.random.default_rng(2))
    assert copy.back is None
    assert copy.front is not None
    assert make_worn_copy(None, back, 4, np.random.default_rng(2)).front is None


def test_a_missing_corner_shows_the_background_around_the_card():
    face = np.full((880, 630, 3), 40, np.uint8)
    y, x = np.mgrid[0:880, 0:630] + 0.5
    for cx, cy in ((30, 30), (600, 30), (600, 850), (30, 850)):
        beyond = (np.abs(x - 315) > 285) & (np.abs(y - 440) > 410) & (np.hypot(x - cx, y - cy) > 30)
        face[beyond & ((x < 315) == (cx < 315)) & ((y < 440) == (cy < 440))] = (0, 200, 0)
    copy = make_worn_copy(face, None, 1, np.random.default_rng(11))
    rounding = max(corner.rounding_mm for corner in copy.front_wear.corners)
    assert rounding > 0.3
    green = (copy.front == (0, 200, 0)).all(axis=2)
    assert green.sum() > (face == (0, 200, 0)).all(axis=2).sum()


@pytest.mark.parametrize("grade", [0, 10, 11])
def test_a_grade_that_wear_cannot_give_is_refused(grade):
    with pytest.raises(BadInput, match="1 to 9"):
        make_worn_copy(*pictures(), grade, np.random.default_rng(0))


def test_no_picture_and_a_tiny_picture_are_refused():
    with pytest.raises(BadInput, match="no picture"):
        make_worn_copy(None, None, 5, np.random.default_rng(0))
    with pytest.raises(BadInput, match="100 pixels high"):
        make_worn_copy(np.zeros((100, 70, 3), np.uint8), None, 5, np.random.default_rng(0))
